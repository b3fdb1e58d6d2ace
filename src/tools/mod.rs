//! The tools. [`ALL`] is the one list from which the commands, help, links, manual pages, completions
//! and `check` come.

pub mod tcpaccept;
pub mod tcpconnect;
pub mod tcplife;
pub mod tcprtt;

use clap::ArgMatches;
use clap::Command;
use clap::error::ErrorKind;

use crate::backends::Form;
use crate::backends::Refusal;
use crate::fields;
use crate::fields::Field;
use crate::output;
use crate::run;
use crate::run::printer::Output;
use crate::run::start;
use crate::run::start::Probed;
use crate::tool::Manual;
use crate::tool::Tool;

/// Every tool, in the order of `--list`.
pub const ALL: &[Entry] = &[
    entry::<tcpconnect::TcpConnect>(),
    entry::<tcpaccept::TcpAccept>(),
    entry::<tcplife::TcpLife>(),
    entry::<tcprtt::TcpRtt>(),
];

/// A tool as the multi-call binary sees it.
pub struct Entry {
    pub name: &'static str,
    pub manual: Manual,
    /// The tool's own fields.
    fields: &'static [Field],
    /// The keys of the common ones that it does not have.
    without: &'static [&'static str],
    /// The keys of the fields that rows are counted by where nothing else is asked for.
    pub counted_by: &'static [&'static str],
    command: fn() -> Command,
    run: fn(&ArgMatches) -> anyhow::Result<()>,
    probe: fn(Form) -> Result<Probed, Refusal>,
    #[cfg(test)]
    tested: fn() -> tests::Tested,
}

const fn entry<T: Tool>() -> Entry {
    Entry {
        name: T::NAME,
        manual: T::MANUAL,
        fields: T::FIELDS,
        without: T::WITHOUT,
        counted_by: T::COUNTED.0,
        command: T::command,
        run: run::<T>,
        probe: start::probe::<T>,
        #[cfg(test)]
        tested: tests::tested::<T>,
    }
}

fn run<T: Tool>(matches: &ArgMatches) -> anyhow::Result<()> {
    let tool = T::from_arg_matches(matches)?;
    if tool.output().fields == ["list"] {
        return Ok(output::print(|out| fields::list(T::FIELDS, out))?);
    }
    for (option, key) in tool.output().named() {
        if let Some(missing) = tool.missing_option(key) {
            return Err(wrong_value::<T>(&format!("{option}: {key} is known only with {missing}; add it")));
        }
    }
    let rows = tool.shown();
    let question = tool.question();
    match (rows, question) {
        (Ok(fields), Ok(None)) => run::run(&tool, Output::Rows(fields)),
        (Ok(_), Ok(Some(question))) => run::run(&tool, Output::Groups(Box::new(question), T::COUNTED.1)),
        (Err(error), _) => Err(wrong_value::<T>(&format!("--fields: {error}"))),
        (_, Err(error)) => Err(wrong_value::<T>(&error)),
    }
}

fn wrong_value<T: Tool>(error: &str) -> anyhow::Error {
    T::command().name(T::NAME).bin_name(T::NAME).error(ErrorKind::InvalidValue, error).into()
}

