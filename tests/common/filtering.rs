//! The kernel-side filters: the same comparer, held to those deeds that the options let through.

use std::fs;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::sync::OnceLock;

use anyhow::Context;
use anyhow::Result;
use anyhow::anyhow;
use anyhow::bail;
use anyhow::ensure;
use bpftools::tools::Entry;
use libtest_mimic::Completion;
use libtest_mimic::Trial;

use super::backend::Backend;
use super::cgroup;
use super::every_case;
use super::judge;
use super::machine;
use super::message::Verdict;
use super::mode::Mode;
use super::repeat;
use super::run;
use super::run::Run;
use super::run::Runs;
use super::run::Scenario;
use super::scenario::ports;
use super::setup::Setup;
use super::subject::Deed;
use super::subject::Subject;
use super::totals;

pub struct Filter<S: Subject> {
    pub name: &'static str,
    /// They may name the processes of the cases.
    pub args: fn(&Scenario<S::Deed>) -> Vec<String>,
    pub lets_through: fn(&S::Deed) -> bool,
}

/// A trial for each filter that all tools have, in the first mode.
pub fn trials<S: Subject>(backend: Backend) -> Vec<Trial> {
    let filtered = |filter: Filter<S>| Filtered {
        name: format!("{}/{}/filters/{}", S::TOOL, backend.name(), filter.name),
        backend,
        mode: S::modes()[0],
        cases: S::FILTERED,
        filter,
        alone: machine::is_ours_alone(),
    };
    let mut trials = side_by_side(filters::<S>().into_iter().map(filtered).collect());
    let takes = |option| {
        Entry::find(S::TOOL).is_some_and(|tool| tool.command().get_arguments().any(|arg| arg.get_long() == option))
    };
    if takes(Some("follow-forks")) {
        trials.extend(trials_in(every_case::modes::<S>(), backend, &[FAMILY, OTHER_FAMILY], follow_forks::<S>));
    }
    trials
}

/// Loads of every tool that can follow forks: `scenario::family` with a deed of its kind.
pub const FAMILY: &str = "family";
pub const OTHER_FAMILY: &str = "other-family";

fn follow_forks<S: Subject>() -> Filter<S> {
    Filter {
        name: "follow-forks",
        args: |s| vec!["-f".to_owned(), "-p".to_owned(), s.pid(FAMILY).to_string()],
        lets_through: |deed| deed.by().case == FAMILY,
    }
}

/// Of the cases that are filtered: the one in that place, from the end if below 0.
fn case<S: Subject>(place: isize) -> &'static str {
    S::FILTERED[place.rem_euclid(S::FILTERED.len() as isize) as usize]
}

fn port<S: Subject>(place: isize) -> u16 {
    ports::first(S::CASES, S::LOADS, case::<S>(place))
}

fn is_of<S: Subject>(deed: &S::Deed, places: &[isize]) -> bool {
    places.iter().any(|&place| deed.by().case == case::<S>(place))
}

