//! What the manual page says beyond the options.

use crate::tool::Difference;
use crate::tool::Manual;

pub const MANUAL: Manual = Manual {
    description: &[
        "tcpconnect prints a row for each attempt of this machine to open a TCP connection, whether it succeeds or \
         not. An attempt is one call of the kernel's tcp_v4_connect() or tcp_v6_connect(), whoever makes it: \
         connect(2), io_uring, TCP Fast Open or the kernel itself.",
        "By default the row appears at once: when the first packet (SYN) is on its way, or when the attempt fails on \
         the spot. With `--outcome` it appears when the attempt has ended, and says how it ended and how long it took. \
         With `-x` only failed attempts appear, each with its error. An attempt has failed if it has not reached \
         ESTABLISHED: it was refused, found the destination unreachable, timed out, or was given up by its own \
         process, which closed the socket, had a time-out of its own or was killed.",
        "If connect(2) is called again while an attempt is under way, that is no new attempt. IPv4-mapped IPv6 \
         addresses are shown and filtered as the IPv4 addresses that they mean. Each subflow of an MPTCP connection is \
         an attempt. Attempts that were already under way when tracing began are not shown. With `--outcome`, attempts \
         that are still under way when tracing ends are printed last, with the result `pending`. With `-x` their \
         number is reported on stderr.",
        "Process, user and name are those of the thread that made the attempt, at that time. With io_uring that may be \
         a worker thread; for connections of the kernel itself it is a kernel thread.",
    ],
    examples: &[
        ("tcpconnect", "Who connects where, as it happens."),
        ("tcpconnect -t -P 80,443,8000-8999", "Attempts to these ports, with the seconds since the first row."),
        ("tcpconnect -x", "What fails, and why."),
        ("tcpconnect --outcome -T -L", "How each attempt ends and how long it takes, with time of day and local port."),
        ("tcpconnect -u www-data -6 -n 20", "The first 20 attempts of one user by IPv6."),
        ("tcpconnect -p 1234,1235 --duration 60", "A minute of two processes."),
        (
            "tcpconnect --json --outcome | jq 'select(.latency_ns > 1e8)'",
            "Attempts that took more than a tenth of a second, for another program.",
        ),
        ("tcpconnect -v --backend tracepoint", "Use this backend only; -v says on stderr in which form."),
        ("tcpconnect --daddr 10.0.0.0/8,fd00::/8 --not-port 53", "Only to private nets, but not to name servers."),
        ("tcpconnect --cgroup /sys/fs/cgroup/system.slice", "What the services of the system connect to."),
    ],
    backends: &[
        (
            "fentry",
            "fexit programs on tcp_v4_connect and tcp_v6_connect. Needs BTF (CONFIG_DEBUG_INFO_BTF) and BPF \
             trampolines: x86_64 from Linux 5.5, arm64 from about 6.4.",
        ),
        (
            "kprobe",
            "A kprobe and a kretprobe on the same functions. Needs BTF and CONFIG_KPROBE_EVENTS. Not possible under \
             lockdown=confidentiality.",
        ),
        (
            "tracepoint",
            "The tracepoint of socket state changes, sock:inet_sock_set_state (`--backend` takes this name, too). With \
             BTF it is used as a typed tracepoint (tp_btf), without BTF in the classic form, which needs a readable \
             tracefs.",
        ),
    ],
    differences: DIFFERENCES,
    overhead: &[
        "fentry runs one short program for each attempt, and kprobe runs two. tracepoint runs one for each state \
         change of any TCP socket, which returns after a few comparisons unless an attempt begins. Nothing runs for \
         each packet. With `-x` and `--outcome` an attempt is kept in a map until it has ended, and fentry and kprobe \
         follow the state changes, too. tracepoint also keeps attempts with `-L`. The tool itself sleeps until there \
         is a row. While rows come it looks for more every 20 ms, and is not woken for each one.",
        "A refused connect to 127.0.0.1 takes 28,072 instructions on Linux 6.12. tcpconnect adds 1,640 with fentry, \
         1,652 with tracepoint and 2,730 with kprobe, including its own work and the writing to a file. An accepted \
         connect takes 65,390, to which it adds 1,683, 2,312 and 2,815. On the same machine, the tcpconnect of \
         libbpf-tools 0.26 adds 16,966 to a refused connect, and that of bpftrace 0.17 adds 37,137. This was counted \
         in an emulated machine with one CPU; docs/performance.md in the sources says how, and has figures for other \
         kernels and IPv6.",
        "In backend tracepoint, `-x` and `--outcome` switch on the tracepoints of the system call connect. Linux then \
         takes a slower path for every system call of every process: a getppid(2) of 275 to 340 ns took 405 to 450 ns \
         (measured in a virtual machine with Linux 6.18, x86_64). Without these two options the backend does not slow \
         down system calls. fentry and kprobe never do this.",
        "With `-x` and `--outcome`, and in tracepoint also with `-L`, the map of attempts that are under way takes 13 \
         MB of the kernel's memory: 200 bytes for each of `--max-in-flight`. The attempts of one user can take a \
         quarter of it, so that nobody can hide those of others; users are told apart by a hash of 1,024 values. An \
         attempt for which there is no room is counted as lost.",
    ],
    see_also: &["connect(2)", "tcp(7)", "ss(8)", "bpf(2)", "capabilities(7)"],
};

