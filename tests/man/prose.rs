//! What the pages of all tools say in the same words, and the prose of bpftools(8). How it is marked
//! up says `page`.

pub type Rows = &'static [(&'static str, &'static str)];

// --- every tool's page ---

pub const OPTIONS: &[&str] = &[
    "The values of a list are separated by commas. An option that takes a list can be given several times; the lists \
     are then joined. A path cannot be part of such a list. A row is shown if it passes all filters. Filters run in \
     the kernel, before anything is gathered. User IDs are always those of the initial user namespace.",
];

pub const OUTPUT: &[&str] = &[
    "Only the header and the rows, or the objects of `--json`, go to stdout. Everything else goes to stderr. The \
     header is printed when tracing has begun; where rows are counted it comes with the first counts, and `-v` says on \
     stderr that tracing has begun. A row is written as soon as it is known, or up to 20 ms later while \
     many events come. Rows from different CPUs can be slightly out of order.",
    "Each row of the table has as many cells as the header. Cells are separated by blanks and contain none. An unknown \
     value is shown as `-`. In a name, printable ASCII characters are shown as they are, a backslash as `\\\\`, and \
     any other byte, blanks included, as `\\xNN`. An empty name is shown as `-`, and a name that is a single dash as \
     `\\x2d`. A value that is wider than its column is not cut.",
    "Several tools can write into one pipe: each write consists of whole lines and is no longer than a pipe takes in \
     one piece (4,096 bytes). Only a single line that is longer than that can be mixed with the output of another \
     writer. On a terminal or a network connection, output can stop in the middle of a line.",
    "A reader that does not read cannot keep a run from ending. Only a write to a regular file takes as long as its \
     file system needs. While stdout takes no rows, the kernel counts the rows that no longer fit into the ring \
     buffer. If stdout cannot be written, for example because a disk is full, the tool says so on stderr, drops and \
     counts the rows, and goes on. A stderr that cannot be written is ignored.",
    "A run ends on SIGINT (Ctrl-C), SIGTERM, SIGHUP (unless it is ignored), after `--duration` or `--max-events`, or \
     when stdout is closed. The tool detaches its programs, prints what has been seen, reports what was lost, and \
     exits within a second. If stdout has not taken all lines by then, the tool says on stderr how many are missing, \
     and the exit status is 1; otherwise it is 0. A second signal ends the process at once, and so does any signal \
     before tracing has begun.",
];

/// Before a tool's fields.
pub const FIELDS: &[&str] = &[
    "Each field has a header, which the table shows, and a key, which JSON, CSV, `--fields` and `--by` use. By default \
     JSON has every known field except those for which `--fields` has to ask, such as `elapsed_ns`, and CSV has the \
     fields of the table. In JSON and CSV, times are in nanoseconds and sizes in bytes. In the table, times are in \
     milliseconds and sizes in KB of 1,024 bytes, unless the header names another unit. A script that reads the table \
     should choose its columns with `--fields`.",
    "CSV follows RFC 4180: the first line has the keys, and lines end with CR and LF. An unknown value is empty. Text \
     is shown as in the table, except that blanks are kept. A spreadsheet may treat a cell that begins with `=`, `+`, \
     `-` or `@` as a formula.",
];

pub const JSON: &[&str] = &[
    "With `--json` each line is an object. A row is an object with the keys above; unknown values are absent. Numbers \
     are JSON numbers; addresses, names and words are strings. Strings are ASCII: any other character is written as \
     `\\uXXXX`, and a byte that is not UTF-8 as U+FFFD. The order of keys has no meaning. `bpftools schema TOOL` \
     prints a JSON Schema.",
    "Other objects report losses. One is printed when more has been lost, at most once a second, and one at the end in \
     any case. They have `v`, `tool`, `ts` and these keys:",
];

pub const JSON_LOSSES: Rows = &[
    ("kind", "`losses`. Rows have no `kind`; see COUNTING for two others."),
    ("lost", "Rows that are known to be missing: the sum of the three below, since tracing began."),
    ("lost_ring", "Rows that found no room in the ring buffer (`--buffer-size`)."),
    ("lost_map", "Rows that found no room in a map of the kernel side."),
    ("lost_half", "Rows of which only one half was seen, such as a call without its return."),
    (
        "skipped",
        "The largest number of rows that may be missing besides those lost. It is how often the kernel skipped a \
         program, in all processes (most kernels tell it; see \"skipped\" below); with `-x` it includes attempts for \
         which there was no room to wait for their outcome.",
    ),
    ("incomplete", "Rows that are not missing, but say less because a map was full."),
    (
        "unfollowed",
        "With `-f`: processes that had no room among those that are followed, and how often the kernel skipped the program that \
         sees processes start. None of their rows is shown.",
    ),
    ("end", "`true` in the last object, absent in the others. Only the last object has the following keys."),
    ("rows", "How many rows there were: printed, counted, or among `unwritten`."),
    ("unwritten", "Lines that were dropped while stdout could not be written. Absent if there were none."),
    ("pending", "What was still under way when tracing ended. Absent if that could not be read."),
];

