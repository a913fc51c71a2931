//! The time. In tests a thread may have a time of its own, which a simulation moves.

use std::time::{Duration, Instant};

/// The time now.
#[inline]
pub(crate) fn now() -> Instant {
    #[cfg(test)]
    if let Some(now) = simulated::now() {
        return now;
    }
    Instant::now()
}

/// The time since the Unix epoch, by the system's clock.
pub(crate) fn since_epoch() -> Duration {
    #[cfg(test)]
    if let Some(time) = simulated::since_epoch() {
        return time;
    }
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}

/// A thread's own time.
#[cfg(test)]
pub(crate) mod simulated {
    use std::cell::Cell;
    use std::time::{Duration, Instant};

    /// What the Unix time is when a simulation begins: each sees the same.
    const EPOCH: Duration = Duration::from_secs(1_800_000_000);

    thread_local! {
        /// The time now, and how much has passed in the simulation.
        static TIME: Cell<Option<(Instant, Duration)>> = const { Cell::new(None) };
        /// How much time a look at the clock takes.
        static LOOK: Cell<Duration> = const { Cell::new(Duration::ZERO) };
        /// How much of the time that has passed looks took.
        static LOOKED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    }

    /// From now on this thread's time stands still until it is [moved](advance), as long as the guard lives.
    pub(crate) fn stop() -> Stopped {
        TIME.set(Some((Instant::now(), Duration::ZERO)));
        Stopped
    }

    /// The thread's time goes its own way again when this is dropped.
    pub(crate) struct Stopped;

    impl Drop for Stopped {
        fn drop(&mut self) {
            TIME.set(None);
            LOOK.set(Duration::ZERO);
            LOOKED.set(Duration::ZERO);
        }
    }

    /// Moves this thread's time.
    pub(crate) fn advance(by: Duration) {
        if let Some((now, passed)) = TIME.get() {
            TIME.set(Some((now + by, passed + by)));
        }
    }

    /// Whether this thread has a time of its own.
    pub(crate) fn is_stopped() -> bool {
        TIME.get().is_some()
    }

    /// From now on each look at the clock takes so much of this thread's time, as if work was done between two looks.
    pub(crate) fn make_looks_take(time: Duration) {
        LOOK.set(time);
    }

    /// How much of this thread's time looks at the clock have taken.
    pub(crate) fn spent_looking() -> Duration {
        LOOKED.get()
    }

    pub(super) fn now() -> Option<Instant> {
        let look = LOOK.get();
        if !look.is_zero() {
            LOOKED.set(LOOKED.get() + look);
            advance(look);
        }
        TIME.get().map(|(now, _)| now)
    }

    pub(super) fn since_epoch() -> Option<Duration> {
        TIME.get().map(|(_, passed)| EPOCH + passed)
    }
}
