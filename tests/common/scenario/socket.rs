//! A socket of the scenario: the plain calls, each giving the errno that the kernel gave.

use std::io;
use std::mem::size_of;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::SocketAddrV4;
use std::net::SocketAddrV6;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::fd::BorrowedFd;
use std::os::fd::FromRawFd;
use std::os::fd::OwnedFd;
use std::os::fd::RawFd;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use nix::errno::Errno;
use nix::poll::PollFd;
use nix::poll::PollFlags;
use nix::poll::PollTimeout;
use nix::poll::poll;
use nix::sys::socket as sys;
use nix::sys::socket::SockaddrIn;
use nix::sys::socket::SockaddrIn6;
use nix::sys::socket::SockaddrStorage;
use nix::sys::time::TimeVal;
use nix::sys::time::TimeValLike;

use super::actor::skip;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ip {
    V4,
    V6,
}

impl Ip {
    pub fn of(address: IpAddr) -> Ip {
        if address.is_ipv4() { Ip::V4 } else { Ip::V6 }
    }

    pub fn localhost(self) -> IpAddr {
        match self {
            Ip::V4 => Ipv4Addr::LOCALHOST.into(),
            Ip::V6 => Ipv6Addr::LOCALHOST.into(),
        }
    }

    fn domain(self) -> libc::c_int {
        match self {
            Ip::V4 => libc::AF_INET,
            Ip::V6 => libc::AF_INET6,
        }
    }
}