pub const COUNTING: &[&str] = &[
    "`-c`, `--by`, `--sum`, `--quantiles` and `--hist` count rows instead of showing them. Rows with the same values \
     in the fields that they are counted by form a group. The groups are printed when the run ends. With `-i` they are \
     printed at the end of each interval, and counting starts again from zero. Lost rows are not counted; they are \
     reported as usual. Rows that are pending at the end are counted.",
    "`--sum` adds the sum of a field to each group. `--quantiles` adds the 50, 90 and 99 % quantiles of a field, which \
     are right within 1 % before rounding, and its maximum. `--hist` prints histograms with powers of two as bounds \
     instead, one for each group, or without `--by` one for all rows. Times are in microseconds there. The mean, the \
     same quantiles and the maximum are printed below each. Rows in which the field is unknown do not count in these.",
    "When there are `--max-groups` groups, rows that belong to none of them are counted together in one further group, \
     and the tool says so on stderr. This group comes last and is printed even if `--top` leaves others out. In the \
     table and in CSV its first field is `\\other`, which no name can be.",
    "The last counts, too, have to be written within a second after the end of the run. If there are more groups than \
     a slow reader takes in that time, use `--top` or write to a file.",
    "In JSON a group is an object with the `kind` `group`, the fields that it is counted by, `count`, and, if they \
     were asked for, `sum_FIELD`, `p50_FIELD`, `p90_FIELD`, `p99_FIELD` and `max_FIELD`. A histogram has the `kind` \
     `histogram`, the fields that it is counted by, `field`, `rows`, `count` (of rows with a value), `mean`, `p50`, \
     `p90`, `p99`, `max` and `buckets`, a list in which each bucket has its least value, its greatest value and its \
     count. `interval_ns` is the time for which rows were counted. `other` is `true` in the further group that has the \
     rows of no other.",
];

pub const BACKENDS: &[&str] = &[
    "A backend is a way to see what the kernel does. By default the tool takes the first backend below that the kernel \
     allows it to load and attach; it does not conclude anything from the kernel's version or files. `-v` says which \
     backend that is, and why those before it were refused. `bpftools check` tests all backends without tracing. With \
     `--backend` no other backend is tried: if that one does not work, the tool says why and which one does, and exits \
     with status 1.",
    "On a kernel built without IPv6 the backends work for IPv4. If IPv6 is a module that is not loaded, backends that \
     hook its functions are refused, because it may be loaded at any time. All backends need Linux 5.8 or later.",
];

/// Before the differences between a tool's backends.
pub const DIFFERENCES: &[&str] = &["All backends show the same rows, with these exceptions:"];

pub const PRIVILEGES: &[&str] = &[
    "Root has all privileges that are needed. Other users need CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN in place of \
     both. That is enough for fentry and typed tracepoints (tp_btf). kprobe also needs CAP_SYS_ADMIN or a \
     kernel.perf_event_paranoid of 2 or below. All other tracepoints, such as those of system calls, need that too, \
     and a tracefs that the user can read; by default only root can. Before Linux 5.11 the limit of locked memory must \
     be high enough as well (`ulimit -l`).",
    "Once its programs are attached, and before the first row, the tool gives up all privileges. Root becomes the user \
     who called sudo (SUDO_UID and SUDO_GID), or else user and group 65534. All sets of capabilities are emptied. The \
     process can gain no privileges, cannot be debugged by its user, cannot open files (Landlock, since Linux 5.13), \
     and can make only the system calls that the run needs (seccomp): it cannot make a socket, start a process or load \
     another BPF program. On kernels before 5.19 the tool keeps CAP_BPF if it has to read something by bpf(2) later, \
     such as maps at the end, or how often the kernel skipped a program. With `-v` the tool names everything that it \
     was not allowed to give up.",
    "To let a group of users trace, give the program file to the group, set its mode to 750, and run `setcap \
     cap_bpf,cap_perfmon+ep` (or `+p`) on it. These users then see the connections of all users. A set-user-ID or \
     set-group-ID copy refuses to run.",
];

