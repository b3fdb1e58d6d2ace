//! The multi-call command line: which tool is meant, and the commands of `bpftools` itself.

mod check;
mod install;
pub mod schema;

use std::ffi::OsString;
use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Arg;
use clap::ArgAction;
use clap::ArgMatches;
use clap::Command;
use clap::builder::ValueParser;
use clap::error::ErrorKind;
use clap_complete::Generator;
use clap_complete::Shell;

use crate::backends::log_libbpf;
use crate::cli::check::check;
use crate::cli::install::install;
use crate::cli::schema::schema;
use crate::output;
use crate::output::say;
use crate::tools;
use crate::tools::Entry;

/// The program's own name, whatever it was called as.
pub const NAME: &str = "bpftools";

/// What went wrong, and in which tool's name to say so.
pub struct Failure {
    pub tool: &'static str,
    pub error: anyhow::Error,
}

/// Runs what the arguments ask for, the program's name first, and returns the exit code: 2 after a usage
/// error.
///
/// # Errors
/// The run failed, or stdout could not be written.
pub fn main(args: impl IntoIterator<Item = OsString>) -> Result<ExitCode, Failure> {
    let mut args: Vec<OsString> = args.into_iter().collect();
    if let Some(tool) = args.first().and_then(|called| tool_called_as(called)) {
        return match tool.command().try_get_matches_from(args) {
            Ok(matches) => run(tool, &matches),
            Err(error) => usage(tool.name, &error),
        };
    }
    if let Some(program) = args.first_mut() {
        *program = NAME.into();
    }
    let mut command = command();
    let matches = match command.clone().try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(error) => return usage(NAME, &error),
    };
    let own = |result: anyhow::Result<ExitCode>| result.map_err(|error| Failure { tool: NAME, error });
    if matches.contains_id("install") {
        return match install_dir(&matches, &mut command) {
            Ok(dir) => own(install(&dir, matches.get_flag("symbolic"), matches.get_flag("force"))),
            Err(error) => usage(NAME, &error),
        };
    }
    match matches.subcommand() {
        Some(("check", matches)) => own(run_check(matches)),
        Some(("completion", matches)) => own(run_completion(matches, command)),
        Some(("schema", matches)) => own(run_schema(matches)),
        Some((name, matches)) => match Entry::find(name) {
            Some(tool) => run(tool, matches),
            None => unknown_tool(name, command),
        },
        None if matches.get_flag("list") => {
            own(print(|out| tools::ALL.iter().try_for_each(|tool| writeln!(out, "{}", tool.name))))
        }
        None => own(print(|_| command.print_help())),
    }
}

/// The tool that a program name stands for: the name itself, or what follows one leading `bpf-`.
/// Under any other name the binary is `bpftools`, so a renamed copy works.
fn tool_called_as(program: &OsString) -> Option<&'static Entry> {
    let name = Path::new(program).file_name()?.to_str()?;
    Entry::find(name.strip_prefix("bpf-").unwrap_or(name))
}

fn run(tool: &'static Entry, matches: &ArgMatches) -> Result<ExitCode, Failure> {
    match tool.run(matches) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => match error.downcast::<clap::Error>() {
            Ok(error) => usage(tool.name, &error),
            Err(error) => Err(Failure { tool: tool.name, error }),
        },
    }
}

