//! The memory guard: while little memory is left, no session begins; while next to none is, clients go that hold much of
//! it.
//!
//! It looks when a turn of the loop ends and a quarter of a second has passed, or a mebibyte more has been taken for clients,
//! and when somebody wants a session: a process without clients never does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::config::Limits;
use crate::memory::Memory;
use crate::metrics::Limit;
use crate::shard::event_loop::core::Core;
use crate::shard::store::keys::TimerKey;

/// Least time between two looks of a shard.
const LOOK: Duration = Duration::from_millis(250);

/// Bytes taken for clients after which it is looked in any case.
const MUCH: usize = 1024 * 1024;

/// Least time between two times that memory is given back so that a session may begin.
const TRIM_PAUSE: Duration = Duration::from_secs(1);

/// Percent of the limit by which the use must fall again before a step is taken back.
const HYSTERESIS: u32 = 5;

/// What a client is reckoned to hold beside what waits for it, in the kernel for the most part.
const CLIENT: usize = 6 * 1024;

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
    pub(crate) fn new(memory: Option<Memory>, limits: &Limits) -> Self {
        let limit = memory.as_ref().map_or(usize::MAX, |memory| memory.limit);
        let step = |percent| Step::new(limit, percent);
        Self { memory, refuse: step(limits.memory_refuse), shed: step(limits.memory_shed) }
    }

    /// Whether no session may begin.
    pub(crate) fn refuses(&self) -> bool {
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
    fn look(&self) -> usize {
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

impl Core {
    /// Looks at the memory in use if it is time, or if much has been taken since, and lets clients go if it must be.
    pub(crate) fn check_memory(&mut self) {
        let taken = self.ledger.sum() + self.queued() + self.kept;
        self.memory_mark = self.memory_mark.min(taken.saturating_add(MUCH));
        if self.now < self.memory_look && taken < self.memory_mark {
            return;
        }
        self.memory_look = self.now + LOOK;
        self.memory_mark = taken.saturating_add(MUCH);
        let excess = self.shared.memory.look();
        if excess > 0 {
            self.shed(excess.div_ceil(self.shared.mailboxes.len().max(1)));
        }
    }

    /// Whether no session may begin for want of memory, even when what those that have gone left behind is given back.
    pub(crate) fn lacks_memory(&mut self) -> bool {
        self.check_memory();
        if self.shared.memory.refuses() && self.trimmed + TRIM_PAUSE <= self.now {
            self.trim();
            self.shared.memory.look();
        }
        self.shared.memory.refuses()
    }

    /// Gives memory that is free back to the system.
    pub(crate) fn trim(&mut self) {
        self.trimmed = self.now;
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        // SAFETY: `malloc_trim` has no precondition. Without it the C library keeps what a wave of clients left behind
        // between pages still in use: 19,000 clients gone leave some 9 MB of resident memory.
        unsafe {
            libc::malloc_trim(0);
        }
    }

    /// Closes clients until so many bytes are free: those with the longest queues first, then those that have most half sent,
    /// then those whose sessions keep most. Who holds little is never closed.
    fn shed(&mut self, excess: usize) {
        let mut freed = 0;
        for queue in self.longest_queues() {
            if freed >= excess {
                break;
            }
            freed += queue.own + CLIENT;
            self.cut_queue(queue.of, Limit::MemoryShed);
        }
        freed += self.cut_unfinished(excess.saturating_sub(freed), Limit::MemoryShed);
        freed += self.close_those_that_keep_most(excess.saturating_sub(freed), Limit::MemoryShed);
        if freed > 0 {
            self.timers.arm(self.now + LOOK / 2, TimerKey::Trim);
        }
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