const DIFFERENCES: &[Difference] = &[
    Difference {
        id: "denied",
        when: "fentry and kprobe, attempts that connect(2) refuses by itself",
        what: "Attempts that a security module or a cgroup program denies, and those with an address of an impossible \
               length, are not seen: they do not reach the functions that these backends hook. tracepoint sees them \
               with `-x` and `--outcome`.",
    },
    Difference {
        id: "early-failures",
        when: "tracepoint, by default",
        what: "Attempts that fail before their SYN are not seen. That would take the tracepoints of a system call, \
               which make every system call on the machine slower.",
    },
    Difference {
        id: "early-errors",
        when: "tracepoint, by default, JSON",
        what: "`error` is never there: the return value of the function, which says why an attempt failed on the spot, \
               is not seen.",
    },
    Difference {
        id: "other-ways-in",
        when: "tracepoint, with -x or --outcome",
        what: "Attempts that fail before their SYN are seen only if they are made by connect(2) in a 64-bit process. \
               Those of 32-bit processes, of sendto(2) with TCP Fast Open, of io_uring and of the kernel are not seen: \
               they use no system call that is traced.",
    },
    Difference {
        id: "unseen-returns",
        when: "tracepoint, with -x or --outcome",
        what: "An attempt that does not come from connect(2) and fails before its SYN, but after it has a destination \
               (no free local port, say), reads `closed`: only the unseen return value has the error.",
    },
    Difference {
        id: "late-port",
        when: "tracepoint, with -L",
        what: "The kernel chooses the local port after the attempt has begun, so the row waits until the attempt has \
               ended or its SYN is sent again, about one second later. Without `-L`, `-x` and `--outcome` rows in JSON \
               do not wait: they have `sport` only if the process chose the port. In rows that are `pending` it may be \
               unknown.",
    },
    Difference {
        id: "closed-tracefs",
        when: "tracepoint, with -x or --outcome, where tracefs is closed",
        what: "Under lockdown=confidentiality, and for a user who may not read tracefs, system calls cannot be traced: \
               attempts that fail before their SYN are not seen, and those that fail after they have a destination \
               read `closed`. The tool says so on stderr.",
    },
    Difference {
        id: "classic-early-failures",
        when: "tracepoint without BTF (classic form), with -x or --outcome",
        what: "Attempts that fail before their SYN are not seen: without BTF the socket of a descriptor cannot be \
               found.",
    },
    Difference {
        id: "classic-errors",
        when: "tracepoint without BTF (classic form), with -x or --outcome",
        what: "RESULT is `ok`, `closed` or `failed`; the error's name is there only where connect(2) returned it: the \
               socket's own cannot be read.",
    },
    Difference {
        id: "classic-latency",
        when: "tracepoint without BTF (classic form), with -x or --outcome",
        what: "LAT(ms) may be there even if no SYN was sent: whether one was cannot be read.",
    },
    Difference {
        id: "skipped",
        when: "all backends, on a busy CPU",
        what: "The kernel skips a program if an interrupt arrives on a CPU while that program is under way there. It \
               skips programs of kprobe, of the classic form (tracepoint without BTF) and of system calls whenever \
               another program or an operation on a BPF map is under way on the same CPU. It tells how often, but \
               before about Linux 6.7 not for kprobe and system calls. If the program that sees an attempt end was \
               skipped, the end is found by the socket: LAT(ms) is then unknown, and RESULT is `failed` if the process \
               has fetched the error (SO_ERROR). If the socket makes another attempt before that, RESULT is unknown. \
               In the classic form there is a second program, which is skipped only while it is itself under way. It \
               counts attempts whose beginning was skipped as lost, and ends those whose end was skipped. The local \
               port is then unknown if the kernel has already taken it back, and RESULT is unknown if both programs \
               were skipped. In kprobe, if more calls are under way than the kernel has return probes (5.10: one per \
               CPU), the rows of the rest are lost, and counted.",
    },
    Difference {
        id: "last-look",
        when: "lockdown=confidentiality, with -x or --outcome",
        what: "If the kernel skipped the program that sees an attempt end, and the socket is still open when tracing \
               ends, the row reads `pending`: the kernel's memory must not be read.",
    },
    Difference {
        id: "confidential",
        when: "lockdown=confidentiality",
        what: "The destination of an IPv6 attempt that fails very early may be unknown: the kernel's memory must not \
               be read.",
    },
    Difference {
        id: "nested-pids",
        when: "tracepoint without BTF (classic form), and all backends under lockdown=confidentiality, where the tool \
               itself runs in a PID namespace",
        what: "A process in a PID namespace below the tool's has the PID 0, and `-p` does not match it: its PID is in \
               kernel structures that cannot be read. The tool says so on stderr.",
    },
    Difference {
        id: "returned-source",
        when: "all backends, no free local port",
        what: "SADDR may be unknown: some kernels take the address back together with the port.",
    },
];
