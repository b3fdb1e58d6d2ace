//! What tcprtt counts, held to what the kernel says of the tests' own sockets (TCP_INFO).

mod cases;
mod pair;
mod table;

use libtest_mimic::Trial;

use super::common::backend::Backend;

/// All cases with one backend.
pub fn trials(backend: Backend) -> Vec<Trial> {
    cases::ALL
        .iter()
        .map(|&(name, case)| {
            let play = move || case(backend).map_err(|error| format!("{error:#}").into());
            Trial::test(format!("{}/{name}", backend.name()), play)
        })
        .collect()
}
