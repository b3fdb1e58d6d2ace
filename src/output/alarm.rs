//! A timer that interrupts a system call which blocks.

use std::time::Duration;

use nix::sys::signal::SaFlags;
use nix::sys::signal::SigAction;
use nix::sys::signal::SigEvent;
use nix::sys::signal::SigHandler;
use nix::sys::signal::SigSet;
use nix::sys::signal::SigevNotify;
use nix::sys::signal::Signal;
use nix::sys::signal::sigaction;
use nix::sys::time::TimeSpec;
use nix::sys::timer::Expiration;
use nix::sys::timer::Timer;
use nix::sys::timer::TimerSetTimeFlags;
use nix::time::ClockId;

/// How long a call may block.
const LONGEST: Duration = Duration::from_millis(50);

/// Sends this process SIGALRM, which does nothing but end a call that blocks.
pub struct Alarm(Timer);

// SAFETY: a timer belongs to the process; any of its threads may set it.
unsafe impl Send for Alarm {}

extern "C" fn interrupt(_signal: i32) {}

impl Alarm {
    /// # Errors
    /// The system has no timer left.
    pub fn new() -> nix::Result<Self> {
        // Without SA_RESTART.
        let action = SigAction::new(SigHandler::Handler(interrupt), SaFlags::empty(), SigSet::empty());
        // SAFETY: the handler does nothing.
        unsafe { sigaction(Signal::SIGALRM, &action) }?;
        let notify = SigevNotify::SigevSignal { signal: Signal::SIGALRM, si_value: 0 };
        Ok(Self(Timer::new(ClockId::CLOCK_MONOTONIC, SigEvent::new(notify))?))
    }

    /// Makes a call that is interrupted (EINTR, or with part of its work done) once it has taken
    /// [`LONGEST`], and again and again, should the first signal come before the call.
    pub fn during<T>(&mut self, call: impl FnOnce() -> nix::Result<T>) -> nix::Result<T> {
        self.set(LONGEST)?;
        let result = call();
        self.set(Duration::ZERO)?;
        result
    }

    /// Zero stops it.
    fn set(&mut self, interval: Duration) -> nix::Result<()> {
        self.0.set(Expiration::Interval(TimeSpec::from_duration(interval)), TimerSetTimeFlags::empty())
    }
}
