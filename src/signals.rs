//! SIGINT and SIGTERM as something to wait for beside the ring buffer.

use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;

use nix::sys::signal::SigHandler;
use nix::sys::signal::SigSet;
use nix::sys::signal::Signal;
use nix::sys::signal::signal;
use nix::sys::signalfd::SfdFlags;
use nix::sys::signalfd::SignalFd;

/// The signals that end a run, held back until [`Signals::first_taken`].
pub struct Signals {
    mask: SigSet,
    fd: SignalFd,
}

impl Signals {
    /// Holds SIGINT and SIGTERM back; they make the descriptor readable instead.
    ///
    /// # Errors
    /// The system has no descriptor left.
    pub fn hold() -> nix::Result<Self> {
        let mut mask = SigSet::empty();
        for name in [Signal::SIGINT, Signal::SIGTERM] {
            mask.add(name);
            // A shell starts its background jobs with SIGINT ignored, and an ignored signal never
            // becomes readable.
            // SAFETY: the default action runs no code of ours.
            unsafe { signal(name, SigHandler::SigDfl) }?;
        }
        mask.thread_block()?;
        let fd = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        Ok(Self { mask, fd })
    }

    /// The first signal was seen: a second one shall end the process at once.
    ///
    /// # Errors
    /// The descriptor cannot be read.
    pub fn first_taken(&self) -> nix::Result<()> {
        while self.fd.read_signal()?.is_some() {}
        self.mask.thread_unblock()
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
