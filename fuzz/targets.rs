//! What is fuzzed: all that reads bytes which somebody else wrote. A target takes any bytes, and panics
//! if what is made of them breaks a promise. `fuzz/` drives them by coverage, `tests/fuzz.rs` for seconds.

use std::ffi::OsStr;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::ffi::OsStringExt;
use std::ptr::NonNull;

use bpftools::fields;
use bpftools::fields::Context;
use bpftools::fields::Field;
use bpftools::fields::Row;
use bpftools::fuzz::Records;
use bpftools::fuzz::Stopped;
use bpftools::kernel::event::bytes;
use bpftools::kernel::event::decode;
use bpftools::tool::Tool;
use bpftools::tools;
use bpftools::tools::tcpaccept::TcpAccept;
use bpftools::tools::tcpconnect::TcpConnect;
use bpftools::tools::tcplife::TcpLife;
use bpftools::tools::tcprtt::TcpRtt;

/// Panics where a promise is broken.
pub type Target = fn(&[u8]);

/// Each has a folder in corpus/.
pub const ALL: &[(&str, Target)] =
    &[("ring", ring), ("rows", rows), ("tracepoint", tracepoint), ("passwd", passwd), ("arguments", arguments)];

/// Where to begin, how much was written, and how many records to take; then the ring's bytes. What is read
/// lies in the ring, and one record at a time is read as all at once.
fn ring(bytes: &[u8]) {
    const SIZE: usize = 512;
    let [from, written, limit, image @ ..] = bytes else { return };
    // Positions only grow, and are multiples of 8.
    let from = usize::from(*from) * 8;
    let to = from + usize::from(*written) * 8 % (SIZE + 8);
    let limit = usize::from(*limit);
    let mut ring = vec![0_u8; SIZE];
    let len = image.len().min(SIZE);
    ring[..len].copy_from_slice(&image[..len]);
    let twice = [ring.clone(), ring].concat();
    let mut words: Vec<u64> = twice.as_chunks().0.iter().map(|&word| u64::from_ne_bytes(word)).collect();
    let range = words.as_ptr_range();
    let (first, end) = (range.start as usize, range.end as usize);
    // SAFETY: aligned as u64, twice as long as said, and nobody else has it.
    let records = unsafe { Records::new(NonNull::from(&mut words[..]).cast(), SIZE) };
    let read = |from: usize, limit: usize| {
        let mut taken = Vec::new();
        let read = records.read(from, to, limit, |record| {
            assert!(record.as_ptr() as usize >= first && record.as_ptr() as usize + record.len() <= end);
            taken.push(record.to_vec());
            true
        });
        assert_eq!(read.records, taken.len());
        assert!(read.records <= limit && read.bytes <= to - from && read.bytes % 8 == 0);
        assert!((read.stopped == Stopped::Enough) == (read.records == limit));
        assert!(read.stopped != Stopped::Empty || read.bytes == to - from);
        (read, taken)
    };
    let (all, taken) = read(from, limit);
    let mut position = from;
    let mut one_by_one = Vec::new();
    while one_by_one.len() < limit {
        let (one, taken) = read(position, 1);
        position += one.bytes;
        one_by_one.extend(taken);
        if one.stopped != Stopped::Enough {
            assert_eq!(one.stopped, all.stopped);
            break;
        }
    }
    assert_eq!(one_by_one, taken);
    assert_eq!(position - from, all.bytes);
}

/// A tool, with how its records become rows and its command line a value, and the options that change its table.
struct Subject {
    name: &'static str,
    rows: fn(&[&str], &[u8]),
    parses: fn(&[OsString]) -> bool,
    options: &'static [&'static str],
}

impl Subject {
    const fn new<T: Tool>(options: &'static [&'static str]) -> Self {
        Self { name: T::NAME, rows: rows_of::<T>, parses: parses_as::<T>, options }
    }
}

