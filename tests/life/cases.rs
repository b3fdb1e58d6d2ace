//! The list of cases: every way in which a connection can begin, go on and end.

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use nix::errno::Errno;
use nix::poll::PollFd;
use nix::poll::PollFlags;
use nix::poll::PollTimeout;
use nix::poll::poll;

use super::ended::Ended;
use super::ended::Users;
use super::loads;
use super::owners;
use super::side::Side;
use super::side::pair;
use super::side::pair_at;
use super::side::tell_ends;
use crate::common::doer::Doer;
use crate::common::filtering::FAMILY;
use crate::common::filtering::OTHER_FAMILY;
use crate::common::scenario::actor::Actor;
use crate::common::scenario::case::Case;
use crate::common::scenario::case::Turn;
use crate::common::scenario::case::alone;
use crate::common::scenario::clock::now;
use crate::common::scenario::family::family;
use crate::common::scenario::socket::Ip;
use crate::common::scenario::socket::Ip::V4;
use crate::common::scenario::socket::Ip::V6;
use crate::common::scenario::socket::Socket;
use crate::common::scenario::socket::mapped;
use crate::common::scenario::wait::until;

pub const CASES: &[Case] = &[
    Case { name: "from-before", play: owners::from_before, turn: Turn::FromBefore },
    Case { name: "from-before-shared", play: owners::from_before_shared, turn: Turn::FromBefore },
    Case { name: "held", play: held, turn: Turn::UntilTheEnd },
    alone("client-first", |actor| client_first(actor, V4)),
    alone("client-first-v6", |actor| client_first(actor, V6)),
    alone("mapped", v4_mapped),
    alone("server-first", server_first),
    alone("no-data", no_data),
    alone("half-close", half_close),
    alone("both-close", both_close),
    alone("peer-resets", peer_resets),
    alone("reset-after-close", reset_after_close),
    alone("unread", unread),
    alone("disconnect", disconnect),
    alone("loss", loss),
    alone("timeout", timeout),
    alone("not-accepted", not_accepted),
    alone("many-bytes", many_bytes),
    alone("at-once", at_once),
    alone("refused", |actor| refused(actor, V4)),
    alone("refused-v6", |actor| refused(actor, V6)),
    alone("given-up", given_up),
    alone("process-ends", owners::process_ends),
    alone("forked-server", owners::forked_server),
    alone("passed-on", owners::passed_on),
    alone("other-user", owners::other_user),
    alone("other-thread", owners::other_thread),
    alone("other-netns", owners::other_netns),
    alone("hostile-name", owners::hostile_name),
    alone("pid-namespace", owners::pid_namespace),
    alone("busy-cpu", owners::busy_cpu),
];

pub const FLOOD: &str = "flood";
pub const HELD_OPEN: &str = "held-open";
pub const LOADS: &[Case] = &[
    alone(FLOOD, loads::flood),
    alone(HELD_OPEN, loads::held_open),
    Case {
        name: FAMILY,
        play: |actor| family(actor, OTHER_FAMILY, |actor| client_first(actor, V4)),
        turn: Turn::FromBefore,
    },
    alone(OTHER_FAMILY, |actor| client_first(actor, V4)),
];

/// 1000 bytes there, 500 back.
pub fn talk(actor: &Actor, client: &mut Side, server: &mut Side) -> Result<()> {
    client.send(1000)?;
    server.receive(actor.doer(), 1000)?;
    server.send(500)?;
    client.receive(actor.doer(), 500)
}

pub fn end_client_first(actor: &Actor, mut client: Side, mut server: Side) -> Result<()> {
    let by = actor.doer();
    client.close(actor.doer())?;
    server.close(actor.doer())?;
    tell_ends(&by, [(client, "fin"), (server, "fin")])
}

pub fn client_first(actor: &Actor, ip: Ip) -> Result<()> {
    let (mut client, mut server) = pair(actor, ip)?;
    talk(actor, &mut client, &mut server)?;
    end_client_first(actor, client, server)
}

fn v4_mapped(actor: &Actor) -> Result<()> {
    let (listener, at) = actor.listen(V4)?;
    let (mut client, mut server) = pair_at(actor, Socket::tcp(V6)?, &listener, mapped(at))?;
    talk(actor, &mut client, &mut server)?;
    end_client_first(actor, client, server)
}