pub struct Socket {
    fd: OwnedFd,
    /// The local address as bound; a socket's own memory of it outlives the binding.
    bound: Mutex<Option<SocketAddr>>,
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl Socket {
    pub fn tcp(ip: Ip) -> Result<Socket> {
        Socket::new(ip, libc::SOCK_STREAM, libc::IPPROTO_TCP)
    }

    pub fn nonblocking(ip: Ip) -> Result<Socket> {
        Socket::new(ip, libc::SOCK_STREAM | libc::SOCK_NONBLOCK, libc::IPPROTO_TCP)
    }

    pub fn borrowed(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub fn udp(ip: Ip) -> Result<Socket> {
        Socket::new(ip, libc::SOCK_DGRAM, 0)
    }

    pub fn new(ip: Ip, kind: libc::c_int, protocol: libc::c_int) -> Result<Socket> {
        // SAFETY: socket(2) takes no pointers; a descriptor that it returns is ours alone.
        let fd = unsafe { libc::socket(ip.domain(), kind | libc::SOCK_CLOEXEC, protocol) };
        match Errno::result(fd) {
            // SAFETY: see above.
            Ok(fd) => Ok(Socket { fd: unsafe { OwnedFd::from_raw_fd(fd) }, bound: Mutex::new(None) }),
            Err(Errno::EAFNOSUPPORT) if ip == Ip::V6 => skip("this kernel has no IPv6"),
            Err(errno) => Err(errno).context("socket"),
        }
    }

    pub fn mptcp() -> Result<Socket> {
        const IPPROTO_MPTCP: libc::c_int = 262;
        match Socket::new(Ip::V4, libc::SOCK_STREAM, IPPROTO_MPTCP) {
            Ok(socket) => Ok(socket),
            Err(error) => skip(format!("no MPTCP: {error:#}")),
        }
    }

    /// Of a descriptor that the kernel has just made for us.
    pub fn of_descriptor(fd: RawFd) -> Socket {
        // SAFETY: nobody else has it.
        Socket { fd: unsafe { OwnedFd::from_raw_fd(fd) }, bound: Mutex::new(None) }
    }

    pub fn listener(at: SocketAddr, backlog: i32) -> Result<Socket> {
        let socket = Socket::tcp(Ip::of(at.ip()))?;
        socket.bind(at)?;
        socket.listen(backlog)?;
        Ok(socket)
    }

    pub fn listen(&self, backlog: i32) -> Result<()> {
        // SAFETY: listen(2) takes no pointers.
        Errno::result(unsafe { libc::listen(self.as_raw_fd(), backlog) }).context("listen")?;
        Ok(())
    }

    pub fn accept(&self) -> Result<Socket> {
        self.accept4().context("accept")
    }

    pub fn accept4(&self) -> Result<Socket, Errno> {
        sys::accept4(self.as_raw_fd(), sys::SockFlag::SOCK_CLOEXEC).map(Socket::of_descriptor)
    }

    pub fn bind(&self, to: SocketAddr) -> Result<()> {
        sys::bind(self.as_raw_fd(), &SockaddrStorage::from(to)).with_context(|| format!("bind {to}"))?;
        *self.bound.lock().unwrap() = Some(self.local()?);
        Ok(())
    }

    pub fn bound(&self) -> Option<SocketAddr> {
        *self.bound.lock().unwrap()
    }

    pub fn connect(&self, to: SocketAddr) -> Result<(), Errno> {
        sys::connect(self.as_raw_fd(), &SockaddrStorage::from(to))
    }

    /// Undoes the connection or the attempt.
    pub fn disconnect(&self) -> Result<()> {
        let nowhere = libc::sockaddr { sa_family: libc::AF_UNSPEC as _, sa_data: [0; 14] };
        self.connect_raw(&nowhere, size_of::<libc::sockaddr>()).context("connect to AF_UNSPEC")
    }

    /// connect(2) with any bytes for an address.
    pub fn connect_raw<T>(&self, address: &T, length: usize) -> Result<(), Errno> {
        assert!(length <= size_of::<T>());
        let address = (address as *const T).cast();
        // SAFETY: `length` bytes are readable at `address`.
        let result = unsafe { libc::connect(self.as_raw_fd(), address, length as _) };
        Errno::result(result).map(drop)
    }

    pub fn local(&self) -> Result<SocketAddr> {
        Socket::address(&sys::getsockname(self.as_raw_fd()).context("getsockname")?)
    }

    pub fn address(address: &SockaddrStorage) -> Result<SocketAddr> {
        let v4 = address.as_sockaddr_in().map(|a| SocketAddrV4::from(*a).into());
        let v6 = || address.as_sockaddr_in6().map(|a| SocketAddrV6::from(*a).into());
        v4.or_else(v6).context("a socket of another family")
    }

    pub fn set(&self, level: libc::c_int, option: libc::c_int, value: libc::c_int) -> Result<(), Errno> {
        self.set_option(level, option, &value)
    }

    pub fn set_option<T>(&self, level: libc::c_int, option: libc::c_int, value: &T) -> Result<(), Errno> {
        let (value, length) = ((value as *const T).cast(), size_of::<T>() as libc::socklen_t);
        // SAFETY: the kernel reads `length` bytes at `value`, and at what that points to.
        let result = unsafe { libc::setsockopt(self.as_raw_fd(), level, option, value, length) };
        Errno::result(result).map(drop)
    }

    pub fn get(&self, level: libc::c_int, option: libc::c_int) -> Result<libc::c_int, Errno> {
        let mut value: libc::c_int = 0;
        let mut length = size_of::<libc::c_int>() as libc::socklen_t;
        // SAFETY: the kernel writes at most `length` bytes to `value`.
        let result = unsafe { libc::getsockopt(self.as_raw_fd(), level, option, (&raw mut value).cast(), &mut length) };
        Errno::result(result).map(|_| value)
    }

    /// The shortest round trip that TCP has measured, cut to microseconds; `None` where it has measured none.
    pub fn min_rtt(&self) -> Option<Duration> {
        const MIN_RTT: usize = 148; // in struct tcp_info of <linux/tcp.h>; libc's is shorter
        const NONE: u32 = u32::MAX;
        let mut info = [0_u8; MIN_RTT + 4];
        let mut length = info.len() as libc::socklen_t;
        let (fd, value) = (self.as_raw_fd(), info.as_mut_ptr().cast());
        // SAFETY: the kernel writes at most `length` bytes to `value`.
        let result = unsafe { libc::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, value, &mut length) };
        Errno::result(result).ok().filter(|_| length as usize == info.len())?; // MPTCP has none before 5.16
        let micros = u32::from_ne_bytes(info[MIN_RTT..].try_into().expect("four bytes"));
        Some(Duration::from_micros(micros.into())).filter(|_| micros != NONE)
    }

    pub fn set_send_timeout(&self, after: Duration) -> Result<()> {
        let time = TimeVal::microseconds(after.as_micros() as i64);
        sys::setsockopt(&self.fd, sys::sockopt::SendTimeout, &time).context("SO_SNDTIMEO")
    }

    pub fn shut_down(&self) -> Result<()> {
        sys::shutdown(self.as_raw_fd(), sys::Shutdown::Both).context("shutdown")
    }

    /// Attaches a filter that accepts nothing.
    pub fn drop_all(&self) -> Result<()> {
        let mut accept_nothing = libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: 0 };
        let program = libc::sock_fprog { len: 1, filter: &raw mut accept_nothing };
        self.set_option(libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program).context("SO_ATTACH_FILTER")
    }

