//! What a run needs of its BPF object, as data.

use super::Form;
use super::Section;
use crate::kernel::event;
use crate::kernel::event::Plain;
use crate::privileges::Call;
use crate::privileges::READ_MAPS;

/// What a run needs in one form. Names that the object does not have are a fault of bpftools, which a test finds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    programs: Vec<(Section<'static>, bool)>,
    constants: Vec<(&'static str, Vec<u8>)>,
    sizes: Vec<(&'static str, u32)>,
    maps: Vec<&'static str>,
    calls: Vec<Call>,
}

impl Needs {
    /// Whether the program of this section is loaded. Of the programs that are not named, those are loaded that make the form.
    #[must_use]
    pub fn program(mut self, section: Section<'static>, is_loaded: bool) -> Self {
        self.programs.push((section, is_loaded));
        self
    }

    /// A section of constants, `.rodata.NAME`, as its C struct.
    #[must_use]
    pub fn constants(mut self, section: &'static str, value: &impl Plain) -> Self {
        self.constants.push((section, event::bytes(value).to_vec()));
        self
    }

    /// How many entries a map has; of a ring buffer: bytes.
    #[must_use]
    pub fn size(mut self, map: &'static str, entries: u32) -> Self {
        self.sizes.push((map, entries));
        self
    }

    /// Maps whose entries are read after privileges have been given up.
    #[must_use]
    pub fn reads(mut self, maps: &[&'static str]) -> Self {
        self.maps.extend_from_slice(maps);
        self.calls(READ_MAPS)
    }

    /// What else is asked of the kernel then. All other system calls fail, on every kernel.
    #[must_use]
    pub fn calls(mut self, calls: &[Call]) -> Self {
        self.calls.extend_from_slice(calls);
        self
    }

    /// Whether a run in this form loads the program of this section.
    #[must_use]
    pub fn loads(&self, form: Form, section: Section<'_>) -> bool {
        let named = self.programs.iter().find(|(named, _)| *named == section);
        form.takes(section) && named.map_or(form.is_made_of(section), |&(_, is_loaded)| is_loaded)
    }

    /// All programs that are named.
    pub fn named(&self) -> impl Iterator<Item = Section<'static>> {
        self.programs.iter().map(|&(section, _)| section)
    }

    /// The bytes of each section of constants.
    pub fn sections(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        self.constants.iter().map(|(section, bytes)| (*section, &bytes[..]))
    }

    /// The maps that have another size than their declaration says.
    pub fn sizes(&self) -> impl Iterator<Item = (&'static str, u32)> {
        self.sizes.iter().copied()
    }

    /// The maps that are read.
    pub fn maps(&self) -> impl Iterator<Item = &'static str> {
        self.maps.iter().copied()
    }

    /// What is asked of the kernel after privileges have been given up.
    #[must_use]
    pub fn asked(&self) -> &[Call] {
        &self.calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_form_is_made_of_is_loaded_unless_the_tool_says_otherwise() {
        let (state, exit) = (Section::TpBtf("inet_sock_set_state"), Section::Fexit("tcp_v4_connect"));
        let needs = Needs::default();
        assert!(needs.loads(Form::Typed, state) && needs.loads(Form::Trampoline, exit));
        assert!(!needs.loads(Form::Trampoline, state));
        let needs = needs.program(state, true).program(exit, false);
        assert!(needs.loads(Form::Trampoline, state) && !needs.loads(Form::Trampoline, exit));
        assert!(!needs.loads(Form::Classic, state));
    }
}
