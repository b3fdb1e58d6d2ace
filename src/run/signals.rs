//! The signals that end a run, as something to wait for beside the ring buffer.

use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;

use nix::sys::signal::SaFlags;
use nix::sys::signal::SigAction;
use nix::sys::signal::SigHandler;
use nix::sys::signal::SigSet;
use nix::sys::signal::Signal;
use nix::sys::signal::sigaction;
use nix::sys::signal::signal;
use nix::sys::signalfd::SfdFlags;
use nix::sys::signalfd::SignalFd;

/// Signals held back until [`Signals::release`].
pub struct Signals {
    mask: SigSet,
    fd: SignalFd,
}

/// Makes SIGINT and SIGTERM end the process, until they are held. A shell starts its background jobs
/// with SIGINT ignored, and an ignored signal never becomes readable. Of SIGXFSZ the error is enough:
/// a file that has reached its limit is no reason to die. What the caller has blocked comes again: SIGALRM ends
/// writes that block.
///
/// # Errors
/// None that happens in practice: the signals exist.
pub fn reset() -> nix::Result<()> {
    let actions = [
        (Signal::SIGINT, SigHandler::SigDfl),
        (Signal::SIGTERM, SigHandler::SigDfl),
        (Signal::SIGXFSZ, SigHandler::SigIgn),
    ];
    for (name, action) in actions {
        // SAFETY: neither action runs code of ours.
        unsafe { signal(name, action) }?;
    }
    SigSet::empty().thread_set_mask()
}

impl Signals {
    /// Holds SIGINT, SIGTERM and, unless it is ignored, as nohup(1) does, SIGHUP; they make the descriptor
    /// readable instead.
    ///
    /// # Errors
    /// The system has no descriptor left.
    pub fn hold() -> nix::Result<Self> {
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGINT);
        mask.add(Signal::SIGTERM);
        if !is_ignored(Signal::SIGHUP)? {
            mask.add(Signal::SIGHUP);
        }
        mask.thread_block()?;
        let fd = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        Ok(Self { mask, fd })
    }

    /// The run ends: takes the signal that ended it, if one did. Another one ends the process at once.
    ///
    /// # Errors
    /// The descriptor cannot be read.
    pub fn release(&self) -> nix::Result<()> {
        self.fd.read_signal()?;
        self.mask.thread_unblock()
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn is_ignored(name: Signal) -> nix::Result<bool> {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: the default action runs no code of ours.
    let before = unsafe { sigaction(name, &default) }?;
    let ignored = matches!(before.handler(), SigHandler::SigIgn);
    if ignored {
        // SAFETY: it was there before.
        unsafe { sigaction(name, &before) }?;
    }
    Ok(ignored)
}
