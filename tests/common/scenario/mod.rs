//! The scenario program: this test binary, started again. It plays cases, each in a process of its
//! own, inside a network namespace of its own, and tells every attempt that it made.
//!
//! All processes are there before tracing starts (so that `-p` can name them) and wait for their
//! turn; the harness writes one byte to start them, and ends standard input to let go of what is
//! to stay pending.

mod actor;
mod answers;
mod at_once;
mod bpf;
mod cases;
mod clock;
mod compat;
mod contended;
mod doors;
mod icmp;
mod identity;
mod loads;
mod mptcp;
mod netlink;
mod network;
mod process;
mod socket;
mod sockets_table;
mod unfinished;
mod wait;

use std::env;
use std::io::Read;
use std::io::stdin;
use std::process::ExitCode;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;

use self::actor::Skip;
use self::actor::tell;
pub use self::cases::CASES;
pub use self::cases::CROWD;
use self::cases::Case;
pub use self::cases::FLOOD;
use self::cases::Turn;
pub use self::cases::ports;
pub use self::loads::CROWD_ATTEMPTS;
pub use self::loads::FLOOD_ATTEMPTS;
use self::process::Gate;
use self::process::Player;
use super::attempt::Message;
use super::attempt::Verdict;

/// Names the cases to play, separated by commas; its presence makes this binary the scenario.
pub const VARIABLE: &str = "BPFTOOLS_TEST_SCENARIO";

/// Plays the scenario if this process is to be it.
pub fn main() -> Option<ExitCode> {
    let names = env::var(VARIABLE).ok()?;
    let chosen = names.split(',').map(|name| cases::named(name).expect("a case of that name"));
    Some(match play(&chosen.collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("scenario: {error:#}");
            ExitCode::FAILURE
        }
    })
}

fn play(cases: &[&'static Case]) -> Result<()> {
    network::enter_new()?;
    // Nothing but this process holds the other end of `end`: the players see it close.
    let end = Gate::new()?;
    let players = cases.iter().map(|case| Player::prepare(case, &end)).collect::<Result<Vec<_>>>()?;
    let pids = players.iter().map(|p| (p.case.name.to_owned(), p.pid.as_raw() as u32));
    tell(&Message::Prepared(pids.collect()))?;

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

    tell(&Message::Played)?;
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
        Some(why) => tell(&Message::Verdict { case, verdict: Verdict::Failed(why) }),
    }
}

/// What a case's own result means.
fn verdict(result: Result<()>) -> Verdict {
    match result {
        Ok(()) => Verdict::Done,
        Err(error) => match error.downcast_ref::<Skip>() {
            Some(Skip(why)) => Verdict::Skipped(why.clone()),
            None => Verdict::Failed(format!("{error:#}")),
        },
    }
}