fn filters<S: Subject>() -> Vec<Filter<S>> {
    vec![
        Filter {
            name: "pid-list",
            args: |s| {
                let pid = |place| s.pid(case::<S>(place));
                vec!["-p".into(), format!("{},{}", pid(0), pid(-2)), format!("--pid={}", pid(3))]
            },
            lets_through: |deed| is_of::<S>(deed, &[0, 3, -2]),
        },
        Filter {
            name: "port-list",
            args: |_| {
                let list = format!("1,{},65535", port::<S>(3));
                vec!["-P".into(), list, format!("--port={}", port::<S>(0))]
            },
            lets_through: |deed| [0, 3].iter().any(|&place| deed.has_port(port::<S>(place))),
        },
        Filter {
            name: "port-range",
            args: |_| vec!["-P".into(), format!("{}-{}", port::<S>(0), port::<S>(2))],
            lets_through: |deed| (port::<S>(0)..=port::<S>(2)).any(|port| deed.has_port(port)),
        },
        Filter {
            name: "uid",
            args: |_| vec!["-u".into(), "65534".into()],
            lets_through: |deed| deed.by().uid == 65534,
        },
        Filter {
            name: "uid-name",
            args: |_| vec!["-u".into(), "root".into()],
            lets_through: |deed| deed.by().uid == 0,
        },
        Filter { name: "ipv4", args: |_| vec!["-4".into()], lets_through: |deed| deed.ip() == 4 },
        Filter { name: "ipv6", args: |_| vec!["-6".into()], lets_through: |deed| deed.ip() == 6 },
        Filter {
            name: "remote-v4",
            args: |_| vec![S::REMOTE.into(), "10.0.0.0/8,127.0.0.0/8,::ffff:192.0.2.0/120".into()],
            lets_through: |deed| matches!(deed.remote(), Some(IpAddr::V4(address)) if address.is_loopback()),
        },
        Filter {
            name: "remote-v6",
            args: |_| vec![format!("{}=::/64", S::REMOTE), format!("{}=192.0.2.1", S::REMOTE)],
            lets_through: |deed| deed.remote() == Some(Ipv6Addr::LOCALHOST.into()),
        },
        Filter {
            name: "remote-of-many",
            args: |_| vec![format!("{}={}", S::REMOTE, other_nets()), format!("{}=::1", S::REMOTE)],
            lets_through: |deed| deed.remote() == Some(Ipv6Addr::LOCALHOST.into()),
        },
        Filter {
            name: "local",
            args: |_| vec![S::LOCAL.into(), "127.0.0.1,2001:db8::/32".into()],
            lets_through: |deed| deed.local() == Some(Ipv4Addr::LOCALHOST.into()),
        },
        Filter {
            name: "not-port",
            args: |_| vec!["-P".into(), "1-65535".into(), format!("--not-port=1,{}", port::<S>(0))],
            lets_through: |deed| !deed.has_port(port::<S>(0)),
        },
        Filter {
            name: "comm",
            args: |s| vec![format!("--comm=another-thread,{}", name_of(s.pid(case::<S>(0))))],
            lets_through: |deed| is_of::<S>(deed, &[0, -2]),
        },
        Filter {
            name: "cgroup",
            args: |s| cgroup_of(&[0, 1].map(|place| s.pid(case::<S>(place)))),
            lets_through: |deed| cgroup::mount().is_none() || is_of::<S>(deed, &[0, 1]),
        },
        Filter {
            name: "netns",
            args: |s| netns_of(s.pid(case::<S>(0))),
            lets_through: |deed| !machine::has_btf() || !is_of::<S>(deed, &[-1]),
        },
    ]
}

/// The options to filter by a network namespace, which takes BTF.
pub fn netns_of(pid: u32) -> Vec<String> {
    if machine::has_btf() { vec![format!("--netns=/proc/{pid}/ns/net")] } else { vec![] }
}

/// All filters at once, but those by address: by everything that the processes of `wanted` have. Each of the other
/// cases is left out by one of them alone.
pub struct AllFilters<'a> {
    pub wanted: &'a [&'a str],
    /// Wanted, but for its user, its name, its cgroup, its network namespace.
    pub other_user: &'a str,
    pub other_name: &'a str,
    pub other_cgroup: &'a str,
    pub other_netns: &'a str,
    pub ports: String,
    pub not_ports: String,
}

impl AllFilters<'_> {
    pub fn args<D: Deed>(&self, scenario: &Scenario<D>) -> Vec<String> {
        let others = [self.other_user, self.other_name, self.other_cgroup, self.other_netns];
        let but = |left_out: Option<usize>| {
            let others = others.iter().enumerate().filter(|(at, _)| Some(*at) != left_out).map(|(_, case)| *case);
            self.wanted.iter().copied().chain(others).map(|case| scenario.pid(case)).collect::<Vec<_>>()
        };
        let joined = |words: Vec<String>| words.join(",");
        let pids = joined(but(None).iter().map(u32::to_string).collect());
        let names = joined(but(Some(1)).into_iter().map(name_of).collect());
        let options =
            ["-4", "-u", "0", "-p", &pids, "-P", &self.ports, "--not-port", &self.not_ports, "--comm", &names];
        let mut args = options.map(str::to_owned).to_vec();
        args.extend(cgroup_of(&but(Some(2))));
        args.extend(netns_of(scenario.pid(self.wanted[0])));
        args
    }
}

/// The options to filter by a cgroup that then has these processes.
pub fn cgroup_of(pids: &[u32]) -> Vec<String> {
    cgroup::with(pids).into_iter().map(|cgroup| format!("--cgroup={}", cgroup.display())).collect()
}

/// The name of a process's first thread.
pub fn name_of(pid: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).expect("a process that is there");
    name.trim_end().to_owned()
}

/// Nets in which nobody is: as many as it takes for the kernel to search.
fn other_nets() -> String {
    let v4 = (0..1000).map(|number| format!("10.{}.{}.0/24", number / 250, number % 250));
    let v6 = (0..1000).map(|number| format!("3fff:0:{number:x}::/48"));
    v4.chain(v6).collect::<Vec<_>>().join(",")
}

