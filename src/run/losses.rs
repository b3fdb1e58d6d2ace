//! Rows that are missing, and rows that may be: how many there are, and what stderr says of them and of what helps.

use crate::backends::Form;
use crate::kernel::types;
use crate::output::Value;

const MAX_FOLLOWED: u32 = types::who_limits::MAX_FOLLOWED.0;

/// Rows that were not shown, by cause.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Losses {
    /// The ring buffer was full.
    pub ring: u64,
    /// A map was full.
    pub map: u64,
    /// Rows of which only one half was seen: a call without its return, say.
    pub half: u64,
    /// Runs of programs that the kernel skipped: so many rows may be missing besides.
    pub skipped: u64,
    /// Events that found no room in a map to wait for what decides on their row: so many rows may be missing besides.
    pub untold: u64,
    /// Rows that are there, but say less, as a map had no room for what was known.
    pub incomplete: u64,
    /// Processes that `-f` found no room for: none of their rows is shown.
    pub unfollowed: u64,
    /// How often the kernel skipped the program that sees processes start.
    pub unseen: u64,
}

impl Losses {
    /// Rows that are known to be missing.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.ring + self.map + self.half
    }

    /// As an object of JSON has them.
    #[must_use]
    pub fn pairs(&self) -> [(&'static str, Value<'static>); 7] {
        [
            ("lost", self.lost()),
            ("lost_ring", self.ring),
            ("lost_map", self.map),
            ("lost_half", self.half),
            ("skipped", self.skipped + self.untold),
            ("incomplete", self.incomplete),
            ("unfollowed", self.unfollowed + self.unseen),
        ]
        .map(|(key, count)| (key, Value::Number(count)))
    }
}

/// Lines without the tool's name; none if nothing was lost or skipped. `when`: "so far" or "in all".
#[must_use]
pub fn lines(losses: &Losses, when: &str, form: Form, map_remedy: &str) -> Vec<String> {
    let &Losses { ring, map, half, skipped, untold, incomplete, unfollowed, unseen } = losses;
    let mut lines = Vec::new();
    if losses.lost() > 0 {
        let remedies =
            [(ring, "a larger --buffer-size or a narrower filter"), (map, map_remedy), (half, against_halves(form))];
        let remedies: Vec<_> = remedies.iter().filter(|&&(count, _)| count > 0).map(|&(_, remedy)| remedy).collect();
        lines.push(format!(
            "{} rows lost {when} (ring buffer full: {ring}, map full: {map}, half seen: {half}); what helps: {}",
            losses.lost(),
            remedies.join(", ")
        ));
    }
    if skipped > 0 {
        lines.push(format!(
            "up to {skipped} more rows may be missing {when}: so often the kernel skipped a program; what helps: {}",
            against_skips(form)
        ));
    }
    if untold > 0 {
        lines.push(format!(
            "up to {untold} more rows may be missing {when}: so often a map had no room to wait for an outcome; \
             what helps: {map_remedy}"
        ));
    }
    if incomplete > 0 {
        lines.push(format!(
            "{incomplete} rows say less than could be known {when}: a map was full; what helps: {map_remedy}"
        ));
    }
    if unfollowed > 0 {
        lines.push(format!(
            "{unfollowed} processes, with what they start, are not shown {when}: -f had {MAX_FOLLOWED} already; \
             what helps: --cgroup in place of -p"
        ));
    }
    if unseen > 0 {
        lines.push(format!(
            "up to {unseen} processes, with what they start, are not shown {when}: so often the kernel skipped the \
             program that sees them start; what helps: --cgroup in place of -p"
        ));
    }
    lines
}

fn against_halves(form: Form) -> &'static str {
    match form {
        Form::Classic => "a kernel with BTF",
        Form::Trampoline | Form::Kprobe | Form::Typed => "another --backend",
    }
}

fn against_skips(form: Form) -> &'static str {
    match form {
        Form::Classic => "a kernel with BTF, whose programs are skipped less often",
        Form::Trampoline | Form::Kprobe | Form::Typed => "another --backend, or less work on the CPUs that connect",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(losses: Losses, form: Form) -> String {
        lines(&losses, "in all", form, "a larger --max-in-flight").join("\n")
    }

    #[test]
    fn nothing_lost_says_nothing() {
        assert_eq!(said(Losses::default(), Form::Trampoline), "");
    }

    #[test]
    fn each_remedy_fits_its_cause() {
        let ring = said(Losses { ring: 1, ..Losses::default() }, Form::Trampoline);
        assert!(ring.contains("--buffer-size") && !ring.contains("--max-in-flight"), "{ring}");
        let map = said(Losses { map: 1, ..Losses::default() }, Form::Trampoline);
        assert!(map.contains("--max-in-flight") && !map.contains("--buffer-size"), "{map}");
        let half = said(Losses { half: 1, ..Losses::default() }, Form::Kprobe);
        assert!(half.contains("another --backend") && !half.contains("--buffer-size"), "{half}");
    }

    #[test]
    fn what_was_skipped_is_not_lost() {
        let skipped = said(Losses { skipped: 270, ..Losses::default() }, Form::Kprobe);
        assert!(skipped.starts_with("up to 270 more rows may be missing in all"), "{skipped}");
        assert!(!skipped.contains("lost"), "{skipped}");
    }

    #[test]
    fn processes_that_are_not_followed_are_no_rows() {
        let unfollowed = said(Losses { unfollowed: 7, ..Losses::default() }, Form::Typed);
        assert!(unfollowed.starts_with("7 processes, ") && unfollowed.contains("65536"), "{unfollowed}");
        let unseen = said(Losses { unseen: 2, ..Losses::default() }, Form::Typed);
        assert!(unseen.starts_with("up to 2 processes, ") && unseen.contains("--cgroup"), "{unseen}");
    }

    #[test]
    fn what_had_no_room_and_might_not_have_been_shown_is_not_lost() {
        let untold = said(Losses { untold: 60, ..Losses::default() }, Form::Trampoline);
        assert!(untold.starts_with("up to 60 more rows may be missing in all"), "{untold}");
        assert!(untold.ends_with("a larger --max-in-flight") && !untold.contains("lost"), "{untold}");
    }
}
