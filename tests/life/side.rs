//! One side of a connection, which counts what it does.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use nix::errno::Errno;
use nix::sys::socket::Shutdown;
use nix::sys::socket::getpeername;
use nix::sys::socket::shutdown;

use super::ended::Ended;
use super::ended::Info;
use super::ended::Users;
use crate::common::doer::Doer;
use crate::common::doer::Moment;
use crate::common::doer::Thread;
use crate::common::scenario::actor::Actor;
use crate::common::scenario::clock::now;
use crate::common::scenario::socket::Ip;
use crate::common::scenario::socket::Socket;
use crate::common::scenario::wait::until;

pub struct Side {
    /// `None` once it is closed.
    socket: Option<Socket>,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub born: Option<(Moment, Moment)>,
    pub users: Users,
    pub tx: u64,
    pub rx: u64,
    pub info: Option<Info>,
}

/// A connection within this process: the side that connected, and the one that accepted.
pub fn pair(actor: &Actor, ip: Ip) -> Result<(Side, Side)> {
    let (listener, at) = actor.listen(ip)?;
    pair_at(actor, Socket::tcp(ip)?, &listener, at)
}

pub fn pair_at(actor: &Actor, socket: Socket, listener: &Socket, at: SocketAddr) -> Result<(Side, Side)> {
    let by = actor.doer();
    socket.connect(at).context("connect")?;
    let connected = now();
    let mut client = Side::new(socket, by.began, connected)?;
    client.users.connected = Some(by.clone());
    let mut server = Side::new(listener.accept()?, by.began, connected)?;
    server.users.accepted = Some(actor.doer());
    // The handshake may not have ended for the server when connect(2) returned.
    server.born = Some((by.began, now()));
    Ok((client, server))
}

impl Side {
    fn new(socket: Socket, began: Moment, returned: Moment) -> Result<Side> {
        let canonical = |at: SocketAddr| SocketAddr::new(at.ip().to_canonical(), at.port());
        let (local, remote) = (socket.local()?, peer(&socket)?);
        Ok(Side {
            socket: Some(socket),
            local: canonical(local),
            remote: canonical(remote),
            born: Some((began, returned)),
            users: Users::default(),
            tx: 0,
            rx: 0,
            info: None,
        })
    }

    /// Just connected, since `by` began.
    pub fn connected(socket: Socket, by: &Doer) -> Result<Side> {
        let mut side = Side::new(socket, by.began, now())?;
        side.users.connected = Some(by.clone());
        Ok(side)
    }

    /// Just accepted; its client began after `by`.
    pub fn accepted(socket: Socket, by: &Doer) -> Result<Side> {
        Side::new(socket, by.began, now())
    }

    /// The other side, of which nothing is known yet but that it is there.
    pub fn mirrored(&self) -> Side {
        Side {
            socket: None,
            local: self.remote,
            remote: self.local,
            born: self.born,
            users: Users::default(),
            tx: 0,
            rx: 0,
            info: None,
        }
    }

    /// It stays open.
    pub fn pending(&self, by: &Doer) -> Ended {
        Ended {
            by: by.clone(),
            users: self.users.clone(),
            local: Some(self.local),
            remote: self.remote,
            born: self.born,
            tx: self.tx,
            rx: self.rx,
            end: "open".to_owned(),
            info: None,
            failed: false,
            pending: true,
        }
    }

    pub fn socket(&self) -> &Socket {
        self.socket.as_ref().expect("it is not closed")
    }

    pub fn take(&mut self) -> Socket {
        self.socket.take().expect("it is not closed")
    }

    pub fn send(&mut self, bytes: usize) -> Result<()> {
        let mut left = bytes;
        while left > 0 {
            let sent = self.socket().write(&vec![b'x'; left]).context("write")?;
            left -= sent;
        }
        self.tx += bytes as u64;
        Ok(())
    }

    /// Reads so many bytes, which the other side has sent.
    pub fn receive(&mut self, reader: Doer, bytes: usize) -> Result<()> {
        self.users.read.get_or_insert(reader);
        let mut left = bytes;
        while left > 0 {
            match read(self.socket(), left).context("read")? {
                0 => anyhow::bail!("{left} bytes of {bytes} did not come"),
                read => left -= read,
            }
        }
        self.rx += bytes as u64;
        Ok(())
    }

    /// It sends no more.
    pub fn finish_sending(&mut self, by: Doer) -> Result<()> {
        self.look()?;
        self.users.closed.get_or_insert(by);
        shutdown(self.socket().as_raw_fd(), Shutdown::Write).context("shutdown")
    }

    pub fn close(&mut self, by: Doer) -> Result<()> {
        self.look()?;
        self.users.closed.get_or_insert(by);
        self.socket = None;
        Ok(())
    }

