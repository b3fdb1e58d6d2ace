//! What the pages of all tools say in the same words, and the prose of bpftools(8). How it is marked
//! up says `page`.

pub type Rows = &'static [(&'static str, &'static str)];

// --- every tool's page ---

pub const OPTIONS: &[&str] = &[
    "Lists take commas and can be given more than once, and then add up; paths take no commas. \
     A row is shown if it passes all filters. They run in the kernel, before anything is gathered. User IDs are those of \
     the initial user namespace, wherever the tool runs.",
];

pub const OUTPUT: &[&str] = &[
    "Stdout has the header and the rows, or the objects of `--json`, and nothing else. All else goes to stderr. \
     The header is there when tracing has begun. A row is written as soon as it is known, at most 20 ms later where \
     many come. Rows of two CPUs may be out of order by a little.",
    "A row of the table has as many cells as the header, with blanks between them and none inside. What is unknown is `-`. \
     A name is shown byte by byte: printable ASCII as it is, a backslash as `\\\\`, any other byte, also a blank, as `\\xNN`; \
     an empty name as `-`, and a name that is a single dash as `\\x2d`. Values wider than their column are not cut.",
    "Every write ends at the end of a line, and is no longer than a pipe takes in one piece (4,096 bytes), so several \
     tools can write into one pipe. Only a line that is longer by itself may be torn there by another writer. A terminal, \
     or a connection over a network, can stop in the middle of a line.",
    "No write waits longer than the run lasts, whoever does not read. A regular file is the exception: it takes as long \
     as its file system does. While stdout does not take rows, the kernel counts what no longer fits into the ring buffer. \
     Where stdout cannot be written, because a disk is full for example, stderr says so, rows are dropped and counted, and the run \
     goes on. A stderr that cannot be written changes nothing.",
    "SIGINT (Ctrl-C), SIGTERM, SIGHUP unless it is ignored, `--duration`, `--max-events` and a closed stdout end the run. The \
     programs are detached at once, what has been seen is printed, what was lost is said, and the process is gone within \
     a second. Lines that stdout does not take in that time are counted on stderr, and the exit status is 1; otherwise it is 0. \
     A second signal ends the process at once, and so does any signal before tracing has begun.",
];

/// Before a tool's fields.
pub const FIELDS: &[&str] = &[
    "Each field has a header, which the table shows, and a key, which JSON, CSV, `--fields` and `--by` use. By default JSON has \
     every field that is known, but for `elapsed_ns`, and CSV has those of the table. JSON and CSV have nanoseconds and bytes. The \
     table has milliseconds and KB of 1,024 bytes, where the header names no other unit.",
    "CSV has the form of RFC 4180: a header of the keys, lines that end with CR and LF. What is unknown is empty. Text is shown as \
     in the table, but blanks stay as they are. A spreadsheet may take a cell that begins with `=`, `+`, `-` or `@` for a formula.",
];

pub const JSON: &[&str] = &[
    "With `--json` each line is an object. Those of rows have the keys above; what is unknown is absent. Numbers are \
     numbers; addresses, names and words are strings. Strings are ASCII: another character is written as `\\uXXXX`, a byte \
     that is not UTF-8 as U+FFFD. The order of keys has no meaning. `bpftools schema TOOL` prints a JSON Schema.",
    "Other objects tell what was lost. One is printed when that has grown, at most once a second, and one at the end \
     even if nothing was lost. Beside `v`, `tool` and `ts` they have:",
];

pub const JSON_LOSSES: Rows = &[
    ("kind", "`losses`. Rows have no `kind`; see COUNTING for two others."),
    ("lost", "Rows that are known to be missing: the sum of the three below, since tracing began."),
    ("lost_ring", "Rows that found no room in the ring buffer (`--buffer-size`)."),
    ("lost_map", "Rows that found no room in a map of the kernel side."),
    ("lost_half", "Rows of which only one half was seen, such as a call without its return."),
    (
        "skipped",
        "At most so many rows are missing besides: how often the kernel skipped a program, in all processes (most kernels \
         tell it; see \"skipped\" below), and with `-x` how many attempts found no room to wait for their outcome.",
    ),
    (
        "unfollowed",
        "With `-f`: processes that had no room among those that are followed, and how often the kernel skipped the program that \
         sees processes start. None of their rows is shown.",
    ),
    ("end", "`true` in the last object, absent in the others. The next two are there only with it."),
    ("rows", "Rows made: printed, counted, or among `unwritten`."),
    (
        "unwritten",
        "In the last object: lines that were dropped while stdout could not be written. Absent if there were none.",
    ),
    ("pending", "Events that were waiting for their end when tracing stopped; absent where that could not be read."),
];