fn server_first(actor: &Actor) -> Result<()> {
    let (mut client, mut server) = pair(actor, V4)?;
    talk(actor, &mut client, &mut server)?;
    let by = actor.doer();
    server.close(actor.doer())?;
    client.close(actor.doer())?;
    tell_ends(&by, [(client, "fin"), (server, "fin")])
}

fn no_data(actor: &Actor) -> Result<()> {
    let (client, server) = pair(actor, V4)?;
    end_client_first(actor, client, server)
}

/// The client has said all; the server still speaks.
fn half_close(actor: &Actor) -> Result<()> {
    let (mut client, mut server) = pair(actor, V4)?;
    client.send(100)?;
    client.finish_sending(actor.doer())?;
    server.receive(actor.doer(), 100)?;
    server.send(70_000)?;
    client.receive(actor.doer(), 70_000)?;
    let by = actor.doer();
    server.close(actor.doer())?;
    client.close(actor.doer())?;
    tell_ends(&by, [(client, "fin"), (server, "fin")])
}

/// Each side's FIN is sent before it has the other's: one of them is lost at first.
fn both_close(actor: &Actor) -> Result<()> {
    let (mut client, mut server) = pair(actor, V4)?;
    talk(actor, &mut client, &mut server)?;
    server.socket().drop_all()?;
    client.finish_sending(actor.doer())?;
    until("the FIN that is lost", || (server.socket().drops().ok()? > 0).then_some(()))?;
    let by = actor.doer();
    server.socket().drop_none()?;
    server.finish_sending(actor.doer())?;
    tell_ends(&by, [(client, "fin"), (server, "fin")])
}

fn peer_resets(actor: &Actor) -> Result<()> {
    let (mut client, mut server) = pair(actor, V4)?;
    talk(actor, &mut client, &mut server)?;
    client.look()?;
    let by = actor.doer();
    server.abort(actor.doer())?;
    client.let_go()?;
    tell_ends(&by, [(client, "reset"), (server, "aborted")])
}

/// The client resets what the server has closed already.
fn reset_after_close(actor: &Actor) -> Result<()> {
    let (mut client, mut server) = pair(actor, V4)?;
    talk(actor, &mut client, &mut server)?;
    let by = actor.doer();
    server.close(actor.doer())?;
    client.abort(actor.doer())?;
    tell_ends(&by, [(client, "aborted"), (server, "reset")])
}

/// What is closed with unread data is reset.
fn unread(actor: &Actor) -> Result<()> {
    let (mut client, mut server) = pair(actor, V4)?;
    client.send(100)?;
    until("the data", || (server.socket().waiting().ok()? == 100).then_some(()))?;
    server.rx = 100;
    client.look()?;
    let by = actor.doer();
    server.close(actor.doer())?;
    client.let_go()?;
    tell_ends(&by, [(client, "reset"), (server, "aborted")])
}

/// connect(2) to AF_UNSPEC, and the same socket again.
fn disconnect(actor: &Actor) -> Result<()> {
    let (listener, at) = actor.listen(V4)?;
    let (mut client, mut server) = pair_at(actor, Socket::tcp(V4)?, &listener, at)?;
    talk(actor, &mut client, &mut server)?;
    client.look()?;
    server.look()?;
    let by = actor.doer();
    client.socket().disconnect()?;
    let socket = client.take();
    server.let_go()?;
    tell_ends(&by, [(client, "aborted"), (server, "reset")])?;
    let (mut client, mut server) = pair_at(actor, socket, &listener, at)?;
    talk(actor, &mut client, &mut server)?;
    end_client_first(actor, client, server)
}

/// The server's filter drops what comes for a while.
fn loss(actor: &Actor) -> Result<()> {
    let (mut client, mut server) = pair(actor, V4)?;
    talk(actor, &mut client, &mut server)?;
    server.socket().drop_all()?;
    client.send(10)?;
    until("two lost segments", || (server.socket().drops().ok()? >= 2).then_some(()))?;
    server.socket().drop_none()?;
    server.receive(actor.doer(), 10)?;
    client.look()?;
    let retransmits = client.info.as_ref().map_or(0, |info| info.retransmits);
    ensure!(retransmits > 0, "nothing was sent again");
    end_client_first(actor, client, server)
}

