//! connect(2) as a 32-bit process makes it. No 32-bit program is needed: `int 0x80` enters the
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
        let result = connect(socket.as_raw_fd(), self.0);
        if result == -libc::ENOSYS {
            return skip("this kernel runs no 32-bit system calls");
        }
        Ok(if result == 0 { Ok(()) } else { Err(Errno::from_raw(-result)) })
    }
}

#[cfg(target_arch = "x86_64")]
const MAP_32BIT: libc::c_int = libc::MAP_32BIT;

#[cfg(target_arch = "x86_64")]
fn connect(fd: i32, address: *const libc::sockaddr_in) -> i32 {
    const CONNECT: u64 = 362; // __NR_connect of arch/x86/entry/syscalls/syscall_32.tbl
    let mut result = CONNECT;
    // SAFETY: the kernel reads one sockaddr_in at `address`, which lies below 4 GiB. LLVM keeps rbx
    // for itself, so it is exchanged for the first argument and back.
    unsafe {
        std::arch::asm!(
            "xchg rbx, {fd}",
            "int 0x80",
            "xchg rbx, {fd}",
            fd = inout(reg) fd as u64 => _,
            inout("rax") result,
            in("rcx") address,
            in("rdx") size_of::<libc::sockaddr_in>(),
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
fn connect(_fd: i32, _address: *const libc::sockaddr_in) -> i32 {
    -libc::ENOSYS
}
