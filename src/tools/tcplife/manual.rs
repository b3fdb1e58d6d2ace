//! What the manual page says beyond the options.

use crate::tool::Difference;
use crate::tool::Manual;

pub const TX_BYTES: &str = "Bytes of the process that were sent, each counted once; KiB in the table.";
pub const RX_BYTES: &str =
    "Bytes that were received in order, whether or not the process has read them; KiB in the table.";
pub const DURATION: &str = "How long it lasted on this side: from the first SYN to the end of the socket, without TIME_WAIT; \
     milliseconds in the table. Unknown where tracing did not see it begin.";
pub const RETRANSMITS: &str = "Segments that were sent again.";
pub const SRTT: &str = "Smoothed round-trip time at the end; milliseconds in the table.";
pub const MIN_RTT: &str = "Least round-trip time of the last five minutes; milliseconds in the table.";
pub const END: &str = "How it ended: `fin` (both sides closed it), `reset` (by the other side), `aborted` (by this side, without \
     a FIN of both), `timeout`, `refused` (a connect), or `failed` (see `error`).";
pub const RCV_OOO: &str = "Segments that were received out of order.";
pub const DSACK: &str = "Segments that the other side received twice, as it says itself.";
pub const LOST: &str = "Segments that were taken for lost.";
pub const PID_FROM: &str = "How the process is known: it made the connection (`connect`), accepted it (`accept`), was the first that \
     was seen to receive from it (`recv`) or to close it (`close`), or had it open when tracing began (`open`).";
pub const SHARED: &str =
    "Several processes had it open when tracing began, of which the one with the lowest PID is shown.";

pub const MANUAL: Manual = Manual {
    description: &[
        "tcplife prints a row for each TCP connection when it ends: whose it was, its two ends, how many bytes went each way, \
         and how long it lasted. A connection between two processes of this machine has two rows, one for each side. A socket \
         that listens has none, and a connect that failed has one only with `-x`.",
        "A connection begins with its first SYN, and ends on each side when that side's socket does: TIME_WAIT is not part of it. A side \
         that its process has closed for good ends when its FIN has been acknowledged, also if the other side is still open. Byte counts are those of the socket itself: what was sent again \
         counts once, and SYN and FIN do not count.",
        "Most connections end in the kernel's own time, when some other process happens to run. That process is never shown. \
         PID, COMM and UID are those of the process that connected the socket or accepted it, as it was then, also if it has \
         passed the socket on. If that is not known, they are those of the first process that is seen to use the \
         socket, and otherwise unknown; `pid_from` tells which. `-p` and `-u` go by this process too.",
        "A connection that was open when tracing began has a row like any other. Its byte counts are right from its beginning, \
         MS is unknown, and its process is one that had the socket open then. If several had, the row shows the lowest PID \
         and has `shared`, until one of them is seen to use the socket.",
        "What is open when tracing ends is counted as pending, by what is known of its process: filters by address or port \
         do not count there. So is a connect that is under way.",
        "An MPTCP connection has a row for each of its subflows, whose process can be one of the kernel's own threads.",
    ],
    examples: &[
        ("tcplife", "All connections, as they end."),
        ("tcplife -T -w -D 443", "Those to port 443, with the time of day and room for IPv6 addresses."),
        ("tcplife --more -x", "What did not end well: resets, time-outs, and connects that failed."),
        ("tcplife -p 1234 --sum tx_bytes --by raddr", "How much one process sends to each address."),
        ("tcplife --hist duration_ns --duration 60", "How long the connections of a minute lasted."),
        (
            "tcplife --json | jq -r 'select(.retransmits > 0) | [.comm, .raddr, .retransmits] | @tsv'",
            "Connections with retransmissions.",
        ),
    ],
    backends: &[
        (
            "fentry",
            "Programs on the tracepoints sock:inet_sock_set_state and tcp:tcp_destroy_sock, with typed arguments, and an fentry \
             program on security_sock_graft, which every accepted connection passes. Needs BTF (CONFIG_DEBUG_INFO_BTF), \
             BPF trampolines (x86_64 from Linux 5.5, arm64 from about 6.4) and CONFIG_SECURITY_NETWORK.",
        ),
        (
            "kprobe",
            "The same, with a kprobe on security_sock_graft. Needs BTF and CONFIG_KPROBE_EVENTS. Not possible under \
             lockdown=confidentiality.",
        ),
        (
            "tracepoint",
            "The same two tracepoints, and tcp:tcp_rcv_space_adjust for whoever reads. With BTF it needs nothing else. Without \
             BTF it takes their records instead, and needs a readable tracefs.",
        ),
    ],
    differences: DIFFERENCES,
    overhead: &[
        "A program runs at each change of state of a TCP socket, five in the life of a connection, and looks at three \
         numbers in most of them. A connection takes an entry in a map at its beginning, which goes at its end. \
         Nothing runs for a packet. In backend tracepoint a program also runs when a process has received data, and looks \
         the connection up; `--no-owner` leaves that out.",
    ],
    see_also: &["tcp(7)", "ss(8)", "bpf(2)", "capabilities(7)"],
};

const DIFFERENCES: &[Difference] = &[
    Difference {
        id: "by-reader",
        when: "tracepoint, accepted connections",
        what: "No tracepoint tells of accept(2) but those of the system call, which would tax every call on the machine. The \
               process shown is the first to receive data from the connection (`pid_from` is `recv`), or else to close it \
               (`close`). A connection that is reset before either has no process.",
    },
    Difference {
        id: "no-btf",
        when: "tracepoint without BTF",
        what: "What a socket has counted cannot be read: only MS, the ends and the process are known. Nor can its error: \
               `end` is unknown, and `-x` goes by the last state of the socket alone. The \
               process that closes a socket with a reset is not seen, nor those that had one open when tracing began.",
    },
    Difference {
        id: "skipped",
        when: "every backend",
        what: "The kernel skips such a program where it is at work on the same CPU already, in a kprobe and without BTF also \
               where another program is. It tells how often since Linux 6.1 or 6.7. A skipped beginning makes MS \
               unknown. A skipped end is found when the socket goes; without BTF it counts as lost.",
    },
    Difference {
        id: "nested-pids",
        when: "without BTF or with lockdown=confidentiality, where the tool itself runs in a PID namespace",
        what: "A process in a PID namespace below the tool's has the PID 0, and `-p` does not match it: its PID is in kernel \
               structures that must not be read. Of connections that were open when tracing began the process is not known \
               until one is seen to use them. stderr says so.",
    },
];