/// The other side falls silent.
fn timeout(actor: &Actor) -> Result<()> {
    let (mut client, mut server) = pair(actor, V4)?;
    talk(actor, &mut client, &mut server)?;
    client.socket().give_up_soon()?;
    server.socket().drop_all()?;
    let by = actor.doer();
    client.send(10)?;
    let error = until("the time-out", || super::side::read(client.socket(), 1).err())?;
    ensure!(error.raw_os_error() == Some(libc::ETIMEDOUT), "the client got {error}");
    drop(client.take());
    server.socket().drop_none()?;
    server.close(actor.doer())?;
    tell_ends(&by, [(client, "timeout"), (server, "reset")])
}

/// The listening socket is closed; of what waited in its queue no process has known.
fn not_accepted(actor: &Actor) -> Result<()> {
    let (listener, at) = actor.listen(V4)?;
    let socket = Socket::tcp(V4)?;
    let by = actor.doer();
    socket.connect(at).context("connect")?;
    let mut client = Side::connected(socket, &by)?;
    let server = client.mirrored();
    until("a connection in the queue", || is_readable(&listener).then_some(()))?;
    let by = actor.doer();
    drop(listener);
    client.let_go()?;
    tell_ends(&by, [(client, "reset"), (server, "aborted")])
}

fn is_readable(socket: &Socket) -> bool {
    let mut fds = [PollFd::new(socket.borrowed(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO) == Ok(1)
}

/// More than a window, more than one buffer.
fn many_bytes(actor: &Actor) -> Result<()> {
    const BYTES: usize = 20 << 20;
    let (mut client, mut server) = pair(actor, V4)?;
    let reader = actor.doer();
    std::thread::scope(|scope| -> Result<()> {
        let sending = scope.spawn(|| client.send(BYTES));
        server.receive(reader, BYTES)?;
        sending.join().expect("the thread does not panic")
    })?;
    end_client_first(actor, client, server)
}

/// Sockets are used again at once: no connection has anything of the one before.
fn at_once(actor: &Actor) -> Result<()> {
    let (listener, at) = actor.listen(V4)?;
    for bytes in 1..=50 {
        let (mut client, mut server) = pair_at(actor, Socket::tcp(V4)?, &listener, at)?;
        client.send(bytes)?;
        server.receive(actor.doer(), bytes)?;
        let by = actor.doer();
        if bytes % 2 == 0 {
            server.close(actor.doer())?;
            client.close(actor.doer())?;
        } else {
            client.close(actor.doer())?;
            server.close(actor.doer())?;
        }
        tell_ends(&by, [(client, "fin"), (server, "fin")])?;
    }
    Ok(())
}

fn failed(by: &Doer, connected: Doer, to: std::net::SocketAddr, end: &str) -> Ended {
    Ended {
        by: Doer { returned: now(), ..by.clone() },
        users: Users { connected: Some(connected), ..Users::default() },
        local: None,
        remote: to,
        born: Some((by.began, now())),
        tx: 0,
        rx: 0,
        end: end.to_owned(),
        info: None,
        failed: true,
        pending: false,
    }
}

fn refused(actor: &Actor, ip: Ip) -> Result<()> {
    let at = actor.closed(ip);
    let by = actor.doer();
    let result = Socket::tcp(ip)?.connect(at);
    ensure!(result == Err(Errno::ECONNREFUSED), "connect: {result:?}");
    failed(&by, by.clone(), at, "refused").tell()
}

/// Closed before there was an answer.
fn given_up(actor: &Actor) -> Result<()> {
    let (_silent, at) = actor.silent(V4)?;
    let by = actor.doer();
    let socket = Socket::nonblocking(V4)?;
    let result = socket.connect(at);
    ensure!(result == Err(Errno::EINPROGRESS), "connect: {result:?}");
    drop(socket);
    failed(&by, by.clone(), at, "aborted").tell()
}

/// Still open when tracing ends.
fn held(actor: &Actor) -> Result<()> {
    let (client, server) = pair(actor, V4)?;
    let by = actor.doer();
    for side in [&client, &server] {
        side.pending(&by).tell()?;
    }
    actor.hold_until_the_end()
}
