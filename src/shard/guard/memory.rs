//! The memory guard: while little memory is left, no session begins; while next to none is, clients go that hold much of
//! it.
//!
//! It looks when a turn of the loop ends and a quarter of a second has passed, or a mebibyte more has been taken for clients,
//! and when somebody wants a session: a process without clients never does.

use std::time::Duration;

use crate::metrics::Limit;
use crate::shard::guard::Guard;
use crate::shard::store::keys::TimerKey;

/// Least time between two looks of a shard.
const LOOK: Duration = Duration::from_millis(250);

/// Bytes taken for clients after which it is looked in any case.
const MUCH: usize = 1024 * 1024;

/// Least time between two times that memory is given back so that a session may begin.
const TRIM_PAUSE: Duration = Duration::from_secs(1);

/// What a client is reckoned to hold beside what waits for it, in the kernel for the most part.
const CLIENT: usize = 6 * 1024;

impl Guard {
    /// Looks at the memory in use if it is time, or if much has been taken since, and lets clients go if it must be.
    pub(in crate::shard) fn check_memory(&mut self) {
        let taken = self.kept_bytes() + self.queued() + self.unchecked_bytes;
        self.memory_mark = self.memory_mark.min(taken.saturating_add(MUCH));
        if self.now() < self.memory_look && taken < self.memory_mark {
            return;
        }
        self.memory_look = self.now() + LOOK;
        self.memory_mark = taken.saturating_add(MUCH);
        let excess = self.shared().memory.look();
        if excess > 0 {
            self.shed(excess.div_ceil(self.shared().mailboxes.len().max(1)));
        }
    }

    /// Whether no session may begin for want of memory, even when what those that have gone left behind is given back.
    pub(in crate::shard) fn lacks_memory(&mut self) -> bool {
        self.check_memory();
        if self.shared().memory.refuses() && self.trimmed + TRIM_PAUSE <= self.now() {
            self.trim();
            self.shared().memory.look();
        }
        self.shared().memory.refuses()
    }

    /// Gives memory that is free back to the system.
    pub(in crate::shard) fn trim(&mut self) {
        self.trimmed = self.now();
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
            let at = self.now() + LOOK / 2;
            self.timers().arm(at, TimerKey::Trim);
        }
    }
}
