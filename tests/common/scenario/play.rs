//! Plays cases, each by a process of its own, and in the right order.

use std::env;
use std::io::Read;
use std::io::stdin;
use std::process::ExitCode;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;

use super::actor::Skip;
use super::actor::tell;
use super::case::Case;
use super::case::Turn;
use super::network;
use super::ports;
use super::process::Gate;
use super::process::Player;
use crate::common::message::Message;
use crate::common::message::Verdict;

/// Names the tool whose cases are played; its presence makes this binary the scenario.
pub const TOOL: &str = "BPFTOOLS_TEST_TOOL";

/// Names the cases to play, separated by commas.
pub const VARIABLE: &str = "BPFTOOLS_TEST_SCENARIO";

/// Plays the scenario. `cases` are the tool's, `loads` those that `every_case` does not play.
pub fn main(cases: &'static [Case], loads: &'static [Case]) -> ExitCode {
    let names = env::var(VARIABLE).expect("the names of cases");
    let named = |name| cases.iter().chain(loads).find(|case| case.name == name).expect("a case of that name");
    let chosen = names.split(',').map(|name| (named(name), ports::first(cases, loads, name)));
    match play(&chosen.collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("scenario: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn play(cases: &[(&'static Case, u16)]) -> Result<()> {
    network::enter_new()?;
    // Nothing but this process holds the other end of `end`: the players see it close.
    let end = Gate::new()?;
    let players =
        cases.iter().map(|&(case, first_port)| Player::prepare(case, first_port, &end)).collect::<Result<Vec<_>>>()?;
    let pids = players.iter().map(|p| (p.case.name.to_owned(), p.pid.as_raw() as u32));
    tell(&Message::<()>::Prepared(pids.collect()))?;

    let mut byte = [0];
    ensure!(stdin().read(&mut byte).context("waiting for the start")? == 1, "no start");
    let mut waiting = players;
    let mut of = |turn| waiting.extract_if(.., |player| player.case.turn == turn).collect::<Vec<_>>();
    let (held, last, alone) = (of(Turn::UntilTheEnd), of(Turn::Last), of(Turn::Alone));
    let meanwhile = waiting;
    held.iter().chain(&meanwhile).try_for_each(Player::start)?;
    alone.into_iter().try_for_each(play_out)?;
    held.iter().try_for_each(Player::wait_until_held)?;
    meanwhile.into_iter().try_for_each(conclude)?;
    last.into_iter().try_for_each(play_out)?;

    tell(&Message::<()>::Played)?;
    stdin().read_to_end(&mut Vec::new()).context("waiting for the end")?;
    end.open();
    held.into_iter().try_for_each(conclude)
}

fn play_out(player: Player) -> Result<()> {
    player.start()?;
    conclude(player)
}

fn conclude(player: Player) -> Result<()> {
    let case = player.case.name.to_owned();
    match player.finish()? {
        // It has told its verdict itself.
        None => Ok(()),
        Some(why) => tell(&Message::<()>::Verdict { case, verdict: Verdict::Failed(why) }),
    }
}

/// What a case's own result means.
pub fn verdict(result: Result<()>) -> Verdict {
    match result {
        Ok(()) => Verdict::Done,
        Err(error) => match error.downcast_ref::<Skip>() {
            Some(Skip(why)) => Verdict::Skipped(why.clone()),
            None => Verdict::Failed(format!("{error:#}")),
        },
    }
}
