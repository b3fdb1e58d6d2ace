//! System calls as a 32-bit process makes them. No 32-bit program is needed: `int 0x80` enters the
//! kernel through the table of 32-bit system calls from anywhere, if all pointers fit in 32 bits.

use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::ptr;

use anyhow::Context;
use anyhow::Result;
use nix::errno::Errno;

use super::actor::skip;
use super::socket::Socket;
use super::socket::raw_v4;

/// An address below 4 GiB.
pub struct LowAddress(*mut libc::sockaddr_in);

impl LowAddress {
    pub fn new(to: SocketAddr) -> Result<LowAddress> {
        let SocketAddr::V4(to) = to else { unreachable!("these cases speak IPv4") };
        if !cfg!(target_arch = "x86_64") {
            return skip("32-bit system calls are made on x86_64 only");
        }
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | MAP_32BIT;
        // SAFETY: a new mapping that nothing else knows of; it stays until the process ends.
        let page = unsafe { libc::mmap(ptr::null_mut(), 4096, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
        if page == libc::MAP_FAILED {
            return Err(Errno::last()).context("memory below 4 GiB");
        }
        let address = page.cast::<libc::sockaddr_in>();
        // SAFETY: the page is ours, large enough and aligned.
        unsafe { address.write(raw_v4(to)) };
        Ok(LowAddress(address))
    }

    pub fn connect(&self, socket: &Socket) -> Result<Result<(), Errno>> {
        const CONNECT: u64 = 362;
        let length = size_of::<libc::sockaddr_in>() as u64;
        // SAFETY: the kernel reads one sockaddr_in, which lies below 4 GiB.
        let result = unsafe { call(CONNECT, [socket.as_raw_fd() as u64, self.0 as u64, length, 0]) }?;
        Ok(result.map(drop))
    }
}

/// What a system call by that number, of arch/x86/entry/syscalls/syscall_32.tbl, gives.
///
/// # Safety
/// As the call asks; pointers must fit in 32 bits.
pub unsafe fn call(number: u64, arguments: [u64; 4]) -> Result<Result<i32, Errno>> {
    // SAFETY: the caller's promise, handed on.
    let result = unsafe { int80(number, arguments) };
    if result == -libc::ENOSYS {
        return skip("32-bit system calls are not made here");
    }
    Ok(if result >= 0 { Ok(result) } else { Err(Errno::from_raw(-result)) })
}

#[cfg(target_arch = "x86_64")]
const MAP_32BIT: libc::c_int = libc::MAP_32BIT;

#[cfg(target_arch = "x86_64")]
unsafe fn int80(number: u64, [first, second, third, fourth]: [u64; 4]) -> i32 {
    let mut result = number;
    // SAFETY: the caller's promise. LLVM keeps rbx for itself, so it is exchanged for the first
    // argument and back.
    unsafe {
        std::arch::asm!(
            "xchg rbx, {first}",
            "int 0x80",
            "xchg rbx, {first}",
            first = inout(reg) first => _,
            inout("rax") result,
            in("rcx") second,
            in("rdx") third,
            in("rsi") fourth,
            out("r8") _,
            out("r9") _,
            out("r10") _,
            out("r11") _,
        );
    }
    result as i32
}

#[cfg(not(target_arch = "x86_64"))]
const MAP_32BIT: libc::c_int = 0;

#[cfg(not(target_arch = "x86_64"))]
unsafe fn int80(_number: u64, _arguments: [u64; 4]) -> i32 {
    -libc::ENOSYS
}