    /// How many packets it has dropped.
    pub fn drops(&self) -> Result<u32> {
        const DROPS: usize = 8; // SK_MEMINFO_DROPS of <linux/sock_diag.h>
        let mut info = [0_u32; DROPS + 1];
        let mut length = size_of_val(&info) as libc::socklen_t;
        let (fd, value) = (self.as_raw_fd(), info.as_mut_ptr().cast());
        // SAFETY: the kernel writes at most `length` bytes to `value`.
        let result = unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_MEMINFO, value, &mut length) };
        Errno::result(result).context("SO_MEMINFO")?;
        Ok(info[DROPS])
    }

    /// Takes that filter away.
    pub fn drop_none(&self) -> Result<()> {
        self.set(libc::SOL_SOCKET, libc::SO_DETACH_FILTER, 0).context("SO_DETACH_FILTER")
    }

    /// Lets an attempt end with ETIMEDOUT at its first retransmission, a second after it began.
    pub fn give_up_soon(&self) -> Result<()> {
        self.give_up_after(Duration::from_millis(1))
    }

    /// Lets an attempt end with ETIMEDOUT at the first timer after so long: a second after it began, or later.
    pub fn give_up_after(&self, time: Duration) -> Result<()> {
        self.set(libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT, time.as_millis() as i32).context("TCP_USER_TIMEOUT")
    }

    /// Whether a non-blocking attempt is over now.
    pub fn is_over(&self) -> Result<bool> {
        let mut fds = [PollFd::new(self.borrowed(), PollFlags::POLLOUT)];
        Ok(poll(&mut fds, PollTimeout::ZERO).context("poll")? == 1)
    }

    /// Waits until a non-blocking attempt is over.
    pub fn wait_until_over(&self) -> Result<()> {
        let mut fds = [PollFd::new(self.borrowed(), PollFlags::POLLOUT)];
        let ready = poll(&mut fds, PollTimeout::from(60_000_u16)).context("poll")?;
        ensure!(ready == 1, "the attempt is not over after 60 s");
        Ok(())
    }

    /// Waits for it, and takes its error.
    pub fn outcome(&self) -> Result<Result<(), Errno>> {
        self.wait_until_over()?;
        // 5.10 sets the error, wakes us, and only then closes the socket: who takes the error in between takes it from
        // the row, too. This call waits for the socket's lock, and so for its close.
        let _ = self.get(libc::IPPROTO_TCP, libc::TCP_INFO); // MPTCP has none before 5.16
        let error = self.get(libc::SOL_SOCKET, libc::SO_ERROR).context("SO_ERROR")?;
        Ok(if error == 0 { Ok(()) } else { Err(Errno::from_raw(error)) })
    }

    /// Sends by TCP Fast Open, which connects; the bytes sent or the error.
    pub fn send_fast_open(&self, to: SocketAddr, bytes: &[u8]) -> Result<usize, Errno> {
        sys::sendto(
            self.as_raw_fd(),
            bytes,
            &SockaddrStorage::from(to),
            sys::MsgFlags::from_bits_retain(libc::MSG_FASTOPEN),
        )
    }

    pub fn send_to(&self, to: SocketAddr, bytes: &[u8]) -> Result<()> {
        let to = SockaddrStorage::from(to);
        let sent = sys::sendto(self.as_raw_fd(), bytes, &to, sys::MsgFlags::empty()).context("sendto")?;
        ensure!(sent == bytes.len(), "sent {sent} bytes of {}", bytes.len());
        Ok(())
    }

    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(nix::unistd::write(&self.fd, bytes)?)
    }
}

/// An IPv4 address, port 0, as old ioctls want it.
pub fn sockaddr_in(address: Ipv4Addr) -> libc::sockaddr {
    let mut data = [0; 14];
    for (to, from) in data[2..].iter_mut().zip(address.octets()) {
        *to = from as libc::c_char;
    }
    libc::sockaddr { sa_family: libc::AF_INET as _, sa_data: data }
}

/// `127.0.0.1` as an AF_INET6 socket names it.
pub fn mapped(to: SocketAddr) -> SocketAddr {
    match to.ip() {
        IpAddr::V4(v4) => SocketAddr::new(v4.to_ipv6_mapped().into(), to.port()),
        IpAddr::V6(_) => to,
    }
}

/// The raw form of an address, for calls that take its bytes.
pub fn raw_v4(to: SocketAddrV4) -> libc::sockaddr_in {
    *SockaddrIn::from(to).as_ref()
}

pub fn raw_v6(to: SocketAddrV6) -> libc::sockaddr_in6 {
    *SockaddrIn6::from(to).as_ref()
}
