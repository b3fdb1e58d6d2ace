//! Events of each tool, made up, for tests/format.rs: one place for all that the forms of its rows are held to.

mod tcpaccept;
mod tcpconnect;
mod tcplife;

use bpftools::fields;
use bpftools::fields::Context;
use bpftools::fields::Field;
use bpftools::fields::Row;
use bpftools::kernel::event::bytes;
use bpftools::kernel::event::decode;
use bpftools::run::losses::Losses;
use bpftools::tool::Tool;
use bpftools::tools::tcpaccept::TcpAccept;
use bpftools::tools::tcpconnect::TcpConnect;
use bpftools::tools::tcplife::TcpLife;

/// A tool whose rows can be made here.
pub trait Sampled: Tool {
    /// The options of its own that give rows all their columns.
    const OPTIONS: &'static [&'static str];
    /// Golden tables besides those that all tools have: suffix of the file's name, and options.
    const MORE: &'static [(&'static str, &'static [&'static str])] = &[];

    /// One event of each shape that a row can have.
    fn events() -> Vec<Self::Event>;
}

/// The same, as far as one sees without its types.
pub struct Sample {
    pub tool: &'static str,
    pub options: &'static [&'static str],
    pub more: &'static [(&'static str, &'static [&'static str])],
    /// The rows of its events with these options.
    pub rows: fn(&[&str]) -> String,
    /// Those of any bytes, a record each.
    pub rows_of: fn(&[Vec<u8>], &[&str]) -> String,
}

/// A tool more is a line more.
pub const ALL: &[Sample] = &[sample::<TcpConnect>(), sample::<TcpAccept>(), sample::<TcpLife>()];

const fn sample<T: Sampled>() -> Sample {
    Sample {
        tool: T::NAME,
        options: T::OPTIONS,
        more: T::MORE,
        rows: |options| rows::<T>(&T::events(), options),
        rows_of: |records, options| {
            let event = |record: &Vec<u8>| decode(&record[..size_of::<T::Event>()]).expect("it has its size");
            rows::<T>(&records.iter().map(event).collect::<Vec<_>>(), options)
        },
    }
}

/// 2023-11-14T22:13:20Z, where boot time is 0.
const WALL_OFFSET: i64 = 1_700_000_000_000_000_000;

fn rows<T: Tool>(events: &[T::Event], options: &[&str]) -> String {
    let tool = T::parse_from([&[T::NAME], options].concat());
    let output = tool.output();
    let shown = tool.shown().unwrap();
    let mut writer =
        output.writing.format().writer(shown.iter().map(Field::column).collect(), !output.writing.no_header);
    let context = Context::new(T::NAME, WALL_OFFSET);
    let mut out = Vec::new();
    writer.header(&mut out);
    for event in events {
        fields::write(&shown, Row::new(bytes(event), &context), &mut writer, &mut out);
    }
    let losses = Losses { ring: 3, map: 2, half: 1, skipped: 3, untold: 1, incomplete: 2, unfollowed: 2, unseen: 1 };
    writer.object(&losses.pairs(), &mut out);
    String::from_utf8(out).expect("rows are ASCII")
}
