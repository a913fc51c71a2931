//! A peer's progress in taking its output.
//!
//! Progress is the bytes that the peer has acknowledged: the bytes that the socket took, less those that the kernel still
//! holds. The kernel is asked only now and then, and only about connections with waiting output.

use std::time::Duration;

use crate::engineio::Millis;

/// Bytes that a peer must acknowledge within its patience, unless less waits for it.
const LEAST: i64 = 4096;

/// Looks within a peer's patience.
const LOOKS: u32 = 4;

/// The progress of one peer, counted from where it stood when something began to wait for it.
#[derive(Debug)]
pub(in crate::shard) struct Progress {
    /// Bytes that the socket has taken since.
    written: i64,
    /// Bytes that the peer had acknowledged at the last look; negative while it had yet to acknowledge older ones.
    acknowledged: Option<i64>,
    /// Where it stood when it last made enough progress, and when that was.
    mark: i64,
    since: Millis,
    /// How far it must come from there to have made enough progress again.
    due: i64,
    /// When it was last seen to have made any progress.
    further: Millis,
    /// When the next look is due.
    look: Millis,
    /// Bytes acknowledged recently. Each look takes a quarter off what earlier looks saw.
    pace: i64,
}

impl Progress {
    /// Something begins to wait. The peer must make enough progress every `patience`.
    pub(super) fn new(now: Millis, patience: Duration) -> Self {
        let look = now + patience / LOOKS;
        Self { written: 0, acknowledged: None, mark: 0, since: now, due: LEAST, further: now, look, pace: 0 }
    }

    /// The socket took so many bytes.
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.written += i64::try_from(bytes).unwrap_or(i64::MAX);
    }

    /// When the next look is due.
    pub(super) const fn next_look(&self) -> Millis {
        self.look
    }

    /// Bytes that the peer has acknowledged in the last seconds.
    pub(in crate::shard) fn pace(&self) -> u64 {
        u64::try_from(self.pace).unwrap_or(0)
    }

    /// When the peer was last seen to have made any progress.
    pub(super) const fn further(&self) -> Millis {
        self.further
    }

    /// Looks at the peer's progress, with `unacknowledged` bytes in the kernel and `unsent` bytes behind them.
    pub(super) fn look(&mut self, now: Millis, patience: Duration, unacknowledged: usize, unsent: usize) {
        let waiting = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
        let acknowledged = self.written - waiting(unacknowledged);
        let before = self.acknowledged.replace(acknowledged);
        let further = before.map_or(0, |before| acknowledged - before);
        if before.is_none() || acknowledged - self.mark >= self.due {
            self.mark = acknowledged;
            self.since = now;
            self.due = LEAST.min(waiting(unacknowledged.saturating_add(unsent))).max(1);
        }
        self.pace = self.pace - self.pace / i64::from(LOOKS) + further;
        self.look = now + patience / LOOKS;
        if further > 0 {
            self.further = now;
        }
    }

    /// Whether the peer has not made enough progress within its patience.
    pub(super) fn is_stalled(&self, now: Millis, patience: Duration) -> bool {
        self.since + patience <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);
    const LOTS: usize = 1 << 20;

    /// Simulates a peer that takes `each_look` bytes between two looks while the kernel always holds 100 kB for it. Returns
    /// when it stalls, if it does within a minute.
    fn stalls(each_look: usize, unsent: usize) -> Option<u64> {
        let mut progress = Progress::new(Millis(0), PATIENCE);
        loop {
            let now = progress.next_look();
            progress.look(now, PATIENCE, 100_000, unsent);
            if progress.is_stalled(now, PATIENCE) {
                return Some(now.0);
            }
            if now.0 > 60_000 {
                return None;
            }
            progress.wrote(each_look);
        }
    }

    #[test]
    fn a_peer_that_takes_nothing_stalls_after_its_patience() {
        assert_eq!(stalls(0, LOTS), Some(12_500), "from the first look on");
    }

    #[test]
    fn a_peer_that_keeps_taking_a_little_does_not_stall() {
        assert_eq!(stalls(1024, LOTS), None);
        assert_eq!(stalls(1000, LOTS), Some(12_500));
    }

    #[test]
    fn a_peer_that_takes_everything_has_made_enough_progress() {
        let mut progress = Progress::new(Millis(0), PATIENCE);
        progress.look(Millis(2500), PATIENCE, 100, 0);
        assert_eq!(progress.further(), Millis(0));
        progress.wrote(10);
        progress.look(Millis(5000), PATIENCE, 10, 0);
        assert_eq!(progress.further(), Millis(5000));
        assert!(!progress.is_stalled(Millis(14_000), PATIENCE));
    }

    #[test]
    fn the_pace_is_that_of_the_last_seconds() {
        let mut progress = Progress::new(Millis(0), PATIENCE);
        for look in 1..20 {
            progress.look(Millis(2500 * look), PATIENCE, 0, 1);
            progress.wrote(1000);
        }
        assert!((3500..=4000).contains(&progress.pace()), "{}", progress.pace());
        for look in 20..40 {
            progress.look(Millis(2500 * look), PATIENCE, 0, 1);
        }
        assert!(progress.pace() < 50, "{}", progress.pace());
    }
}
