//! bpf(2), as far as the scenario needs it: a map to keep the kernel busy with, and a program that
//! forbids a cgroup to connect.

use std::fs;
use std::mem::size_of_val;
use std::os::fd::AsRawFd;
use std::os::fd::FromRawFd;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::path::PathBuf;
use std::process;

use anyhow::Context;
use anyhow::Result;
use nix::errno::Errno;
use nix::sys::resource::RLIM_INFINITY;
use nix::sys::resource::Resource;
use nix::sys::resource::setrlimit;
use nix::unistd::geteuid;

use super::actor::skip;
use crate::common::cgroup;

const MAP_CREATE: libc::c_long = 0;
const MAP_UPDATE_ELEM: libc::c_long = 2;
const PROG_LOAD: libc::c_long = 5;
const PROG_ATTACH: libc::c_long = 8;
const MAP_LOOKUP_BATCH: libc::c_long = 24;

/// One bpf(2) call. `T` is the part of `union bpf_attr` that the command reads.
fn bpf<T>(command: libc::c_long, attributes: &T) -> Result<libc::c_long, Errno> {
    let size = size_of_val(attributes);
    // SAFETY: the kernel reads `size` bytes of attributes; whatever they point to outlives the call.
    Errno::result(unsafe { libc::syscall(libc::SYS_bpf, command, attributes as *const T, size) })
}

fn owned(fd: libc::c_long) -> OwnedFd {
    // SAFETY: the kernel has just made this descriptor for us.
    unsafe { OwnedFd::from_raw_fd(fd as i32) }
}

fn need_privilege() -> Result<()> {
    if !geteuid().is_root() {
        return skip("bpf(2) needs root here");
    }
    // Before 5.11 maps and programs count as locked memory. Where the limit cannot be raised, bpf(2) says so.
    let _ = setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY);
    Ok(())
}

/// A hash map of many buckets and hardly an entry.
pub struct Map(OwnedFd);

impl Map {
    pub fn new() -> Result<Map> {
        #[repr(C)]
        struct Attributes {
            map_type: u32,
            key_size: u32,
            value_size: u32,
            max_entries: u32,
            flags: u32,
        }
        const HASH: u32 = 1;
        const NO_PREALLOC: u32 = 1;
        need_privilege()?;
        let attributes =
            Attributes { map_type: HASH, key_size: 4, value_size: 8, max_entries: 1 << 16, flags: NO_PREALLOC };
        Ok(Map(owned(bpf(MAP_CREATE, &attributes).context("a BPF map")?)))
    }

    pub fn update(&self) -> Result<()> {
        #[repr(C)]
        struct Attributes {
            fd: u64,
            key: u64,
            value: u64,
            flags: u64,
        }
        let (key, value) = (0_u32, 0_u64);
        let attributes = Attributes {
            fd: self.0.as_raw_fd() as u64,
            key: &raw const key as u64,
            value: &raw const value as u64,
            flags: 0,
        };
        bpf(MAP_UPDATE_ELEM, &attributes).context("updating a BPF map")?;
        Ok(())
    }

    /// Reads all of it by one call, which has to look into every bucket: one long map operation.
    pub fn read(&self) -> Result<()> {
        #[repr(C)]
        struct Attributes {
            in_batch: u64,
            out_batch: u64,
            keys: u64,
            values: u64,
            count: u32,
            fd: u32,
            flags: [u64; 2],
        }
        let (mut next, mut keys, mut values) = (0_u32, [0_u32; 8], [0_u64; 8]);
        let attributes = Attributes {
            in_batch: 0,
            out_batch: &raw mut next as u64,
            keys: keys.as_mut_ptr() as u64,
            values: values.as_mut_ptr() as u64,
            count: keys.len() as u32,
            fd: self.0.as_raw_fd() as u32,
            flags: [0; 2],
        };
        match bpf(MAP_LOOKUP_BATCH, &attributes) {
            Ok(_) | Err(Errno::ENOENT) => Ok(()), // ENOENT: to the end
            Err(error) => Err(error).context("reading a BPF map"),
        }
    }
}

/// A cgroup whose members may not connect by IPv4; the calling process is in it.
pub struct DenyingCgroup {
    parent: &'static Path,
    path: PathBuf,
}

impl DenyingCgroup {
    pub fn enter() -> Result<DenyingCgroup> {
        let Some(parent) = cgroup::mount() else { return skip("cgroup2 is not mounted") };
        let path = parent.join(format!("bpftools-test-{}", process::id()));
        if let Err(error) = fs::create_dir(&path) {
            return skip(format!("no cgroup can be made: {error}"));
        }
        let cgroup = DenyingCgroup { parent, path };
        cgroup.deny()?;
        fs::write(cgroup.path.join("cgroup.procs"), "0").context("entering the cgroup")?;
        Ok(cgroup)
    }

    pub fn leave(self) -> Result<()> {
        fs::write(self.parent.join("cgroup.procs"), "0").context("leaving the cgroup")?;
        fs::remove_dir(&self.path).context("removing the cgroup")
    }

    fn deny(&self) -> Result<()> {
        #[repr(C)]
        struct Attributes {
            cgroup: i32,
            program: i32,
            attach_type: u32,
            flags: u32,
        }
        let cgroup = fs::File::open(&self.path).context("the cgroup")?;
        let program = load_denier()?;
        let attributes = Attributes {
            cgroup: cgroup.as_raw_fd(),
            program: program.as_raw_fd(),
            attach_type: INET4_CONNECT,
            flags: 0,
        };
        bpf(PROG_ATTACH, &attributes).context("attaching to the cgroup")?;
        Ok(())
    }
}

const INET4_CONNECT: u32 = 10;

/// `return 0`: no.
fn load_denier() -> Result<OwnedFd> {
    #[repr(C)]
    struct Attributes {
        kind: u32,
        instruction_count: u32,
        instructions: u64,
        license: u64,
        log: [u32; 4],
        kernel_version: u32,
        flags: u32,
        name: [u8; 16],
        interface: u32,
        expected_attach_type: u32,
    }
    const CGROUP_SOCK_ADDR: u32 = 18;
    need_privilege()?;
    let instructions: [u64; 2] = [0x0000_0000_0000_00b7 /* r0 = 0 */, 0x0000_0000_0000_0095 /* exit */];
    let attributes = Attributes {
        kind: CGROUP_SOCK_ADDR,
        instruction_count: instructions.len() as u32,
        instructions: instructions.as_ptr() as u64,
        license: c"GPL".as_ptr() as u64,
        log: [0; 4],
        kernel_version: 0,
        flags: 0,
        name: [0; 16],
        interface: 0,
        expected_attach_type: INET4_CONNECT,
    };
    Ok(owned(bpf(PROG_LOAD, &attributes).context("loading a cgroup program")?))
}
