//! A network namespace with loopback alone: nothing that the cases do leaves it, its ports are all
//! free, and most of the world has no route.

use std::ffi::c_short;
use std::fs;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::os::fd::AsRawFd;
use std::ptr;

use anyhow::Context;
use anyhow::Result;
use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::sched::unshare;
use nix::unistd::getgid;
use nix::unistd::getuid;

use super::socket::Ip;
use super::socket::Socket;
use super::socket::sockaddr_in;

/// No route leads to these.
pub const NO_ROUTE_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
pub const NO_ROUTE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 1);
/// A route says: unreachable.
pub const REJECTED_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);

/// Which source address the namespace's routes choose for a destination.
pub fn source_for(daddr: IpAddr) -> IpAddr {
    match daddr {
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    }
}

/// Moves the calling process into a new such namespace.
pub fn enter_new() -> Result<()> {
    match unshare(CloneFlags::CLONE_NEWNET) {
        Err(Errno::EPERM) => enter_new_user_namespace().context("a network namespace, in a user namespace")?,
        entered => entered.context("a network namespace")?,
    }
    let socket = Socket::udp(Ip::V4)?;
    bring_up_loopback(&socket)?;
    reject(&socket, REJECTED_V4)
}

/// Without the privilege: in a user namespace of its own a process has it, under its own name.
fn enter_new_user_namespace() -> Result<()> {
    let (uid, gid) = (getuid(), getgid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
    fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"))?;
    Ok(())
}

/// Sets one of the namespace's own settings, such as `ipv4/tcp_fastopen`.
pub fn set(name: &str, value: &str) -> Result<()> {
    let path = format!("/proc/sys/net/{name}");
    fs::write(&path, value).with_context(|| format!("{value} to {path}"))
}

/// One request on an interface or a route, by ioctl(2).
fn ask<T>(socket: &Socket, request: u64, argument: &T, what: &str) -> Result<()> {
    // SAFETY: every request used here reads a `T` at that address and keeps nothing of it.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), request as _, argument as *const T) };
    Errno::result(result).map(drop).with_context(|| what.to_owned())
}

fn bring_up_loopback(socket: &Socket) -> Result<()> {
    // SAFETY: ifreq is plain data; all zeroes is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[..2].copy_from_slice(&[b'l' as libc::c_char, b'o' as libc::c_char]);
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as c_short;
    ask(socket, libc::SIOCSIFFLAGS, &request, "lo up")
}

/// `struct rtentry` of <linux/route.h>, which the libc crate lacks.
#[repr(C)]
struct Route {
    pad1: libc::c_ulong,
    to: libc::sockaddr,
    gateway: libc::sockaddr,
    mask: libc::sockaddr,
    flags: u16,
    pad2: i16,
    pad3: libc::c_ulong,
    pad4: *const libc::c_void,
    metric: i16,
    device: *const libc::c_char,
    mtu: libc::c_ulong,
    window: libc::c_ulong,
    irtt: u16,
}

fn reject(socket: &Socket, to: Ipv4Addr) -> Result<()> {
    let route = Route {
        pad1: 0,
        to: sockaddr_in(to),
        gateway: sockaddr_in(Ipv4Addr::UNSPECIFIED),
        mask: sockaddr_in(Ipv4Addr::BROADCAST),
        flags: libc::RTF_UP | libc::RTF_HOST | libc::RTF_REJECT,
        pad2: 0,
        pad3: 0,
        pad4: ptr::null(),
        metric: 0,
        device: c"lo".as_ptr(),
        mtu: 0,
        window: 0,
        irtt: 0,
    };
    ask(socket, libc::SIOCADDRT, &route, "a rejecting route")
}
