//! What must fail in a process that gave up what a run gives up, tried from inside. This test binary,
//! started again, gives up one of the layers, or all, and then tries; without any, to show that it could.

use std::env;
use std::ffi::CStr;
use std::ffi::CString;
use std::fs::OpenOptions;
use std::io;
use std::mem::size_of_val;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::process::ExitCode;
use std::process::Output;
use std::ptr;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use bpftools::privileges;
use bpftools::privileges::Call;
use bpftools::privileges::DETACH;
use bpftools::privileges::READ_MAPS;
use bpftools::privileges::READ_PROGRAMS;
use bpftools::privileges::RUN_PROGRAMS;
use libtest_mimic::Completion;
use libtest_mimic::Trial;
use nix::errno::Errno;
use nix::sys::prctl;
use nix::unistd::geteuid;

use super::has_landlock;
use crate::common::scenario::compat;
use crate::common::scenario::process::Gate;
use crate::common::scenario::process::spawn;

/// Names the layer; its presence makes this binary the one that tries.
const VARIABLE: &str = "BPFTOOLS_TEST_INSIDE";

/// The status of who was started by the last attempt.
const STARTED: u8 = 42;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layer {
    /// Nothing is given up.
    None,
    /// The user, the groups, the capabilities.
    Identity,
    Landlock,
    Seccomp,
    /// As a run does it.
    All,
    /// As a run does it; then a system call as a 32-bit process makes it.
    Compat,
}

const LAYERS: &[(&str, Layer)] = &[
    ("before", Layer::None),
    ("identity", Layer::Identity),
    ("landlock", Layer::Landlock),
    ("seccomp", Layer::Seccomp),
    ("all", Layer::All),
    ("compat", Layer::Compat),
];

type Deed = fn(&Props) -> io::Result<()>;

struct Attempt {
    name: &'static str,
    make: Deed,
    /// Which layers stop it by themselves. All of them together stop all.
    stopped_by: &'static [Layer],
}

const ATTEMPTS: &[Attempt] = &[
    Attempt {
        name: "open a file of root's for writing",
        make: |_| OpenOptions::new().write(true).open("/proc/sys/kernel/core_pattern").map(drop),
        stopped_by: &[Layer::Identity, Layer::Landlock, Layer::Seccomp],
    },
    Attempt {
        name: "open a file for reading",
        make: |_| OpenOptions::new().read(true).open("/proc/self/mounts").map(drop),
        stopped_by: &[Layer::Landlock, Layer::Seccomp],
    },
    Attempt { name: "load a program", make: |_| load_program(), stopped_by: &[Layer::Identity, Layer::Seccomp] },
    Attempt {
        name: "trace another process",
        make: |props| ptrace_seize(props.bystander),
        stopped_by: &[Layer::Identity, Layer::Landlock, Layer::Seccomp],
    },
    Attempt {
        name: "signal another process",
        make: |props| system_call(libc::SYS_kill, [props.bystander as libc::c_long, 0, 0, 0]),
        stopped_by: &[Layer::Identity, Layer::Seccomp],
    },
    Attempt {
        name: "become root",
        make: |_| system_call(libc::SYS_setuid, [0; 4]),
        stopped_by: &[Layer::Identity, Layer::Seccomp],
    },
    Attempt {
        name: "make a socket",
        make: |_| {
            system_call(libc::SYS_socket, [libc::AF_INET as libc::c_long, libc::SOCK_STREAM as libc::c_long, 0, 0])
        },
        stopped_by: &[Layer::Seccomp],
    },
    Attempt {
        name: "send to an address",
        make: |props| props.udp.send_to(b"x", "127.0.0.1:9").map(drop),
        stopped_by: &[Layer::Seccomp],
    },
    Attempt { name: "map memory to execute", make: |_| map_executable(), stopped_by: &[Layer::Seccomp] },
    Attempt { name: "make a process", make: |_| make_process(), stopped_by: &[Layer::Seccomp] },
    Attempt {
        name: "make a call by the table of x32",
        make: |_| system_call(X32 | libc::SYS_socket, [libc::AF_INET as libc::c_long, 1, 0, 0]),
        stopped_by: &[Layer::Seccomp],
    },
    // The last one: where nothing stops it, nothing comes after it.
    Attempt {
        name: "start another program",
        make: |props| start(&props.program),
        stopped_by: &[Layer::Landlock, Layer::Seccomp],
    },
];

