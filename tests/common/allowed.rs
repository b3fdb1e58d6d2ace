//! The table of differences in a tool's manual page: wherever rows may differ, a test names one of them.

use std::collections::BTreeSet;
use std::sync::Mutex;

use bpftools::tools::Entry;
use libtest_mimic::Trial;

/// The ids that [`allowed`] was asked for; a test program is about one tool.
static NAMED: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());

fn table(tool: &str) -> BTreeSet<&'static str> {
    let tool = Entry::find(tool).expect("it is registered");
    tool.manual.differences.iter().map(|difference| difference.id).collect()
}

/// Whether the manual page's table has this difference: it must.
pub fn allowed(tool: &str, id: &'static str) -> bool {
    assert!(table(tool).contains(id), "the manual page allows no difference {id}");
    NAMED.lock().unwrap().insert(id);
    true
}

/// The table has no difference that no test allows: `ask_for_all` asks for each.
pub fn trial(tool: &'static str, ask_for_all: fn()) -> Trial {
    Trial::test("differences", move || {
        NAMED.lock().unwrap().clear();
        ask_for_all();
        let named = NAMED.lock().unwrap();
        let idle = table(tool).difference(&named).copied().collect::<Vec<_>>();
        if idle.is_empty() { Ok(()) } else { Err(format!("no test allows {}", idle.join(", ")).into()) }
    })
}
