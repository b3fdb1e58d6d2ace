//! What the manual page says beyond the options.

use crate::tool::Difference;
use crate::tool::Manual;

pub const MANUAL: Manual = Manual {
    description: &[
        "tcpaccept prints a row for each TCP connection that a process of this machine accepts: one that another side opened, \
         and that the kernel has just taken off the queue of a listening socket, for accept(2), accept4(2), io_uring or \
         the kernel itself. A call that finds no connection and fails gives no row.",
        "Process, user and name are those of the thread that accepts; with io_uring maybe a worker thread, for the kernel's \
         own servers a kernel thread. The time is that of the accept, not that of the handshake, which the kernel finishes \
         on its own, maybe long before. A connection that nobody accepts has no row; one that the other side has reset \
         meanwhile has one, if it is accepted.",
        "IPv4-mapped IPv6 addresses are shown and filtered as the IPv4 addresses that they mean. An MPTCP connection gives \
         one row, with the addresses of its first subflow; further subflows are not accepted by anybody. Threads that \
         already wait in accept(2) when tracing begins are seen too.",
    ],
    examples: &[
        ("tcpaccept", "Who accepts which connections, as it happens."),
        ("tcpaccept -t -P 80,443,8000-8999", "Only at these local ports, with the seconds since the first row."),
        ("tcpaccept --backlog -p 1234", "Whether a server keeps up with its queue."),
        ("tcpaccept -u www-data -6 -n 20", "The first 20 connections to one user's servers by IPv6."),
        (
            "tcpaccept --json --duration 60 | jq -r .raddr | sort | uniq -c",
            "How often each address connected within a minute.",
        ),
        ("tcpaccept -v --backend tracepoint", "By one way only; -v says on stderr in which form."),
        ("tcpaccept --raddr 192.0.2.0/24 --comm nginx", "What nginx accepts from one net."),
    ],
    backends: &[
        (
            "fentry",
            "An fentry program on security_sock_graft, which the kernel calls with each connection that it has taken off a \
             queue, and an fexit program on inet_csk_accept, which takes it off. Needs BTF (CONFIG_DEBUG_INFO_BTF) and BPF \
             trampolines: x86_64 from Linux 5.5, arm64 from about 6.4. In a kernel without CONFIG_SECURITY_NETWORK, which has \
             no security_sock_graft, the second does all alone, and no thread is seen ending a wait that it was in when \
             tracing began.",
        ),
        (
            "kprobe",
            "A kprobe on security_sock_graft; with `--backlog` also one on inet_csk_accept. Needs BTF and \
             CONFIG_KPROBE_EVENTS. Not possible under lockdown=confidentiality. In a kernel without CONFIG_SECURITY_NETWORK \
             it is a kretprobe on inet_csk_accept, which sees neither the threads from before, nor more threads waiting at \
             the same time than the kernel keeps return probes for (at least one for each CPU), and does not count those.",
        ),
        (
            "tracepoint",
            "The ends of the system calls, syscalls:sys_exit_accept and syscalls:sys_exit_accept4, where the new descriptor is \
             followed to its socket. Needs BTF and a readable tracefs. Not possible under lockdown=confidentiality.",
        ),
    ],
    differences: DIFFERENCES,
    overhead: &[
        "fentry runs two short programs for each accepted connection, and one for an accept call that finds none; kprobe runs \
         one for each. For a connection of another kind, by a Unix socket say, a program returns after a few comparisons. \
         Nothing runs for a packet. Only `--backlog` uses a map: three operations for a connection, and in kprobe and \
         tracepoint one for a call that finds none. The tool itself sleeps until there is a row, and then looks for more \
         every 20 ms as long as they come: it is not woken for each one.",
        "An accepted connect to 127.0.0.1 takes 65,390 instructions on Linux 6.12, both ends together. tcpaccept adds 2,110 \
         with fentry, 2,756 with kprobe and 4,085 with tracepoint, its own work and writing to a file included; bpftrace \
         0.17's tcpaccept.bt 51,370. Counted in an emulated machine with one CPU; docs/performance.md in the sources says how.",
        "Backend tracepoint switches on the tracepoints of system calls whenever it runs. Linux then takes a slower path for \
         every system call of every process, whatever it is: a call of 275 to 340 ns took 405 to 450 ns, measured with \
         getppid(2) on a virtual machine with Linux 6.18 (x86_64). fentry and kprobe never do this, which is why they come \
         first.",
    ],
    see_also: &["accept(2)", "listen(2)", "tcp(7)", "ss(8)", "bpf(2)", "capabilities(7)"],
};

const DIFFERENCES: &[Difference] = &[
    Difference {
        id: "other-ways-in",
        when: "tracepoint, io_uring and servers in the kernel",
        what: "A connection that is accepted by io_uring, or by the kernel for itself (NFS, SMB, iSCSI and the like), is not \
               seen: it comes by no system call of that name.",
    },
    Difference {
        id: "compat",
        when: "tracepoint, 32-bit processes",
        what: "A connection that a 32-bit process accepts on a 64-bit kernel is not seen: Linux does not trace the system \
               calls of such processes.",
    },
    Difference {
        id: "failed-late",
        when: "tracepoint, accept(2) with a bad address",
        what: "Where the peer's address cannot be stored (EFAULT) the kernel has accepted the connection and closes it at \
               once. fentry and kprobe show it; tracepoint does not: the call has failed.",
    },
    Difference {
        id: "descriptor-gone",
        when: "tracepoint, descriptors that do not last",
        what: "The socket is found by its descriptor, when the call is over. If another thread has closed that by then, or put \
               something else in its place, that counts as lost, of whatever kind the socket was; but another \
               connected TCP socket in its place is taken for it.",
    },
    Difference {
        id: "skipped",
        when: "kprobe and tracepoint",
        what: "The kernel skips such a program where another one or an operation on a BPF map is under way on the same CPU. \
               It tells how often since Linux 6.7 or so. With `--backlog` it can also skip the program that notes the \
               listening socket: BL is then unknown, and that counts, too, also of a call that accepts nothing.",
    },
    Difference {
        id: "mptcp-from-before",
        when: "fentry, MPTCP",
        what: "A thread that already waits at an MPTCP socket when tracing begins is not seen accepting the connection that \
               ends this wait.",
    },
    Difference {
        id: "mptcp-reset",
        when: "fentry, MPTCP",
        what: "Of a connection that its peer resets before it is accepted, RPORT and LADDR are unknown: the subflow that \
               carried it has lost them.",
    },
    Difference {
        id: "backlog-later",
        when: "tracepoint, with --backlog",
        what: "The queue is looked at when the call is over, a little later than in the other backends: more connections may \
               have come. It is unknown if the listening socket's descriptor was closed during the call.",
    },
    Difference {
        id: "nested-pids",
        when: "lockdown=confidentiality, where the tool itself runs in a PID namespace",
        what: "A process in a PID namespace below the tool's has the PID 0, and `-p` does not match it: its PID is in kernel \
               structures that must not be read. stderr says so.",
    },
];