/// __X32_SYSCALL_BIT.
const X32: libc::c_long = 0x4000_0000;

/// What a run may still do.
const PERMITTED: &[(&str, Deed)] = &[
    ("take memory", |_| {
        // Enough for malloc(3) to ask the kernel, and again when it grows.
        let mut bytes = vec![1_u8; 1 << 20];
        bytes.resize(1 << 24, 2);
        if bytes.iter().all(|&byte| byte != 0) { Ok(()) } else { Err(io::ErrorKind::OutOfMemory.into()) }
    }),
    ("write to a connected socket", |props| {
        // SAFETY: one byte is read.
        let sent = unsafe { libc::send(props.connected.as_raw_fd(), c"x".as_ptr().cast(), 1, libc::MSG_DONTWAIT) };
        Errno::result(sent).map(drop).map_err(io::Error::from)
    }),
];

/// What the attempts need, made while it can be made.
struct Props {
    bystander: libc::pid_t,
    /// It ends when this closes, so with us.
    _gate: Gate,
    udp: UdpSocket,
    connected: UnixStream,
    _peer: UnixStream,
    program: CString,
}

impl Props {
    fn make() -> Result<Props> {
        // A child of ours, of the same user: of the same rights as we have now.
        let gate = Gate::new()?;
        let bystander = spawn(|| i32::from(gate.stand_before().and_then(|()| gate.wait()).is_err()))?;
        let (connected, peer) = UnixStream::pair()?;
        let program = env::current_exe()?.into_os_string().into_encoded_bytes();
        Ok(Props {
            bystander: bystander.as_raw(),
            _gate: gate,
            udp: UdpSocket::bind("127.0.0.1:0")?,
            connected,
            _peer: peer,
            program: CString::new(program)?,
        })
    }
}

/// Tries if this process is to; it has one thread then, as the tools have.
pub fn main() -> Option<ExitCode> {
    let name = env::var(VARIABLE).ok()?;
    let Some(&(_, layer)) = LAYERS.iter().find(|(layer, _)| *layer == name) else {
        return Some(ExitCode::from(STARTED)); // by the last attempt
    };
    Some(match play(layer) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("inside: {error:#}");
            ExitCode::FAILURE
        }
    })
}

fn play(layer: Layer) -> Result<()> {
    let props = Props::make()?;
    give_up(layer)?;
    match layer {
        Layer::Compat => call_as_32_bit(),
        layer => try_all(layer, &props),
    }
}

/// All that any run asks for.
fn calls() -> Vec<Call> {
    [DETACH, READ_PROGRAMS, READ_MAPS, RUN_PROGRAMS].concat()
}

fn give_up(layer: Layer) -> Result<()> {
    match layer {
        Layer::None => {}
        Layer::Identity => {
            let kept = privileges::leave_root();
            ensure!(kept.is_empty(), "{kept:?}");
        }
        Layer::Landlock => {
            prctl::set_no_new_privs()?;
            privileges::deny_files()?;
        }
        Layer::Seccomp => {
            prctl::set_no_new_privs()?;
            privileges::allow_only(&calls())?;
        }
        Layer::All | Layer::Compat => {
            privileges::give_up(&calls())?;
        }
    }
    Ok(())
}

fn try_all(layer: Layer, props: &Props) -> Result<()> {
    for (name, make) in PERMITTED {
        make(props).with_context(|| format!("cannot {name}"))?;
    }
    for attempt in ATTEMPTS {
        let is_stopped = layer == Layer::All || attempt.stopped_by.contains(&layer);
        if layer != Layer::None && !is_stopped {
            continue;
        }
        let errno = match (attempt.make)(props) {
            Ok(()) => None,
            Err(error) => Some(Errno::from_raw(error.raw_os_error().unwrap_or_default())),
        };
        let right = match layer {
            Layer::None => errno.is_none() || (attempt.name.contains("x32") && errno == Some(Errno::ENOSYS)),
            Layer::Seccomp | Layer::All => errno == Some(Errno::EPERM),
            _ => matches!(errno, Some(Errno::EPERM | Errno::EACCES)),
        };
        ensure!(right, "{layer:?}: {}: {errno:?}", attempt.name);
    }
    Ok(())
}

