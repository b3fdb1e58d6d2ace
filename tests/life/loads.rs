//! Many connections: what ended is counted, not compared.

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use nix::sys::wait::WaitStatus;
use nix::sys::wait::waitpid;

use crate::common::scenario::actor::Actor;
use crate::common::scenario::process::spawn;
use crate::common::scenario::socket::Ip::V4;
use crate::common::scenario::socket::Socket;
use crate::common::scenario::wait::until;

pub const CONNECTIONS: u64 = 500;

/// One after the other, as fast as it goes. Another process accepts: what is this one's are the clients.
pub fn flood(actor: &Actor) -> Result<()> {
    let (listener, at) = actor.listen(V4)?;
    let server = spawn(|| i32::from((0..CONNECTIONS).any(|_| serve(&listener).is_err())))?;
    for _ in 0..CONNECTIONS {
        let client = Socket::tcp(V4)?;
        client.connect(at).context("connect")?;
        // Its end is there once the server has closed.
        while super::side::read(&client, 16)? > 0 {}
    }
    until("the ends of all", || super::side::all_are_gone(at).is_ok_and(|gone| gone).then_some(()))?;
    let status = waitpid(server, None).context("waitpid")?;
    ensure!(matches!(status, WaitStatus::Exited(_, 0)), "the server ended with {status:?}");
    Ok(())
}

fn serve(listener: &Socket) -> Result<()> {
    drop(listener.accept()?);
    Ok(())
}

/// So many at the same time.
pub const OPEN: u64 = 8;

pub fn held_open(actor: &Actor) -> Result<()> {
    let (listener, at) = actor.listen(V4)?;
    let mut ends = Vec::new();
    for _ in 0..OPEN {
        let client = Socket::tcp(V4)?;
        client.connect(at).context("connect")?;
        ends.push((client, listener.accept()?));
    }
    Ok(())
}
