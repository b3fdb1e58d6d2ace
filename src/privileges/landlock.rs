//! The file system, and what else Landlock knows: since Linux 5.13, a little more with most releases.

use landlock::ABI;
use landlock::Access;
use landlock::AccessFs;
use landlock::AccessNet;
use landlock::Ruleset;
use landlock::RulesetAttr;
use landlock::RulesetError;
use landlock::RulesetStatus;
use landlock::Scope;

use super::Kept;

/// Denies this process every file, every TCP port, and signals and abstract sockets of others, as far as
/// the kernel knows these. What is open stays usable. Needs no privilege, but no_new_privs.
///
/// # Errors
/// The kernel has Landlock and refuses, which it does not in practice.
pub fn deny_files() -> Result<Option<Kept>, RulesetError> {
    let newest = ABI::V10; // what an older kernel does not know is left out
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(newest))?
        .handle_access(AccessNet::from_all(newest))?
        .scope(Scope::from_all(newest))?
        .create()?
        .restrict_self()?;
    let absent = status.ruleset == RulesetStatus::NotEnforced;
    Ok(absent.then(|| Kept::new("the files that its user may open", "this kernel has no Landlock")))
}
