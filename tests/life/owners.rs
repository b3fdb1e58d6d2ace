//! Whose a connection is.

use std::io::IoSlice;
use std::io::IoSliceMut;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use nix::cmsg_space;
use nix::sched::CloneFlags;
use nix::sched::unshare;
use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::sys::socket::ControlMessage;
use nix::sys::socket::ControlMessageOwned;
use nix::sys::socket::MsgFlags;
use nix::sys::socket::recvmsg;
use nix::sys::socket::sendmsg;
use nix::sys::wait::WaitStatus;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use super::cases::client_first;
use super::cases::end_client_first;
use super::cases::talk;
use super::side::Side;
use super::side::pair;
use super::side::tell_ends;
use crate::common::doer::Doer;
use crate::common::scenario::actor::Actor;
use crate::common::scenario::busy::stay_on_first_cpu;
use crate::common::scenario::network;
use crate::common::scenario::process::HOSTILE_NAMES;
use crate::common::scenario::process::become_other_user;
use crate::common::scenario::process::set_name;
use crate::common::scenario::process::spawn;
use crate::common::scenario::socket::Ip;
use crate::common::scenario::socket::Ip::V4;
use crate::common::scenario::socket::Socket;

fn ends_well(child: Pid) -> Result<()> {
    let status = waitpid(child, None).context("waitpid")?;
    ensure!(matches!(status, WaitStatus::Exited(_, 0)), "the process ended with {status:?}");
    Ok(())
}

fn born_before(side: &mut Side, open: Doer, shared: bool) {
    side.born = None;
    side.users.connected = None;
    side.users.accepted = None;
    side.users.read = None;
    side.users.open = Some(open);
    side.users.shared = shared;
}

/// What was sent and received before counts as well.
pub fn from_before(actor: &Actor) -> Result<()> {
    let (mut client, mut server) = pair(actor, V4)?;
    talk(actor, &mut client, &mut server)?;
    born_before(&mut client, actor.doer(), false);
    born_before(&mut server, actor.doer(), false);
    actor.wait_for_start()?;
    talk(actor, &mut client, &mut server)?;
    end_client_first(actor, client, server)
}

/// A process has it from its parent, which has it still. The child has the higher PID, but for a wrap.
pub fn from_before_shared(actor: &Actor) -> Result<()> {
    let (mut client, mut server) = pair(actor, V4)?;
    let child = spawn(|| {
        std::thread::park();
        0
    })?;
    let (lowest, is_ours) = if nix::unistd::getpid() < child { (actor.doer(), true) } else { (actor.doer(), false) };
    let lowest = if is_ours { lowest } else { lowest.of_process(child) };
    born_before(&mut client, lowest.clone(), true);
    born_before(&mut server, lowest, true);
    actor.wait_for_start()?;
    talk(actor, &mut client, &mut server)?;
    kill(child, Signal::SIGKILL).context("kill")?;
    waitpid(child, None).context("waitpid")?;
    end_client_first(actor, client, server)
}

/// It closes nothing: the kernel does that for it.
pub fn process_ends(actor: &Actor) -> Result<()> {
    let (listener, _) = actor.listen(V4)?;
    let at = listener.local()?;
    let by = actor.doer();
    let child = spawn(|| {
        let connects = || -> Result<()> {
            let socket = Socket::tcp(V4)?;
            socket.connect(at).context("connect")?;
            socket.write(&[b'x'; 300])?;
            std::mem::forget(socket);
            Ok(())
        };
        i32::from(connects().is_err())
    })?;
    let mut server = Side::accepted(listener.accept()?, &by)?;
    server.users.accepted = Some(actor.doer());
    server.receive(actor.doer(), 300)?;
    ends_well(child)?;
    let mut client = server.mirrored();
    client.tx = 300;
    client.users.connected = Some(by.clone().of_process(child));
    server.close(actor.doer())?;
    // The client's side is over as soon as its FIN has come.
    tell_ends(&by, [(client, "fin"), (server, "fin")])
}

/// The parent accepts, the child serves: by accept it is the parent's, by what is read the child's.
pub fn forked_server(actor: &Actor) -> Result<()> {
    let (mut client, mut server) = pair(actor, V4)?;
    client.send(1000)?;
    let by = actor.doer();
    let child = spawn(|| {
        let mut serve = || -> Result<()> {
            server.receive(actor.doer(), 1000)?;
            server.send(500)?;
            std::mem::forget(server.take());
            Ok(())
        };
        i32::from(serve().is_err())
    })?;
    let serving = actor.doer().of_process(child);
    drop(server.take());
    client.receive(actor.doer(), 500)?;
    ends_well(child)?;
    (server.tx, server.rx) = (500, 1000);
    server.users.read = Some(serving.clone());
    server.users.closed = Some(serving);
    client.close(actor.doer())?;
    tell_ends(&by, [(client, "fin"), (server, "fin")])
}