const SUBJECTS: &[Subject] = &[
    Subject::new::<TcpConnect>(&["-t", "-T", "-U", "-L", "-x", "--outcome"]),
    Subject::new::<TcpAccept>(&["-t", "-T", "-U", "--backlog"]),
    Subject::new::<TcpLife>(&["-t", "-T", "-U", "-w", "--more"]),
    Subject::new::<TcpRtt>(&["-m", "-T", "--by=raddr"]),
];

/// One of the tools; all that there are, or it panics.
fn subject(byte: u8) -> &'static Subject {
    let names = SUBJECTS.iter().map(|subject| subject.name);
    assert!(names.eq(tools::ALL.iter().map(|tool| tool.name)), "SUBJECTS has not the tools of the registry");
    &SUBJECTS[usize::from(byte) % SUBJECTS.len()]
}

/// The first two bytes choose a tool and its options, the rest are records.
fn rows(bytes: &[u8]) {
    let [tool, options, records @ ..] = bytes else { return };
    let subject = subject(*tool);
    let chosen = |(bit, option): (usize, &&'static str)| (options >> bit & 1 == 1).then_some(*option);
    let options = subject.options.iter().enumerate().filter_map(chosen).collect::<Vec<_>>();
    (subject.rows)(&options, records);
}

fn rows_of<T: Tool>(options: &[&str], records: &[u8]) {
    // One record in 128 bytes, so that the corpus outlives a change of the record.
    let event = |bytes: &[u8]| decode::<T::Event>(bytes.get(..size_of::<T::Event>())?);
    let events = records.chunks(128).filter_map(event).collect::<Vec<_>>();
    let lines = |format: &str| lines_of::<T>(&[options, &["--format", format]].concat(), &events);

    let table = lines("table");
    let cells = |line: &str| line.split_whitespace().count();
    assert_eq!(table.len(), 1 + events.len(), "{table:?}");
    for line in &table[1..] {
        assert_eq!(cells(line), cells(&table[0]), "{}\n{line}", table[0]);
    }

    let csv = lines("csv");
    assert_eq!(csv.len(), 1 + events.len(), "{csv:?}");
    for line in &csv[1..] {
        // Commas in quotes do not separate.
        let commas = |line: &str| line.split('"').step_by(2).map(|part| part.matches(',').count()).sum::<usize>();
        assert_eq!(commas(line), commas(&csv[0]), "{}\n{line}", csv[0]);
    }

    let json = lines("json");
    assert_eq!(json.len(), events.len(), "{json:?}");
    for line in &json {
        let value = serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let object = value.as_object().expect("a row is an object");
        // Each has a quoted key and a colon: one that is there twice would be one in the object.
        assert!(line.matches("\":").count() >= object.len(), "{line}");
        for key in ["v", "tool", "ts"] {
            assert!(object.contains_key(key), "no {key}: {line}");
        }
    }
}

/// What the format that the options ask for makes of them, which has to be lines of printable ASCII.
fn lines_of<T: Tool>(options: &[&str], events: &[T::Event]) -> Vec<String> {
    let tool = T::parse_from([T::NAME].iter().chain(options));
    let output = tool.output();
    let shown = output.shown(T::FIELDS, &tool.table()).expect("its default fields");
    let mut writer = output.writing.format().writer(shown.iter().map(Field::column).collect(), true);
    let mut out = Vec::new();
    writer.header(&mut out);
    let mut context = Context::new(T::NAME, 0);
    for (number, event) in events.iter().enumerate() {
        // Any offset of the clocks is possible, if not likely.
        context.wall_offset = (number as i64).wrapping_mul(1 << 60);
        fields::write(&shown, Row::new(bytes(event), &context), &mut writer, &mut out);
    }
    assert!(out.is_empty() || out.ends_with(b"\n"));
    assert!(out.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\r')), "{}", out.escape_ascii());
    String::from_utf8(out).expect("it is ASCII").lines().map(str::to_owned).collect()
}

/// What stands before the first line break, and after it.
fn halves(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
    (&bytes[..end], bytes.get(end + 1..).unwrap_or_default())
}

/// A field's name on the first line, then a tracepoint's format file.
fn tracepoint(bytes: &[u8]) {
    let (field, format) = halves(bytes);
    let (Ok(field), Ok(format)) = (str::from_utf8(field), str::from_utf8(format)) else { return };
    if let Some((offset, size)) = bpftools::fuzz::find_field(format, field) {
        assert!(format.contains(field), "{field}");
        let alone = format!("\tfield:int {field};\toffset:{offset};\tsize:{size};\tsigned:0;\n");
        // A name of several words is none that the kernel has.
        if !field.contains([';', '[']) && field.split_whitespace().eq([field]) {
            assert_eq!(bpftools::fuzz::find_field(&alone, field), Some((offset, size)));
        }
    }
}

/// A user's name on the first line, then /etc/passwd.
fn passwd(bytes: &[u8]) {
    let (name, passwd) = halves(bytes);
    let find = |passwd: &[u8]| bpftools::fuzz::uid_of(OsStr::from_bytes(name), passwd);
    if let Some(uid) = find(passwd) {
        let line = [b"\n", name, b":"].concat();
        assert!([b"\n", passwd].concat().windows(line.len()).any(|part| part == line), "{name:?}");
        let first = [name, format!(":x:{uid}:0\n").as_bytes(), passwd].concat();
        assert_eq!(find(&first), Some(uid));
    }
}

/// The first byte chooses a tool or bpftools itself, the lines after it are arguments. A line that begins with a byte from 128
/// on is one of the command's options, with the rest of the line as its value.
fn arguments(bytes: &[u8]) {
    let [choice, lines @ ..] = bytes else { return };
    let subject = (choice & 1 == 0).then(|| subject(choice >> 1));
    let command = match subject {
        Some(subject) => tools::Entry::find(subject.name).expect("it is of the registry").command(),
        None => bpftools::cli::command(),
    };
    let options = command.get_arguments().filter_map(|option| option.get_long()).collect::<Vec<_>>();
    let argument = |line: &[u8]| match line {
        [option @ 0x80..=0xff, value @ ..] if !options.is_empty() => {
            let name = options[usize::from(*option - 0x80) % options.len()];
            let equals: &[u8] = if value.is_empty() { b"" } else { b"=" };
            OsString::from_vec([b"--", name.as_bytes(), equals, value].concat())
        }
        _ => OsString::from_vec(line.to_vec()),
    };
    let name = OsString::from(command.get_name());
    let arguments = [name].into_iter().chain(lines.split(|&byte| byte == b'\n').map(argument)).collect::<Vec<_>>();
    let result = command.clone().try_get_matches_from(&arguments);
    if let Err(error) = &result {
        assert!(matches!(error.exit_code(), 0 | 2), "{error}");
        assert!(!error.render().to_string().is_empty());
    }
    if let Some(subject) = subject {
        // The one for --help has clap's names for the tool, so only whether there is an error is the same.
        assert_eq!((subject.parses)(&arguments), result.is_ok(), "{arguments:?}");
    }
}

/// Whether it is a command line of the tool; what its values promise is held.
fn parses_as<T: Tool>(arguments: &[OsString]) -> bool {
    let Ok(tool) = T::try_parse_from(arguments) else { return false };
    let run = tool.run();
    let is_right = |size: u32| size.is_power_of_two() && (1 << 12..=1 << 30).contains(&size);
    assert!(tool.buffer().is_none_or(|buffer| is_right(buffer.buffer_size)));
    assert!(run.duration.is_none_or(|duration| !duration.is_zero()));
    assert!(
        tool.filter()
            .ends
            .iter()
            .flat_map(|ends| ends.remote.ports.iter().chain(ends.local.ports))
            .all(|ports| !ports.is_empty())
    );
    if let Ok(shown) = tool.output().shown(T::FIELDS, &tool.table()) {
        assert!(!shown.is_empty());
    }
    let _ = tool.output().question(&T::fields(), T::COUNTED.0);
    true
}
