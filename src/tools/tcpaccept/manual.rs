//! What the manual page says beyond the options.

use crate::tool::Difference;
use crate::tool::Manual;

pub const MANUAL: Manual = Manual {
    description: &[
        "tcpaccept prints a row for each TCP connection that is accepted on this machine. The other side has opened \
         such a connection, and the kernel takes it off the queue of a listening socket for accept(2), accept4(2), \
         io_uring or the kernel itself. A call that fails because there is no connection gives no row.",
        "Process, user and name are those of the thread that accepts. With io_uring that may be a worker thread; for \
         servers in the kernel it is a kernel thread. The time is that of the accept, not that of the handshake, which \
         the kernel may have finished long before. A connection that nobody accepts gives no row. A connection that \
         the other side has reset gives a row if it is accepted.",
        "IPv4-mapped IPv6 addresses are shown and filtered as the IPv4 addresses that they mean. An MPTCP connection \
         gives one row, with the addresses of its first subflow; further subflows are not accepted. Connections that \
         go to threads which were already waiting in accept(2) when tracing began are shown, too.",
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
        ("tcpaccept -v --backend tracepoint", "Use this backend only; -v says on stderr in which form."),
        ("tcpaccept --raddr 192.0.2.0/24 --comm nginx", "What nginx accepts from one net."),
    ],
    backends: &[
        (
            "fentry",
            "An fentry program on security_sock_graft, which the kernel calls with each connection that it has taken \
             off a queue, and an fexit program on inet_csk_accept, which takes it off. Needs BTF \
             (CONFIG_DEBUG_INFO_BTF) and BPF trampolines: x86_64 from Linux 5.5, arm64 from about 6.4. A kernel \
             without CONFIG_SECURITY_NETWORK has no security_sock_graft. There the second program works alone, and \
             does not see a connection that ends a wait from before tracing began.",
        ),
        (
            "kprobe",
            "A kprobe on security_sock_graft; with `--backlog` also one on inet_csk_accept. Needs BTF and \
             CONFIG_KPROBE_EVENTS. Not possible under lockdown=confidentiality. In a kernel without \
             CONFIG_SECURITY_NETWORK it is a kretprobe on inet_csk_accept. That does not see a connection that ends a \
             wait from before tracing began. If more threads wait at the same time than the kernel has return probes \
             (at least one for each CPU), it does not see those of the rest, and does not count them.",
        ),
        (
            "tracepoint",
            "The tracepoints syscalls:sys_exit_accept and syscalls:sys_exit_accept4, which tell the new descriptor and \
             so the socket. Needs BTF and a readable tracefs. Not possible under lockdown=confidentiality.",
        ),
    ],
    differences: DIFFERENCES,
    overhead: &[
        "fentry runs two short programs for each accepted connection, and one for an accept call that finds none; \
         kprobe runs one for each. For a connection of another kind, such as that of a Unix socket, a program returns \
         after a few comparisons. Nothing runs for each packet. Only `--backlog` uses a map: three operations for each \
         connection, and in kprobe and tracepoint one for each call that finds none. The tool itself sleeps until \
         there is a row. While rows come it looks for more every 20 ms, and is not woken for each one.",
        "A connection to 127.0.0.1 that is accepted takes 65,390 instructions on Linux 6.12, both ends together. \
         tcpaccept adds 2,110 with fentry, 2,756 with kprobe and 4,085 with tracepoint, including its own work and the \
         writing to a file. The tcpaccept.bt of bpftrace 0.17 adds 51,370. This was counted in an emulated machine \
         with one CPU; docs/performance.md in the sources says how.",
        "Backend tracepoint switches on the tracepoints of system calls whenever it runs. Linux then takes a slower \
         path for every system call of every process: a getppid(2) of 275 to 340 ns took 405 to 450 ns (measured in a \
         virtual machine with Linux 6.18, x86_64). fentry and kprobe never do this, which is why they come first.",
    ],
    see_also: &["accept(2)", "listen(2)", "tcp(7)", "ss(8)", "bpf(2)", "capabilities(7)"],
};

const DIFFERENCES: &[Difference] = &[
    Difference {
        id: "other-ways-in",
        when: "tracepoint, io_uring and servers in the kernel",
        what: "A connection that is accepted by io_uring, or by the kernel itself (NFS, SMB, iSCSI and the like), is \
               not seen: neither system call is made for it.",
    },
    Difference {
        id: "compat",
        when: "tracepoint, 32-bit processes",
        what: "A connection that a 32-bit process accepts on a 64-bit kernel is not seen: Linux does not trace the \
               system calls of such processes.",
    },
    Difference {
        id: "failed-late",
        when: "tracepoint, accept(2) with a bad address",
        what: "If the address of the other side cannot be stored (EFAULT), the kernel accepts the connection and \
               closes it at once. fentry and kprobe show it; tracepoint does not, because the call fails.",
    },
    Difference {
        id: "descriptor-gone",
        when: "tracepoint, descriptors that do not last",
        what: "The socket is found by its descriptor, when the call is over. If another thread has closed the \
               descriptor by then, or put something else in its place, a row is counted as lost, even if the socket \
               was not one of TCP. If it has put another connected TCP socket there, that socket is shown.",
    },
    Difference {
        id: "skipped",
        when: "kprobe and tracepoint",
        what: "The kernel skips such a program where another one or an operation on a BPF map is under way on the same \
               CPU. Since about Linux 6.7 it tells how often it did. With `--backlog` it can also skip the program \
               that notes the listening socket: BL is then unknown. Such a skip is counted as well, even if the call \
               accepts nothing.",
    },
    Difference {
        id: "mptcp-from-before",
        when: "fentry, MPTCP",
        what: "If a thread already waits at an MPTCP socket when tracing begins, the connection that ends this wait is \
               not seen.",
    },
    Difference {
        id: "mptcp-reset",
        when: "fentry, MPTCP",
        what: "If the other side resets a connection before it is accepted, RPORT and LADDR are unknown: the subflow \
               has lost them.",
    },
    Difference {
        id: "backlog-later",
        when: "tracepoint, with --backlog",
        what: "The queue is read when the call is over, a little later than in the other backends: more connections \
               may have arrived. It is unknown if the listening socket's descriptor was closed during the call.",
    },
    Difference {
        id: "nested-pids",
        when: "lockdown=confidentiality, where the tool itself runs in a PID namespace",
        what: "A process in a PID namespace below the tool's has the PID 0, and `-p` does not match it: its PID is in \
               kernel structures that must not be read. The tool says so on stderr.",
    },
];
