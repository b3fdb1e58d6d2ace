//! The table of differences in a tool's manual page: wherever rows may differ, a test names one of them.

use std::collections::BTreeSet;
use std::sync::Mutex;

use bpftools::tools::Entry;
use libtest_mimic::Trial;

/// The tools and ids that [`allowed`] was asked for.
static NAMED: Mutex<BTreeSet<(&str, &str)>> = Mutex::new(BTreeSet::new());

fn table(tool: &'static str) -> BTreeSet<(&'static str, &'static str)> {
    let entry = Entry::find(tool).expect("it is registered");
    entry.manual.differences.iter().map(|difference| (tool, difference.id)).collect()
}

/// Whether the manual page's table has this difference: it must.
pub fn allowed(tool: &'static str, id: &'static str) -> bool {
    let entry = Entry::find(tool).expect("it is registered");
    assert!(
        entry.manual.differences.iter().any(|known| known.id == id),
        "the manual page of {tool} allows no difference {id}"
    );
    NAMED.lock().unwrap().insert((tool, id));
    true
}

/// The table has no difference that no test allows.
pub fn trial(tool: &'static str, ask_for_differences: fn()) -> Trial {
    Trial::test(format!("{tool}/differences"), move || {
        NAMED.lock().unwrap().clear();
        ask_for_differences();
        let named = NAMED.lock().unwrap();
        let idle = table(tool).difference(&named).map(|&(_, id)| id).collect::<Vec<_>>();
        if idle.is_empty() { Ok(()) } else { Err(format!("no test allows {}", idle.join(", ")).into()) }
    })
}
