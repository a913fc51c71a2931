//! The memory in use: from some of it on no session begins, from more on the clients go that hold most.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::config::Limits;
use crate::memory::Memory;

/// Percent of the limit by which the use must fall again before a step is taken back.
const HYSTERESIS: u32 = 5;

/// What all shards know of the memory in use.
#[derive(Debug)]
pub(crate) struct MemoryGuard {
    memory: Option<Memory>,
    refuse: Step,
    shed: Step,
}

/// What is done from some use of memory on, until it has fallen below another.
#[derive(Debug)]
struct Step {
    from: usize,
    below: usize,
    taken: AtomicBool,
}

impl Step {
    /// A step at so many percent of `limit`; one that is never taken without.
    fn new(limit: usize, percent: Option<u32>) -> Self {
        let part = |percent: u32| limit / 100 * percent as usize;
        let (from, below) = percent.map_or((usize::MAX, 0), |at| (part(at), part(at.saturating_sub(HYSTERESIS))));
        Self { from, below, taken: AtomicBool::new(false) }
    }

    fn is_taken(&self) -> bool {
        self.taken.load(Ordering::Relaxed)
    }

    /// Takes the step or takes it back, as the use wants it. Says so to one of those who see it happen.
    fn heed(&self, used: usize) -> Option<bool> {
        let taken = self.is_taken();
        let wanted = if taken { used >= self.below } else { used >= self.from };
        (wanted != taken && self.taken.swap(wanted, Ordering::Relaxed) == taken).then_some(wanted)
    }
}

impl MemoryGuard {
    pub(super) fn new(memory: Option<Memory>, limits: &Limits) -> Self {
        let limit = memory.as_ref().map_or(usize::MAX, |memory| memory.limit);
        let step = |percent| Step::new(limit, percent);
        Self { memory, refuse: step(limits.memory_refuse), shed: step(limits.memory_shed) }
    }

    /// Whether no session may begin.
    pub(in crate::shard) fn refuses(&self) -> bool {
        self.refuse.is_taken()
    }

    /// Whether no session may begin, as of now. For threads that look on by themselves, as shards do not while nothing happens.
    pub(crate) fn is_short(&self) -> bool {
        self.look();
        self.refuses()
    }

    /// Bytes in use, if that is known.
    pub(crate) fn in_use(&self) -> Option<usize> {
        self.memory.as_ref()?.in_use(0)
    }

    /// Looks at what is in use. Says how many bytes of it must go.
    pub(in crate::shard) fn look(&self) -> usize {
        let Some(memory) = &self.memory else { return 0 };
        let Some(used) = memory.in_use(self.refuse.below.min(self.shed.below)) else { return 0 };
        let tell = |step: &Step, taken: &str, taken_back: &str| {
            let share = format!("{} of {} MiB of memory in use", used >> 20, memory.limit >> 20);
            match step.heed(used) {
                Some(true) => log::warn!("{share}: {taken}"),
                Some(false) => log::info!("{share}: {taken_back}"),
                None => {}
            }
        };
        tell(&self.refuse, "no session begins", "sessions may begin again");
        tell(&self.shed, "the clients that hold most are closed", "nobody is closed any more");
        if self.shed.is_taken() { (used - self.shed.below).max(1) } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_taken_and_taken_back_once_and_not_at_the_same_use() {
        let step = Step::new(1000, Some(85));
        let heeded = [0, 849, 850, 999, 849, 800, 799, 849, 850].map(|used| step.heed(used));
        let (on, off) = (Some(true), Some(false));
        assert_eq!(heeded, [None, None, on, None, None, None, off, None, on]);
    }

    #[test]
    fn a_step_that_is_off_is_never_taken() {
        let step = Step::new(1000, None);
        assert_eq!([0, 1000, usize::MAX - 1].map(|used| step.heed(used)), [None; 3]);
    }
}
