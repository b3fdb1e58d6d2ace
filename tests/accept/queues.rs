//! The queues that connections wait in.

use std::net::SocketAddr;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;

use super::accepted::Accepted;
use super::accepted::Queue;
use super::accepted::accept;
use super::socket::client;
use super::socket::is_connected_to;
use super::socket::peer;
use super::socket::queue;
use super::socket::reset;
use super::socket::wait_queued;
use crate::common::scenario::actor::Actor;
use crate::common::scenario::socket::Ip;
use crate::common::scenario::socket::Socket;
use crate::common::scenario::wait::until;

/// Two sockets share a port; the kernel chooses whose queue a connection waits in.
pub fn reuse_port(actor: &Actor) -> Result<()> {
    const CONNECTIONS: usize = 8;
    let at = SocketAddr::new(Ip::V4.localhost(), actor.port());
    let listener = || -> Result<Socket> {
        let listener = Socket::tcp(Ip::V4)?;
        listener.set(libc::SOL_SOCKET, libc::SO_REUSEPORT, 1).context("SO_REUSEPORT")?;
        listener.bind(at)?;
        listener.listen(128)?;
        Ok(listener)
    };
    let listeners = [listener()?, listener()?];
    for _ in 0..CONNECTIONS {
        let _client = client(at)?;
        let chosen = wait_queued(&listeners.each_ref())?;
        let (_socket, accepted) = accept(actor, || listeners[chosen].accept4())?;
        accepted.tell()?;
    }
    Ok(())
}

/// The queue as it is after each accept, down to empty.
pub fn backlog(actor: &Actor) -> Result<()> {
    const LIMIT: u32 = 7;
    const CONNECTIONS: u32 = 5;
    let at = SocketAddr::new(Ip::V4.localhost(), actor.port());
    let listener = Socket::listener(at, LIMIT as i32)?;
    let _clients = (0..CONNECTIONS).map(|_| client(at)).collect::<Result<Vec<_>>>()?;
    until("a full queue", || (queue(&listener).ok()? == (CONNECTIONS, LIMIT)).then_some(()))?;
    for waiting in (0..CONNECTIONS).rev() {
        let (_socket, accepted) = accept(actor, || listener.accept4())?;
        Accepted { queue: Queue::Is { waiting, limit: LIMIT }, ..accepted }.tell()?;
    }
    Ok(())
}

/// Reset by its client while it waits; on a port that the kernel chose (0) it has given it back by then.
pub fn reset_before(actor: &Actor, port: u16) -> Result<()> {
    const LIMIT: u32 = 3;
    let listener = Socket::listener(SocketAddr::new(Ip::V4.localhost(), port), LIMIT as i32)?;
    let at = listener.local()?;
    let client = client(at)?;
    let remote = client.local()?;
    wait_queued(&[&listener])?;
    reset(client)?;
    until("the reset", || (!is_connected_to(remote.port()).ok()?).then_some(()))?;
    let by = actor.doer();
    let socket = listener.accept4().context("accept4")?;
    let accepted = Accepted::new(by, at, remote);
    ensure!(peer(&socket).is_err(), "it was reset");
    Accepted { reset: true, queue: Queue::Is { waiting: 0, limit: LIMIT }, ..accepted }.tell()
}
