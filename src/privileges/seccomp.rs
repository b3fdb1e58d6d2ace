//! The list of system calls that are left.

use std::collections::BTreeMap;

use anyhow::Context;
use nix::errno::Errno;
use nix::libc;
use seccompiler::BpfProgram;
use seccompiler::SeccompAction;
use seccompiler::SeccompCmpArgLen;
use seccompiler::SeccompCmpOp;
use seccompiler::SeccompCondition;
use seccompiler::SeccompFilter;
use seccompiler::SeccompRule;

use super::Kept;
use super::calls::Call;
use super::calls::EVERY_RUN;
use super::calls::Only;

/// From now on only `calls` and those of every run are made; others fail with EPERM. Calls by another
/// table, that of 32-bit processes, which this program does not make, kill it. Needs no privilege, but
/// no_new_privs.
///
/// # Errors
/// The list cannot be made, or the kernel refuses it.
pub fn allow_only(calls: &[Call]) -> anyhow::Result<Option<Kept>> {
    match seccompiler::apply_filter(&filter(calls)?) {
        Err(seccompiler::Error::Seccomp(error)) if error.raw_os_error() == Some(libc::ENOSYS) => {
            Ok(Some(Kept::new("all system calls", "this kernel has no seccomp filters")))
        }
        result => result.map(|()| None).context("the kernel refuses the list"),
    }
}

fn filter(calls: &[Call]) -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules = BTreeMap::<i64, Vec<SeccompRule>>::new();
    for call in EVERY_RUN.iter().chain(calls) {
        rules.entry(call.number).or_default().extend(call.only.map(rule).transpose()?);
    }
    for call in EVERY_RUN.iter().chain(calls).filter(|call| call.only.is_none()) {
        rules.insert(call.number, Vec::new()); // whatever the arguments
    }
    let deny = SeccompAction::Errno(Errno::EPERM as u32);
    SeccompFilter::new(rules, deny, SeccompAction::Allow, std::env::consts::ARCH.try_into()?)?.try_into()
}

fn rule(only: Only) -> Result<SeccompRule, seccompiler::BackendError> {
    let Only { argument, mask, value } = only;
    let is_right = SeccompCmpOp::MaskedEq(mask);
    SeccompRule::new(vec![SeccompCondition::new(argument, SeccompCmpArgLen::Qword, is_right, value)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Instructions of the list that `calls` make.
    fn len(calls: &[Call]) -> usize {
        filter(calls).unwrap().len()
    }

    #[test]
    fn the_widest_of_what_several_ask_for_is_allowed() {
        let (any, only) = (Call::any(libc::SYS_bpf), Call::bpf(1));
        assert_eq!(len(&[any, only]), len(&[any]));
        assert_eq!(len(&[only, any]), len(&[any]));
        assert!(len(&[only, Call::bpf(2)]) > len(&[only]));
    }
}