pub const COUNTING: &[&str] = &[
    "`-c`, `--by`, `--sum`, `--quantiles` and `--hist` count rows instead of showing them. Rows that have the same values in the fields \
     that they are counted by are one group. The groups are printed when the run ends, or with `-i` at intervals, which then start \
     again from zero. What is lost is not counted, but reported as it is for rows. Rows that are pending at the end are \
     counted.",
    "`--sum` adds the sum of a field to each group, `--quantiles` its 50, 90 and 99 % quantiles, which are right within 1 % before they \
     are rounded, and its maximum. `--hist` prints a histogram of powers of two instead, of time spans in microseconds, with the mean, \
     the same quantiles and the maximum below it; without `--by` it is one for all rows. Rows in which the field is not known have \
     no part in these.",
    "Rows of more groups than `--max-groups` are counted together in one group more, and stderr says so. It comes last, whatever \
     `--top` says; in the table and in CSV the first of its fields reads `\\\\other`, which no name does.",
    "The last counts have the same second as all that is written at the end: where there are more groups than a slow reader takes in that \
     time, use `--top` or write to a file.",
    "In JSON a group is an object with `kind` `group`, the fields that it is counted by, `count`, and `sum_FIELD`, `p50_FIELD`, \
     `p90_FIELD`, `p99_FIELD` and `max_FIELD` where they are asked for. A histogram has `kind` `histogram`, the fields that it is counted by, \
     `field`, `rows`, `count` (of rows with a value), `mean`, `p50`, `p90`, `p99`, `max` and `buckets`, a list of least value, \
     greatest value and count. `interval_ns` is how long was counted. `other` is `true` in the group of the rows that found no other.",
];

pub const BACKENDS: &[&str] = &[
    "A backend is a way to see what the kernel does. By default the first of those below is taken that the kernel \
     lets be loaded and attached; nothing is concluded from its version or its files. `-v` says which that is, and why \
     those before it were refused; `bpftools check` says it of all, without tracing. With `--backend` no other is tried: \
     if it does not work, the tool says why and what does, and exits with 1.",
    "On a kernel that is built without IPv6 only IPv6 is missing. Where IPv6 is a module that is not loaded, backends that \
     hook its functions are refused, as it may be loaded at any time. All backends need Linux 5.8 or later.",
];

/// Before the differences between a tool's backends.
pub const DIFFERENCES: &[&str] = &["All backends show the same rows, but for this:"];

pub const PRIVILEGES: &[&str] = &[
    "Root has all that is needed. Otherwise fentry and typed tracepoints (tp_btf) need CAP_BPF and CAP_PERFMON; kprobe needs \
     also CAP_SYS_ADMIN or kernel.perf_event_paranoid at 2 or below; all other tracepoints, those of system calls among \
     them, also a readable tracefs, which is root's by default. CAP_SYS_ADMIN stands for the first two. Before Linux 5.11 \
     the limit of locked memory must be high enough too (`ulimit -l`).",
    "Once the programs are attached, and before the first row, all of that is given up: root becomes the user who called \
     sudo (SUDO_UID and SUDO_GID), or else user and group 65534; every set of capabilities is emptied; the process can gain no \
     privilege, cannot be debugged by its user, and can open no file (Landlock, since Linux 5.13) and make no system call that its run \
     has no use for (seccomp): no socket, no process, no other BPF program. On kernels before 5.19 CAP_BPF is kept where \
     something is read by bpf(2) later: maps at the end, or what the kernel counted of the programs. What this process is not allowed to give \
     up is named under `-v`.",
    "To let a group of users trace, give the file to the group, with mode 750, and run `setcap cap_bpf,cap_perfmon+ep` (or `+p`) \
     on it. They then see the connections of all users. A set-user-ID or set-group-ID copy refuses to run.",
];

pub const LOSSES: &[&str] = &[
    "Two numbers are kept apart. A row is lost if it is known to be missing: the ring buffer was full, a map was full, or only \
     one half of it was seen. Besides, the kernel may skip a program: that costs a row, or nothing where the row is made in \
     another way, and only how often it happened is known. So the events that took place are at least the rows, those \
     lost and those pending together, and at most as many more as programs were skipped.",
    "If there is any loss, stderr says so with what helps against it, while running at most once a second, and in all at \
     the end. No line means that nothing was lost and nothing skipped.",
];

