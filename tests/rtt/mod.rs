//! What tcprtt counts, held to what the kernel says of the tests' own sockets (TCP_INFO).

mod cases;
mod pair;
mod table;

use libtest_mimic::Trial;

use super::common::allowed::allowed;
use super::common::backend::Backend;
use super::common::harness::Counting;

pub struct TcpRtt;

impl Counting for TcpRtt {
    const TOOL: &'static str = "tcprtt";

    fn ask_for_differences() {
        allowed(Self::TOOL, table::SKIPPED);
    }

    fn trials(backend: Backend) -> Vec<Trial> {
        cases::ALL
            .iter()
            .map(|&(name, case)| {
                let play = move || case(backend).map_err(|error| format!("{error:#}").into());
                Trial::test(format!("{}/{}/{name}", Self::TOOL, backend.name()), play)
            })
            .collect()
    }
}