pub const LOSSES: &[&str] = &[
    "The tool reports two numbers. A row is lost if it is known to be missing: the ring buffer was full, a map was \
     full, or only one half of the row was seen. A program is skipped if the kernel did not run it. That may cost a \
     row, or nothing if the row is made in another way; only the number of skips is known. So the number of events \
     that took place is at least the sum of the rows, the lost and the pending, and exceeds it at most by the number \
     of skips.",
    "If there are losses or skips, the tool reports them on stderr, at most once a second and with a total at the end, \
     and says what helps against them. If it reports nothing, nothing was lost or skipped.",
];

pub const EXIT_STATUS: Rows = &[
    ("0", "The run has ended, in any of the ways above. Also after `--help` and `--version`."),
    (
        "1",
        "Failure: no backend works, or stdout did not take every line. The tool says on stderr what the cause is and \
           what helps.",
    ),
    ("2", "Wrong usage. Nothing was started."),
];

pub const ENVIRONMENT: Rows = &[
    (
        "TZ",
        "The time zone of the column TIME, in place of that of /etc/localtime. It is a name such as `Asia/Tokyo`, \
         which is looked up in /usr/share/zoneinfo, or has the POSIX form, such as `JST-9`. Any other value means UTC.",
    ),
    ("SUDO_UID, SUDO_GID", "The user and group that root becomes (see PRIVILEGES), as numbers other than 0."),
];

// --- bpftools(8) ---

pub const BPFTOOLS: &[&str] = &[
    "bpftools is one program that holds several tools, each of which shows something about TCP on this machine as it \
     happens. It uses eBPF: small programs that the kernel checks, runs and forgets when the tool ends. It needs no \
     other file, no compiler and no kernel headers. Each tool has its own manual page.",
    "It is not bpftool(8), which comes with the kernel and shows and changes the BPF programs and maps of a machine.",
];

pub const NAMES: &[&str] = &[
    "The first argument says which tool runs: `bpftools TOOL`. The name of the program file can say it, too: a link or \
     a copy that has the name of a tool, or that name after `bpf-`, is that tool, and all arguments are the tool's. \
     Under any other name the program is bpftools.",
    "So tcpconnect and bpf-tcpconnect run the tool tcpconnect, while bpftools-0.1, bpf-bpf-tcpconnect and \
     tcpconnect.old are bpftools.",
    "Other packages install tools of the same names. The names with `bpf-` are free.",
];

/// After the tools' names.
pub const COMMANDS: Rows = &[
    ("check [--json]", "Tell what works here and what does not: see CHECK."),
    (
        "completion SHELL [TOOL]",
        "Print a completion script for `bash`, `elvish`, `fish`, `powershell` or `zsh`. It is for bpftools, or for a \
         link called TOOL.",
    ),
    ("help [TOOL]", "Print the help of bpftools, or of a tool or command. `TOOL --help` does the same."),
];

pub const CHECK: &[&str] = &[
    "`bpftools check` loads and attaches the programs of each tool with each backend, detaches them at once, and \
     prints the result. It begins with facts about the machine: the kernel's release, the architecture, which of the \
     capabilities that matter this process has, the mode of lockdown, and whether there are BTF and IPv6. For each \
     tool it prints the backend that the tool would use, and for each backend whether it works: `yes` and the form \
     that does, `no`, or `untested` if privileges were missing. Below that it says what the form cannot show, why \
     other forms were refused, and what helps.",
    "With `--json` it prints one object: `v` (1), `kernel`, `architecture`, `capabilities` (a list), `lockdown`, \
     `btf`, `ipv6`, and `tools`. `tools` has an object for each tool, with `uses` (a backend, or null) and `backends`. \
     That has an object for each backend, with `works` (\"yes\", \"no\" or \"untested\"), `form` (the one that works, \
     or null), `without` (a list of functions that cannot be hooked here), `caveats` (a list of what cannot be shown) \
     and `refused`, a list of objects with `form`, `cause` and `remedy`.",
    "The exit status is 0 if each tool has a backend that works, and 1 otherwise.",
];

pub const BPFTOOLS_EXAMPLES: Rows = &[
    ("bpftools check", "What works on this machine."),
    ("bpftools tcpconnect -t", "Run a tool."),
    ("bpftools --install -s /usr/local/bin", "Make symbolic links, so that the tools' names are commands."),
    ("ln -s bpftools /usr/local/bin/bpf-tcpconnect", "Make one link, with a name that no other package uses."),
    (". <(bpftools completion bash)", "Completion in this shell."),
];

pub const BPFTOOLS_EXIT_STATUS: Rows = &[
    ("0", "Success. Also for bpftools without arguments, which prints its help."),
    (
        "1",
        "Failure. Also if `bpftools check` finds a tool without a backend that works, or if output cannot be written \
         (unless its reader has closed it).",
    ),
    ("2", "Wrong usage, for example an unknown tool. Nothing was started."),
];
