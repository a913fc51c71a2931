//! The memory guard's thresholds: at the first, new sessions are refused; at the second, clients that hold most are closed.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::config::Limits;
use crate::memory::Memory;

/// Percent of the limit by which the use must fall below a threshold before it counts as left.
const HYSTERESIS: u32 = 5;

/// What all shards know of the memory in use.
#[derive(Debug)]
pub(crate) struct MemoryGuard {
    memory: Option<Memory>,
    refuse: Threshold,
    shed: Threshold,
}

/// A threshold of memory use, with hysteresis: it is entered at one use and left below a lower one.
#[derive(Debug)]
struct Threshold {
    from: usize,
    below: usize,
    exceeded: AtomicBool,
}

impl Threshold {
    /// A threshold at `percent` of `limit`; with `None`, one that is never exceeded.
    fn new(limit: usize, percent: Option<u32>) -> Self {
        let part = |percent: u32| limit / 100 * percent as usize;
        let (from, below) = percent.map_or((usize::MAX, 0), |at| (part(at), part(at.saturating_sub(HYSTERESIS))));
        Self { from, below, exceeded: AtomicBool::new(false) }
    }

    fn is_exceeded(&self) -> bool {
        self.exceeded.load(Ordering::Relaxed)
    }

    /// Notes whether the use exceeds it. Returns a change to only one of the callers that see it.
    fn heed(&self, used: usize) -> Option<bool> {
        let before = self.is_exceeded();
        let now = if before { used >= self.below } else { used >= self.from };
        (now != before && self.exceeded.swap(now, Ordering::Relaxed) == before).then_some(now)
    }
}

impl MemoryGuard {
    pub(super) fn new(memory: Option<Memory>, limits: &Limits) -> Self {
        let limit = memory.as_ref().map_or(usize::MAX, |memory| memory.limit);
        let threshold = |percent| Threshold::new(limit, percent);
        Self { memory, refuse: threshold(limits.memory_refuse), shed: threshold(limits.memory_shed) }
    }

    /// Whether no session may begin.
    pub(in crate::shard) fn refuses(&self) -> bool {
        self.refuse.is_exceeded()
    }

    /// Whether no session may begin, by a fresh look. For threads other than shards: idle shards do not look.
    pub(crate) fn is_short(&self) -> bool {
        self.look();
        self.refuses()
    }

    /// Bytes in use, if that is known.
    pub(crate) fn in_use(&self) -> Option<usize> {
        self.memory.as_ref()?.in_use(0)
    }

    /// Looks at the memory in use. Returns how many bytes must be freed.
    pub(in crate::shard) fn look(&self) -> usize {
        let Some(memory) = &self.memory else { return 0 };
        let Some(used) = memory.in_use(self.refuse.below.min(self.shed.below)) else { return 0 };
        let tell = |threshold: &Threshold, begins: &str, ends: &str| {
            let share = format!("{} of {} MiB of memory in use", used >> 20, memory.limit >> 20);
            match threshold.heed(used) {
                Some(true) => log::warn!("{share}: {begins}"),
                Some(false) => log::info!("{share}: {ends}"),
                None => {}
            }
        };
        tell(&self.refuse, "no session begins", "sessions may begin again");
        tell(&self.shed, "the clients that hold most are closed", "nobody is closed any more");
        if self.shed.is_exceeded() { (used - self.shed.below).max(1) } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_exceeded_and_left_once_and_not_at_the_same_use() {
        let threshold = Threshold::new(1000, Some(85));
        let heeded = [0, 849, 850, 999, 849, 800, 799, 849, 850].map(|used| threshold.heed(used));
        let (on, off) = (Some(true), Some(false));
        assert_eq!(heeded, [None, None, on, None, None, None, off, None, on]);
    }

    #[test]
    fn a_threshold_that_is_off_is_never_exceeded() {
        let threshold = Threshold::new(1000, None);
        assert_eq!([0, 1000, usize::MAX - 1].map(|used| threshold.heed(used)), [None; 3]);
    }
}
