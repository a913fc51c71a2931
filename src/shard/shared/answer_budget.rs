//! The budget of collected answers: of clients to broadcasts, of other servers to questions.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// The bytes of all answers that are being collected, and their limit.
#[derive(Debug)]
pub(crate) struct AnswerBudget {
    bytes: AtomicUsize,
    limit: usize,
}

impl AnswerBudget {
    /// A budget of `limit` bytes.
    pub(in crate::shard) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { bytes: AtomicUsize::new(0), limit })
    }

    /// Takes `bytes`; false, and nothing is taken, if the budget does not have them.
    pub(crate) fn take(&self, bytes: usize) -> bool {
        let more = |taken: usize| taken.checked_add(bytes).filter(|sum| *sum <= self.limit);
        self.bytes.fetch_update(Relaxed, Relaxed, more).is_ok()
    }

    /// Gives back bytes that were taken.
    pub(crate) fn give_back(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Relaxed);
    }
}