pub const EXIT_STATUS: Rows = &[
    ("0", "Done, however the run was ended; also after `--help` and `--version`."),
    ("1", "Failed: no backend works, or stdout did not take every line. Stderr has the cause and what can be done."),
    ("2", "Wrong usage. Nothing was started."),
];

pub const ENVIRONMENT: Rows = &[
    (
        "TZ",
        "The zone of the column TIME, instead of that of /etc/localtime: a name such as `Asia/Tokyo`, looked up under \
         /usr/share/zoneinfo, or in POSIX form, `JST-9`. What is neither means UTC.",
    ),
    ("SUDO_UID, SUDO_GID", "Which user and group root becomes: see PRIVILEGES. Numbers; 0 does not count."),
];

// --- bpftools(8) ---

pub const BPFTOOLS: &[&str] = &[
    "bpftools is one program that holds several tools, each of which shows something about TCP on this machine as it \
     happens. It uses eBPF: small programs that the kernel checks, runs and forgets when the tool ends. It needs no \
     other file, no compiler and no kernel headers. Each tool has its own manual page.",
    "It is not bpftool(8), which comes with the kernel and shows and changes the BPF programs and maps of a machine.",
];

pub const NAMES: &[&str] = &[
    "Which tool runs is said by the first argument, `bpftools TOOL`, or by the name of the program file: a link or copy \
     whose name, without its folders and without one leading `bpf-`, is exactly that of a tool is that tool, and all its \
     arguments are the tool's. Under any other name the program is bpftools.",
    "So tcpconnect and bpf-tcpconnect are the tool tcpconnect; bpftools-0.1, bpf-bpf-tcpconnect and tcpconnect.old are \
     bpftools.",
    "Other packages install tools of the same names. `bpf-` leads to a name that is free.",
];

/// After the tools' names.
pub const COMMANDS: Rows = &[
    ("check [--json]", "Tell what works here and what does not: see CHECK."),
    (
        "completion SHELL [TOOL]",
        "Print a completion script for `bash`, `elvish`, `fish`, `powershell` or `zsh`: for bpftools, or for a link that \
         is called TOOL.",
    ),
    ("help [TOOL]", "Print the help of bpftools, or that of a tool or command, as `--help` after it does."),
];

pub const CHECK: &[&str] = &[
    "`bpftools check` loads and attaches the programs of each tool by each backend, detaches them at once, and prints \
     what came of it. First come facts about the machine: the kernel's release, the architecture, the capabilities that \
     this process has of those that matter, the mode of lockdown, and whether there are BTF and IPv6. Then, for each \
     tool, the backend that it would use, and each backend with `yes` and its form, `no`, or `untested`: privileges were \
     missing to find out. Under it stands what the form does without and cannot show, and why each form before it was \
     refused, and what can be done.",
    "With `--json` it prints one object: `v` (1), `kernel`, `architecture`, `capabilities` (a list), `lockdown`, `btf`, \
     `ipv6`, and `tools`, an object that has for each tool `uses` (a backend, or null) and `backends`, which has for each \
     backend `works` (\"yes\", \"no\" or \"untested\"), `form` (what works, or null), `without` (a list of \
     functions that it does not hook because that does not work here), `caveats` (a list of what it cannot show) and \
     `refused`, a list of `form`, `cause` and `remedy`.",
    "The exit status is 0 if each tool has a backend that works, else 1.",
];

pub const BPFTOOLS_EXAMPLES: Rows = &[
    ("bpftools check", "What works on this machine."),
    ("bpftools tcpconnect -t", "Run a tool."),
    ("bpftools --install -s /usr/local/bin", "Make symbolic links, so that the tools' names are commands."),
    ("ln -s bpftools /usr/local/bin/bpf-tcpconnect", "One link, by a name that no other package has."),
    (". <(bpftools completion bash)", "Completion in this shell."),
];

pub const BPFTOOLS_EXIT_STATUS: Rows = &[
    ("0", "Done; also bpftools without arguments, which prints its help."),
    (
        "1",
        "Failed; also `bpftools check` where a tool has no backend that works, and any output that cannot be written, \
         unless its reader has closed it.",
    ),
    ("2", "Wrong usage, for example an unknown tool. Nothing was started."),
];