    /// With a reset.
    pub fn abort(&mut self, by: Doer) -> Result<()> {
        let at_once = libc::linger { l_onoff: 1, l_linger: 0 };
        self.socket().set_option(libc::SOL_SOCKET, libc::SO_LINGER, &at_once).context("SO_LINGER")?;
        self.close(by)
    }

    /// Closed after the other side has reset it, which is none of its owner's doing.
    pub fn let_go(&mut self) -> Result<()> {
        until("the reset", || (read(self.socket(), 1).err()?.raw_os_error() == Some(libc::ECONNRESET)).then_some(()))?;
        self.socket = None;
        Ok(())
    }

    /// What TCP_INFO says now.
    pub fn look(&mut self) -> Result<()> {
        if self.info.is_none() {
            self.info = Some(info(self.socket())?);
        }
        Ok(())
    }

    /// It ended as `end` after `began`.
    pub fn ended(self, by: &Doer, end: &str) -> Ended {
        Ended {
            // The kernel ends it, in its own time.
            by: Doer { returned: now(), thread: Thread::default(), ..by.clone() },
            users: self.users,
            local: Some(self.local),
            remote: self.remote,
            born: self.born,
            tx: self.tx,
            rx: self.rx,
            end: end.to_owned(),
            info: self.info,
            failed: false,
            pending: false,
        }
    }

    /// Whether the kernel has nothing more of it than TIME_WAIT.
    fn is_gone(&self) -> Result<bool> {
        is_gone(&format!(":{:04X}", self.local.port()), &format!(":{:04X}", self.remote.port()))
    }
}

/// Whether the kernel has no more than TIME_WAIT of connections to this port.
pub fn all_are_gone(to: SocketAddr) -> Result<bool> {
    is_gone("", &format!(":{:04X}", to.port()))
}

/// The ends of a socket's addresses, as the table of sockets has them.
fn is_gone(local: &str, remote: &str) -> Result<bool> {
    for table in ["tcp", "tcp6"] {
        let lines = match fs::read_to_string(format!("/proc/thread-self/net/{table}")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue, // no IPv6
            lines => lines.context("the table of sockets")?,
        };
        let is_there = |line: &str| match line.split_whitespace().collect::<Vec<_>>()[..] {
            [_, from, to, state, ..] => from.ends_with(local) && to.ends_with(remote) && state != "06",
            _ => false,
        };
        if lines.lines().any(is_there) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Waits for the end of both sides, and tells them. `by`: from a moment before that.
pub fn tell_ends(by: &Doer, ends: [(Side, &str); 2]) -> Result<()> {
    for (side, _) in &ends {
        until("the end of a connection", || side.is_gone().is_ok_and(|gone| gone).then_some(()))?;
    }
    ends.into_iter().try_for_each(|(side, end)| side.ended(by, end).tell())
}

fn peer(socket: &Socket) -> Result<SocketAddr> {
    Socket::address(&getpeername(socket.as_raw_fd()).context("getpeername")?)
}

pub fn read(socket: &Socket, bytes: usize) -> io::Result<usize> {
    Ok(nix::unistd::read(socket.borrowed(), &mut vec![0; bytes])?)
}

/// TCP_INFO, by the offsets of <linux/tcp.h>, and TCP_CONGESTION.
fn info(socket: &Socket) -> Result<Info> {
    const NOT_MEASURED: u32 = u32::MAX;
    let mut bytes = [0_u8; 228];
    let length = option(socket, libc::TCP_INFO, &mut bytes).context("TCP_INFO")?;
    let at = |offset: usize| u32::from_ne_bytes(bytes[offset..offset + 4].try_into().expect("four bytes"));
    ensure!(length == bytes.len(), "TCP_INFO has {length} bytes");
    let mut name = [0_u8; 16];
    option(socket, libc::TCP_CONGESTION, &mut name).context("TCP_CONGESTION")?;
    Ok(Info {
        retransmits: at(100),
        segs_out: at(136),
        segs_in: at(140),
        min_rtt: Some(at(148)).filter(|&rtt| rtt != NOT_MEASURED),
        rcv_ooo: at(224),
        cong: String::from_utf8_lossy(&name).trim_end_matches('\0').to_owned(),
    })
}

fn option(socket: &Socket, name: libc::c_int, into: &mut [u8]) -> Result<usize, Errno> {
    let mut length = into.len() as libc::socklen_t;
    let (fd, value) = (socket.as_raw_fd(), into.as_mut_ptr().cast());
    // SAFETY: the kernel writes at most `length` bytes to `value`.
    Errno::result(unsafe { libc::getsockopt(fd, libc::IPPROTO_TCP, name, value, &mut length) })?;
    Ok(length as usize)
}