impl Entry {
    /// The tool called `name`.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|entry| entry.name == name)
    }

    /// Its command line.
    #[must_use]
    pub fn command(&self) -> Command {
        (self.command)().name(self.name).version(env!("CARGO_PKG_VERSION"))
    }

    /// Its fields, those that all tools have first.
    pub fn all_fields(&self) -> impl Iterator<Item = &'static Field> {
        fields::IDENTITY.iter().filter(|field| !self.without.contains(&field.key)).chain(self.fields)
    }

    /// Runs it until it ends or is ended.
    ///
    /// # Errors
    /// No backend works, or the output cannot be written.
    pub fn run(&self, matches: &ArgMatches) -> anyhow::Result<()> {
        (self.run)(matches)
    }

    /// Loads, attaches and detaches its programs in one form.
    ///
    /// # Errors
    /// They do not work here.
    pub fn probe(&self, form: Form) -> Result<Probed, Refusal> {
        (self.probe)(form)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use clap::Arg;
    use clap::ArgAction;
    use libbpf_rs::ObjectBuilder;
    use libbpf_rs::OpenObject;

    use super::*;
    use crate::backends::Backend;
    use crate::backends::Lacks;
    use crate::backends::Needs;
    use crate::backends::Section;

    /// What the tests want of a tool.
    pub struct Tested {
        name: &'static str,
        object: &'static [u8],
        optional: Vec<&'static str>,
        probes: &'static [&'static [&'static str]],
        needs: fn(&[&str], Form, Lacks<'_>) -> Result<Needs, clap::Error>,
    }

    pub fn tested<T: Tool>() -> Tested {
        Tested {
            name: T::NAME,
            object: T::OBJECT,
            optional: T::OPTIONAL.iter().map(|optional| optional.function).collect(),
            probes: T::PROBES,
            needs: |options, form, lacks| {
                let tool = T::try_parse_from([T::NAME].iter().chain(options))?;
                Ok(tool.filter().add_to(tool.needs(form, lacks), form))
            },
        }
    }

    fn all() -> impl Iterator<Item = Tested> {
        ALL.iter().map(|entry| (entry.tested)())
    }

    fn open(object: &[u8]) -> OpenObject {
        ObjectBuilder::default().open_memory(object).unwrap()
    }

    /// No options, each of the tool's flags, and what `check` tries.
    fn option_sets(tested: &Tested) -> Vec<Vec<String>> {
        let command = Entry::find(tested.name).unwrap().command();
        let is_flag = |arg: &&Arg| matches!(arg.get_action(), ArgAction::SetTrue);
        let flags = command.get_arguments().filter(is_flag).filter_map(Arg::get_long);
        let probes = tested.probes.iter().map(|probe| probe.iter().map(ToString::to_string).collect());
        // -f needs a PID, which by itself needs nothing.
        let with_pid = |flag| if flag == "follow-forks" { vec!["--pid=1".to_owned()] } else { vec![] };
        flags.map(|flag| [with_pid(flag), vec![format!("--{flag}")]].concat()).chain(probes).collect()
    }

    /// Everything that a tool may need, by what it was asked with.
    fn all_needs(tested: &Tested) -> Vec<(String, Form, Needs)> {
        let forms = Backend::ALL.iter().flat_map(|backend| backend.forms());
        let lacks = [vec![]].into_iter().chain(tested.optional.iter().map(|&function| vec![function]));
        let cases = forms.flat_map(|form| lacks.clone().map(move |lacks| (*form, lacks)));
        let ask = |(form, lacks): (Form, Vec<&'static str>)| {
            option_sets(tested).into_iter().map(move |options| {
                let asked: Vec<_> = options.iter().map(String::as_str).collect();
                let needs = (tested.needs)(&asked, form, &lacks).unwrap();
                (format!("{} {} ({form}, without {lacks:?})", tested.name, options.join(" ")), form, needs)
            })
        };
        cases.flat_map(ask).collect()
    }

    #[test]
    fn every_file_is_in_the_registry() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tools");
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        let names = files.filter(|path| path.is_file()).map(|path| path.file_stem().unwrap().display().to_string());
        for name in names.filter(|name| name != "mod") {
            assert!(Entry::find(&name).is_some(), "ALL has no {name}");
        }
    }

    #[test]
    fn every_program_has_a_section_that_is_known_and_off_by_default() {
        for tested in all() {
            for program in open(tested.object).progs() {
                let name = program.section().to_str().unwrap().to_owned();
                assert!(Section::parse(&name).is_some(), "{}: {name}", tested.name);
                assert!(!program.autoload(), "{}: {name} has no `?`", tested.name);
            }
        }
    }

    #[test]
    fn what_a_tool_names_is_in_its_object() {
        for tested in all() {
            let mut object = open(tested.object);
            let names: Vec<_> = object.progs().map(|program| program.section().to_str().unwrap().to_owned()).collect();
            let sections: Vec<_> = names.iter().filter_map(|name| Section::parse(name)).collect();
            let maps: BTreeMap<_, _> = object
                .maps_mut()
                .map(|mut map| {
                    let len = map.initial_value_mut().map(|value| value.len());
                    (map.name().to_str().unwrap().to_owned(), len)
                })
                .collect();
            for function in &tested.optional {
                assert!(sections.iter().any(|section| section.hook() == Some(function)), "{function}");
            }
            for (asked, _, needs) in all_needs(&tested) {
                for section in needs.named() {
                    assert!(sections.contains(&section), "{asked}: there is no {section}");
                }
                for (section, bytes) in needs.sections() {
                    assert_eq!(maps.get(section), Some(&Some(bytes.len())), "{asked}: {section}");
                }
                for map in needs.sizes().map(|(map, _)| map).chain(needs.maps()) {
                    assert!(maps.contains_key(map), "{asked}: there is no map {map}");
                }
            }
        }
    }

    #[test]
    fn every_program_is_loaded_by_something() {
        for tested in all() {
            let needs = all_needs(&tested);
            let follows = option_sets(&tested).iter().flatten().any(|option| option == "--follow-forks");
            for program in open(tested.object).progs() {
                let name = program.section().to_str().unwrap();
                let section = Section::parse(name).unwrap();
                // They come with the shared headers, whether a tool filters by processes or not.
                if section.is_of_processes() && !follows {
                    continue;
                }
                let is_loaded = needs.iter().any(|(_, form, needs)| needs.loads(*form, section));
                assert!(is_loaded, "{}: nothing loads {name}", tested.name);
            }
        }
    }
}
