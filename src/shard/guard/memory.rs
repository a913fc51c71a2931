//! The memory guard: while memory is short, no session begins; while it is very short, the clients that hold most are closed.
//!
//! It looks at the end of a turn, if a quarter of a second has passed or clients have taken another mebibyte, and when a client
//! wants a session. A process without clients never looks.

use std::time::Duration;

use crate::metrics::Limit;
use crate::shard::guard::Guard;
use crate::shard::store::keys::TimerKey;

/// Least time between two looks of a shard.
const LOOK: Duration = Duration::from_millis(250);

/// Bytes taken for clients after which it looks in any case.
const MUCH: usize = 1024 * 1024;

/// Least time between two attempts to make room for a session by giving memory back to the system.
const TRIM_PAUSE: Duration = Duration::from_secs(1);

/// The assumed memory of a client beside its queue, most of it in the kernel.
const CLIENT: usize = 6 * 1024;

impl Guard {
    /// Looks at the memory in use if it is time, or if much was taken since, and closes clients if it must.
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

    /// Whether memory is too short for a session, even after the memory of departed clients is given back.
    pub(in crate::shard) fn lacks_memory(&mut self) -> bool {
        self.check_memory();
        if self.shared().memory.refuses() && self.trimmed + TRIM_PAUSE <= self.now() {
            self.trim();
            self.shared().memory.look();
        }
        self.shared().memory.refuses()
    }

    /// Gives free memory back to the system.
    pub(in crate::shard) fn trim(&mut self) {
        self.trimmed = self.now();
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        // SAFETY: `malloc_trim` has no precondition. Without it the C library keeps free memory between pages in use: after
        // 19,000 clients have gone, some 9 MB stay resident.
        unsafe {
            libc::malloc_trim(0);
        }
    }

    /// Closes clients until `excess` bytes are free: first those with the longest queues, then those with the most half-sent
    /// bytes, then those with the largest sessions. A client that holds little is never closed.
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