/// The same by SCM_RIGHTS.
pub fn passed_on(actor: &Actor) -> Result<()> {
    let (here, there) = UnixStream::pair().context("socketpair")?;
    let by = actor.doer();
    let child = spawn(|| {
        let serve = || -> Result<()> {
            let socket = take(&there)?;
            let mut left = 1000;
            while left > 0 {
                left -= super::side::read(&socket, left)?;
            }
            socket.write(&[b'x'; 500])?;
            Ok(())
        };
        i32::from(serve().is_err())
    })?;
    let (mut client, mut server) = pair(actor, V4)?;
    client.send(1000)?;
    pass(&here, server.socket())?;
    drop(server.take());
    client.receive(actor.doer(), 500)?;
    ends_well(child)?;
    let serving = actor.doer().of_process(child);
    (server.tx, server.rx) = (500, 1000);
    server.users.read = Some(serving.clone());
    server.users.closed = Some(serving);
    client.close(actor.doer())?;
    tell_ends(&by, [(client, "fin"), (server, "fin")])
}

fn pass(to: &UnixStream, socket: &Socket) -> Result<()> {
    let rights = [socket.as_raw_fd()];
    let message = [ControlMessage::ScmRights(&rights)];
    sendmsg::<()>(to.as_raw_fd(), &[IoSlice::new(b".")], &message, MsgFlags::empty(), None).context("sendmsg")?;
    Ok(())
}

fn take(from: &UnixStream) -> Result<Socket> {
    let (mut byte, mut room) = ([0], cmsg_space!([i32; 1]));
    let mut into = [IoSliceMut::new(&mut byte)];
    let message = recvmsg::<()>(from.as_raw_fd(), &mut into, Some(&mut room), MsgFlags::empty()).context("recvmsg")?;
    let rights = message.cmsgs()?.find_map(|message| match message {
        ControlMessageOwned::ScmRights(descriptors) => descriptors.first().copied(),
        _ => None,
    });
    rights.map(Socket::of_descriptor).context("no descriptor came")
}

pub fn other_user(actor: &Actor) -> Result<()> {
    become_other_user()?;
    client_first(actor, V4)
}

pub fn other_thread(actor: &Actor) -> Result<()> {
    let body = || {
        set_name(b"another-thread")?;
        client_first(actor, V4)
    };
    std::thread::scope(|scope| scope.spawn(body).join().expect("the thread does not panic"))
}

pub fn other_netns(actor: &Actor) -> Result<()> {
    network::enter_new()?;
    client_first(actor, V4)
}

pub fn hostile_name(actor: &Actor) -> Result<()> {
    HOSTILE_NAMES.iter().try_for_each(|name| {
        set_name(name)?;
        client_first(actor, V4)
    })
}

/// The process calls itself 1; the tool sees it from outside.
pub fn pid_namespace(actor: &Actor) -> Result<()> {
    let (listener, at) = actor.listen(V4)?;
    unshare(CloneFlags::CLONE_NEWPID).context("a PID namespace")?;
    let by = actor.doer();
    let child = spawn(|| {
        let connects = || -> Result<()> {
            let socket = Socket::tcp(V4)?;
            socket.connect(at).context("connect")?;
            Ok(())
        };
        i32::from(connects().is_err())
    })?;
    let mut server = Side::accepted(listener.accept()?, &by)?;
    server.users.accepted = Some(actor.doer());
    ends_well(child)?;
    let mut client = server.mirrored();
    client.users.connected = Some(by.clone().of_process(child).nested());
    server.close(actor.doer())?;
    tell_ends(&by, [(client, "fin"), (server, "fin")])
}

/// Another process keeps the CPU busy: packets and timers are mostly worked off in its name.
pub fn busy_cpu(actor: &Actor) -> Result<()> {
    stay_on_first_cpu()?;
    let busy = spawn(|| {
        let _ = set_name(b"busy");
        loop {
            std::hint::black_box(0);
        }
    })?;
    let played = (0..20).try_for_each(|_| client_first(actor, V4)).and_then(|()| server_waits(actor));
    kill(busy, Signal::SIGKILL).context("kill")?;
    waitpid(busy, None).context("waitpid")?;
    played
}

/// The end comes by a timer: the FIN is sent again.
fn server_waits(actor: &Actor) -> Result<()> {
    let (mut client, mut server) = pair(actor, Ip::V4)?;
    talk(actor, &mut client, &mut server)?;
    let by = actor.doer();
    server.socket().drop_all()?;
    client.close(actor.doer())?;
    std::thread::sleep(std::time::Duration::from_millis(10));
    server.socket().drop_none()?;
    server.close(actor.doer())?;
    tell_ends(&by, [(client, "fin"), (server, "fin")])
}
