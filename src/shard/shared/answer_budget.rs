//! The budget of collected answers: of clients to broadcasts, of other servers to questions.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// The bytes of all answers that are being collected, and their limit.
#[derive(Debug)]
pub(in crate::shard) struct AnswerBudget {
    bytes: AtomicUsize,
    limit: usize,
}

/// What one collection has taken of the budget. It is given back when this is dropped.
#[derive(Debug)]
pub(in crate::shard) struct Taken {
    budget: Arc<AnswerBudget>,
    bytes: usize,
}

impl AnswerBudget {
    /// A budget of `limit` bytes.
    pub(in crate::shard) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { bytes: AtomicUsize::new(0), limit })
    }
}

impl Taken {
    /// Nothing yet.
    pub(in crate::shard) fn nothing_of(budget: &Arc<AnswerBudget>) -> Self {
        Self { budget: Arc::clone(budget), bytes: 0 }
    }

    /// Takes so many bytes more; false if they are too many.
    pub(in crate::shard) fn take(&mut self, bytes: usize) -> bool {
        let limit = self.budget.limit;
        let more = |taken: usize| taken.checked_add(bytes).filter(|sum| *sum <= limit);
        let room = self.budget.bytes.fetch_update(Relaxed, Relaxed, more).is_ok();
        if room {
            self.bytes += bytes;
        }
        room
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.budget.bytes.fetch_sub(self.bytes, Relaxed);
    }
}
