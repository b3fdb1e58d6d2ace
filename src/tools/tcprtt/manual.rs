//! What the manual page says beyond the options.

use crate::tool::Difference;
use crate::tool::Manual;

pub const MANUAL: Manual = Manual {
    description: &[
        "tcprtt shows how long segments of TCP connections take to the other side and back, as a histogram of powers of two. It \
         counts once for each segment that an established connection receives, with the round-trip time that the kernel knew \
         of the connection just before. Busy connections therefore weigh more. The histogram is printed at the end, or at \
         intervals, and then each time begins from zero.",
        "The round-trip time is the smoothed one (`srtt` in RFC 6298): a mean in which each new measurement has a weight of one \
         eighth. With `--sample least` it is the least that was measured in the last five minutes or so, by which the distance \
         can be told from the queues on the way. What the kernel measures includes the time for which the other side holds \
         an acknowledgement back, up to 40 ms and more where it has nothing to send. A connection of which nothing was measured yet, by \
         Fast Open say, is counted apart: `not known in N of M rows`.",
        "`--by` makes a histogram for each combination of fields: addresses, ports, IP version, network namespace, and the user and the \
         cgroup of the socket. A socket belongs to the user who created it, and to the cgroup in which it was created; an \
         accepted one to those of its listening socket. Whose process it is nobody can say when a segment arrives, as that is worked off by \
         whatever task the CPU runs at the time; so there is no `-p`.",
        "Nothing is lost for want of room: segments of more than `--max-groups` groups are counted together, as `\\other`, and \
         stderr says how many they were. The counts of all intervals add up to the number of segments, but for those that are reported as skipped. \
         With `[INTERVAL COUNT]` the run ends after the last interval.",
        "Below each histogram stand the number of values, their mean, and the median and other quantiles as ranges, \
         since of each value only its power of two was kept. JSON has one object for each group and interval, of the kind `histogram`, in \
         nanoseconds: `buckets` are lists of the least value, the greatest, and how many there were; `sum` is exact to the microsecond.",
    ],
    examples: &[
        ("tcprtt", "All connections, until Ctrl-C."),
        ("tcprtt 1 10 -B -A 10.0.0.0/8", "Ten times, a second each: a histogram for each address in that net."),
        ("tcprtt -i 5 --by lport -L 80,443 --top 5", "Every five seconds, for the servers at these ports."),
        ("tcprtt -m --sample least -d 60", "How far away the others are, in milliseconds."),
        ("tcprtt --json -i 1 | jq -c '[.ts, .count, .mean]'", "The mean of each second, in nanoseconds."),
    ],
    backends: &[
        (
            "fentry",
            "An fentry program on tcp_rcv_established, which works off each segment of an established connection. Needs BTF \
             (CONFIG_DEBUG_INFO_BTF) and BPF trampolines: x86_64 from Linux 5.5, arm64 from about 6.4.",
        ),
        (
            "kprobe",
            "A kprobe on the same function. Needs BTF and CONFIG_KPROBE_EVENTS. Not possible under lockdown=confidentiality.",
        ),
        (
            "tracepoint",
            "The tracepoint tcp:tcp_probe, which stands first in that function. With BTF as typed arguments; this costs the \
             least. Without BTF as a record, which needs a readable tracefs and has neither the user nor the \
             cgroup nor the network namespace nor the least time; what needs those is refused.",
        ),
    ],
    differences: &[Difference {
        id: "skipped",
        when: "kprobe, and tracepoint without BTF",
        what: "The kernel skips such a program where another one or an operation on a BPF map is under way on the same CPU. \
               It tells how often since Linux 6.7 or so. The other programs are skipped only where a softirq comes between, while \
               the program runs on the same CPU.",
    }],
    overhead: &[
        "A short program runs for each segment that an established connection receives, and adds to two numbers. On Linux 6.12 \
         that takes 198 instructions with fentry, of which 126 are the kernel's for entering and leaving a program that does nothing, \
         152 with tracepoint (83), and 488 with kprobe; a segment on loopback takes 10,978 from send(2) to recv(2). \
         With `--by raddr` it is 659 (fentry) and 579 (tracepoint), for a filter on ports that matches nothing 254 and 176. \
         libbpf-tools 0.26 takes 400. Counted in an emulated machine with one CPU; docs/performance.md in the sources says how.",
        "The tool itself sleeps between intervals, and reads what has been counted at each. Groups take some 450 bytes of the kernel's memory \
         each, set aside at the start for two times `--max-groups`.",
    ],
    see_also: &["tcp(7)", "ss(8)", "bpf(2)", "capabilities(7)"],
};