fn call_as_32_bit() -> Result<()> {
    const GETPID: u64 = 20;
    // SAFETY: it has no arguments.
    let result = unsafe { compat::call(GETPID, [0; 4]) }?;
    bail!("it gave {result:?}")
}

fn system_call(number: libc::c_long, arguments: [libc::c_long; 4]) -> io::Result<()> {
    let [first, second, third, fourth] = arguments;
    // SAFETY: numbers; no call that is made by this takes a pointer.
    let result = unsafe { libc::syscall(number, first, second, third, fourth) };
    Errno::result(result).map(drop).map_err(io::Error::from)
}

fn ptrace_seize(pid: libc::pid_t) -> io::Result<()> {
    system_call(libc::SYS_ptrace, [libc::PTRACE_SEIZE as libc::c_long, pid.into(), 0, 0])
}

/// A socket filter, `return 0`: the least that bpf(2) loads.
fn load_program() -> io::Result<()> {
    #[repr(C)]
    struct Attributes {
        kind: u32,
        instruction_count: u32,
        instructions: u64,
        license: u64,
    }
    const PROG_LOAD: libc::c_long = 5;
    const SOCKET_FILTER: u32 = 1;
    let instructions: [u64; 2] = [0xb7 /* r0 = 0 */, 0x95 /* exit */];
    let attributes = Attributes {
        kind: SOCKET_FILTER,
        instruction_count: instructions.len() as u32,
        instructions: instructions.as_ptr() as u64,
        license: c"GPL".as_ptr() as u64,
    };
    // SAFETY: the kernel reads the attributes, and what they point to outlives the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, PROG_LOAD, &raw const attributes, size_of_val(&attributes)) };
    Errno::result(result).map(drop).map_err(io::Error::from)
}

fn map_executable() -> io::Result<()> {
    let (access, flags) = (libc::PROT_READ | libc::PROT_EXEC, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping, at a place of the kernel's choice, that nothing uses.
    let page = unsafe { libc::mmap(ptr::null_mut(), 4096, access, flags, -1, 0) };
    if page == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn make_process() -> io::Result<()> {
    // SAFETY: the child leaves at once.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: it runs nothing of ours.
        0 => unsafe { libc::_exit(0) },
        _ => Ok(()),
    }
}

fn start(program: &CStr) -> io::Result<()> {
    let variable = format!("{VARIABLE}=started\0");
    let environment = [variable.as_ptr().cast(), ptr::null()];
    let arguments = [program.as_ptr(), ptr::null()];
    // SAFETY: strings that end, in lists that end.
    unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    Err(io::Error::last_os_error())
}

/// A trial for each layer.
pub fn trials() -> Vec<Trial> {
    LAYERS
        .iter()
        .map(|&(name, layer)| {
            Trial::ignorable_test(format!("privileges/inside/{name}"), move || {
                tried(name, layer).map_err(|error| format!("{error:#}").into())
            })
        })
        .collect()
}

fn tried(name: &str, layer: Layer) -> Result<Completion> {
    if matches!(layer, Layer::None | Layer::Identity) && !geteuid().is_root() {
        return Ok(Completion::ignored_with("skipped: root is needed"));
    }
    if layer == Layer::Landlock && !has_landlock() {
        return Ok(Completion::ignored_with("skipped: this kernel has no Landlock"));
    }
    let mut command = Command::new(env::current_exe()?);
    command.env(VARIABLE, name).arg0("inside");
    let Output { status, stderr, .. } = command.output()?;
    let said = String::from_utf8_lossy(&stderr);
    match layer {
        Layer::None => ensure!(status.code() == Some(STARTED.into()), "{status}: {said}"),
        Layer::Compat if said.contains("skipped") || status.signal() == Some(libc::SIGSEGV) => {
            return Ok(Completion::ignored_with("skipped: 32-bit system calls are not made here"));
        }
        Layer::Compat => ensure!(status.signal() == Some(libc::SIGSYS), "{status}: {said}"),
        _ => ensure!(status.success(), "{status}: {said}"),
    }
    Ok(Completion::Completed)
}
