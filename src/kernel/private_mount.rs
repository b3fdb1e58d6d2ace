//! A file system of our own, where it is not mounted.

use std::ffi::CStr;
use std::io;
use std::os::fd::AsRawFd;
use std::os::fd::FromRawFd;
use std::os::fd::OwnedFd;
use std::ptr;

use nix::libc;

/// The root of a new file system of this kind. It is mounted nowhere and reached by the descriptor
/// alone: neither the machine nor this process sees it anywhere else, and it goes away with the descriptor.
/// Needs Linux 5.2, and CAP_SYS_ADMIN.
///
/// # Errors
/// The kernel has no such file system, or we may not mount it.
pub fn mount(kind: &CStr) -> io::Result<OwnedFd> {
    const FSOPEN_CLOEXEC: libc::c_uint = 1;
    const FSCONFIG_CMD_CREATE: libc::c_uint = 6;
    const FSMOUNT_CLOEXEC: libc::c_uint = 1;

    // SAFETY: a string that ends, and a number.
    let context = owned(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), FSOPEN_CLOEXEC) })?;
    let null = ptr::null::<libc::c_void>();
    // SAFETY: this command takes neither a key nor a value.
    let created = unsafe { libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), FSCONFIG_CMD_CREATE, null, null, 0) };
    if created < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: numbers only.
    owned(unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), FSMOUNT_CLOEXEC, 0) })
}

/// What a system call returned that makes a descriptor.
pub fn owned(returned: libc::c_long) -> io::Result<OwnedFd> {
    if returned < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made it, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(returned as i32) })
}