/// A trial for each mode: some make rows in other places, and look at the filter there. It has to name processes, so
/// that what is counted is about them alone.
pub fn trials_in<S: Subject>(
    modes: Vec<&'static Mode>,
    backend: Backend,
    cases: &'static [&'static str],
    filter: fn() -> Filter<S>,
) -> Vec<Trial> {
    let filtered = |mode: &'static Mode| Filtered {
        name: format!("{}/{}/filters/{}-{}", S::TOOL, backend.name(), filter().name, mode.name),
        backend,
        mode,
        cases,
        filter: filter(),
        alone: true,
    };
    side_by_side(modes.into_iter().map(filtered).collect())
}

struct Filtered<S: Subject> {
    name: String,
    backend: Backend,
    mode: &'static Mode,
    cases: &'static [&'static str],
    filter: Filter<S>,
    /// Nothing that other processes do passes the filter.
    alone: bool,
}

/// Runs that differ in their options alone, over one play of the same cases.
struct Together<S: Subject> {
    filtered: Vec<Filtered<S>>,
    runs: OnceLock<Runs<S::Deed>>,
}

fn side_by_side<S: Subject>(filtered: Vec<Filtered<S>>) -> Vec<Trial> {
    let together = Arc::new(Together { filtered, runs: OnceLock::new() });
    let trial = |(number, filtered): (usize, &Filtered<S>)| {
        let together = Arc::clone(&together);
        let test = move || together.test(number).map_err(|error| format!("{error:#}").into());
        Trial::ignorable_test(filtered.name.clone(), test)
    };
    together.filtered.iter().enumerate().map(trial).collect()
}

impl<S: Subject> Together<S> {
    fn test(&self, number: usize) -> Result<Completion> {
        let filtered = &self.filtered[number];
        let told = |error: &anyhow::Error| anyhow!("{error:#}");
        let runs = self.runs.get_or_init(|| play(&self.filtered.iter().collect::<Vec<_>>()));
        let mut run = &runs.as_ref().map_err(told)?[number];
        let mut again;
        let mut played = 1;
        loop {
            let of = run.as_ref().map_err(told)?;
            let verdict = filtered.judge(of);
            match repeat::reason::<S>(Setup::here(filtered.backend, &of.backend_line), of) {
                Some(told) if verdict.is_err() && played < repeat::RUNS => repeat::tell(&filtered.name, told),
                _ => return verdict,
            }
            again = play(&[filtered])?.pop().expect("one run");
            run = &again;
            played += 1;
        }
    }
}

fn play<S: Subject>(filtered: &[&Filtered<S>]) -> Runs<S::Deed> {
    let runs = run::play_together(filtered[0].cases, |scenario| {
        let args = |filtered: &&Filtered<S>| {
            let mut args = vec![S::TOOL.to_owned(), "--backend".to_owned(), filtered.backend.name().to_owned()];
            args.extend(filtered.mode.args.iter().map(|&arg| arg.to_owned()));
            args.extend((filtered.filter.args)(scenario));
            (filtered.mode.format, args)
        };
        filtered.iter().map(args).collect()
    });
    cgroup::remove();
    runs
}

impl<S: Subject> Filtered<S> {
    fn judge(&self, run: &Run<S::Deed>) -> Result<Completion> {
        let lets_through = |deed: &&S::Deed| (self.filter.lets_through)(deed);
        let deeds = played(self.cases, run)?.iter().filter(lets_through).collect::<Vec<_>>();
        if deeds.is_empty() {
            return Ok(Completion::ignored_with("skipped: what it lets through cannot be played here"));
        }
        if deeds.len() == run.deeds.len() {
            return Ok(Completion::ignored_with("skipped: what it keeps back cannot be played here"));
        }
        let pids =
            run.pids.iter().map(|&(_, pid)| pid).chain(run.deeds.iter().map(|deed| deed.by().pid)).collect::<Vec<_>>();
        let rows = run.rows.iter().filter(|row| row.pid().is_some_and(|pid| pids.contains(&pid))).collect::<Vec<_>>();
        let setup = Setup::here(self.backend, &run.backend_line);
        let mut wrong = judge::case::<S>(setup, self.mode, &deeds, &rows);
        wrong.extend(run.strays::<S>().map(|row| format!("of nothing that was done: {}", row.line)));
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        let made = deeds.iter().filter(|deed| deed.is_pending()).count() as u64;
        totals::add_up::<S>(setup, self.mode, run, made, self.alone)?;
        Ok(Completion::Completed)
    }
}

/// The deeds, if the scenario played the cases that this machine can play.
fn played<'a, D>(cases: &[&str], run: &'a Run<D>) -> Result<&'a [D]> {
    for case in cases {
        let (_, verdict) = run.verdicts.iter().find(|(name, _)| name == case).with_context(|| (*case).to_owned())?;
        if let Verdict::Failed(why) = verdict {
            bail!("the scenario: {case}: {why}");
        }
    }
    Ok(&run.deeds)
}