/// The command line of `bpftools`.
#[must_use]
pub fn command() -> Command {
    Command::new(NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .about("Trace TCP on this machine with eBPF")
        .after_help("A link to bpftools that is called TOOL or bpf-TOOL runs that tool.")
        .allow_external_subcommands(true)
        .subcommand_help_heading("Tools and commands")
        .subcommand_value_name("TOOL")
        .args([
            Arg::new("list").long("list").action(ArgAction::SetTrue).help("List the tools, one on each line"),
            Arg::new("install")
                .long("install")
                .value_name("DIR")
                .num_args(0..=1) // or it stands behind the next options
                .value_parser(ValueParser::path_buf())
                .help("Make a hard link in DIR for each tool"),
            Arg::new("symbolic")
                .short('s')
                .long("symbolic")
                .action(ArgAction::SetTrue)
                .requires("install")
                .help("With --install: symbolic links"),
            Arg::new("force")
                .short('f')
                .long("force")
                .action(ArgAction::SetTrue)
                .requires("install")
                .help("With --install: replace existing files"),
        ])
        .subcommands(tools::ALL.iter().map(Entry::command))
        .subcommand(
            Command::new("check")
                .about("Show which backends work here, and why others do not")
                .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print one JSON object")),
        )
        .subcommand(
            Command::new("schema")
                .about("Print a JSON Schema of a tool's JSON lines")
                .arg(Arg::new("tool").required(true).value_parser(tool_names()).help("Of this tool")),
        )
        .subcommand(
            Command::new("completion")
                .about("Print a shell's completion script")
                .arg(Arg::new("shell").required(true).value_parser(clap::value_parser!(Shell)))
                .arg(Arg::new("tool").value_parser(tool_names()).help("For a link to this tool instead of bpftools")),
        )
}

fn tool_names() -> Vec<&'static str> {
    tools::ALL.iter().map(|tool| tool.name).collect()
}

/// Clap's own error for a misspelt subcommand, nearest names included.
fn unknown_tool(name: &str, command: Command) -> Result<ExitCode, Failure> {
    let mut strict = command.allow_external_subcommands(false);
    let error = match strict.try_get_matches_from_mut([NAME, name]) {
        Err(error) => error,
        Ok(_) => strict.error(ErrorKind::InvalidSubcommand, format!("no tool `{name}`")),
    };
    usage(NAME, &error)
}

/// Prints what clap has to say: help and version on stdout, errors on stderr, with the tools where none
/// of that name is known.
fn usage(tool: &'static str, error: &clap::Error) -> Result<ExitCode, Failure> {
    if !error.use_stderr() {
        return print(|_| error.print()).map_err(|error| Failure { tool, error });
    }
    let _ = error.print(); // nothing is to be done about a stderr that cannot be written
    if error.kind() == ErrorKind::InvalidSubcommand {
        let tools: Vec<_> = tools::ALL.iter().map(|tool| tool.name).collect();
        say::write(format_args!("\nTools: {}\n", tools.join(", ")));
    }
    Ok(ExitCode::from(2))
}

fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<ExitCode> {
    output::print(write)?;
    Ok(ExitCode::SUCCESS)
}

/// `--install DIR -s`, or, as BusyBox has it, `--install -s DIR`: clap takes that for a subcommand.
fn install_dir(matches: &ArgMatches, command: &mut Command) -> Result<PathBuf, clap::Error> {
    let dirs = matches.get_one::<PathBuf>("install").cloned();
    let external = matches.subcommand().map(|(name, more)| (PathBuf::from(name), more));
    match (dirs, external) {
        (Some(dir), None) => Ok(dir),
        (None, Some((dir, more))) if more.get_many::<OsString>("").is_none_or(|more| more.len() == 0) => Ok(dir),
        _ => Err(command.error(ErrorKind::WrongNumberOfValues, "--install takes one DIR")),
    }
}

fn run_check(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    log_libbpf(false);
    let mut works = true;
    let printed = print(|out| check(matches.get_flag("json"), out).map(|all| works = all))?;
    Ok(if works { printed } else { ExitCode::FAILURE })
}

fn run_schema(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let tool = matches.get_one::<String>("tool").and_then(|name| Entry::find(name)).context("clap requires a tool")?;
    print(|out| writeln!(out, "{:#}", schema(tool)))
}

fn run_completion(matches: &ArgMatches, mut command: Command) -> anyhow::Result<ExitCode> {
    let shell: Shell = *matches.get_one("shell").context("clap requires a shell")?;
    if let Some(tool) = matches.get_one::<String>("tool").and_then(|name| Entry::find(name)) {
        command = tool.command();
    }
    command.set_bin_name(command.get_name().to_owned());
    command.build();
    print(|out| shell.try_generate(&command, out))
}
