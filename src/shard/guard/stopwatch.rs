//! The stopwatch measures how long handlers hold the event loop up. It reads the kernel's coarse clock once a handler, which is
//! cheap and some milliseconds late.

use std::cell::Cell;
use std::time::Duration;

/// The coarse clock; where there is none, the precise one.
#[cfg(target_os = "linux")]
const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC_COARSE;
#[cfg(not(target_os = "linux"))]
const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC;

/// Measures a shard's handlers.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    /// When the last handler ended, or the turn began.
    mark: Cell<Duration>,
}

impl Stopwatch {
    pub(in crate::shard) fn new() -> Self {
        Self { mark: Cell::new(now()) }
    }

    /// A turn begins: the time before it was sleep.
    pub(in crate::shard) fn begin_turn(&self) {
        self.mark.set(now());
    }

    /// A handler has ended. Returns the time since the one before ended, or since the turn began.
    pub(crate) fn lap(&self) -> Duration {
        let now = now();
        now.saturating_sub(self.mark.replace(now))
    }
}

fn now() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes to a live `timespec`. The standard library has no coarse clock, and asking the precise one with
    // each handler costs twice as much; rustix's way to it ends the process under valgrind, which counts our instructions.
    unsafe {
        libc::clock_gettime(CLOCK, &raw mut time);
    }
    // The time since the machine started is never negative.
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}
