//! How much may be kept of answers that are being collected: of clients to broadcasts, of other servers to questions.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// The bytes of all answers that are being collected, and how many they may be.
#[derive(Debug)]
pub(crate) struct AnswerBudget {
    bytes: AtomicUsize,
    limit: usize,
}

impl AnswerBudget {
    /// Room for so many bytes.
    pub(in crate::shard) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { bytes: AtomicUsize::new(0), limit })
    }

    /// Takes so many bytes; false if they are too many.
    pub(crate) fn take(&self, bytes: usize) -> bool {
        let more = |taken: usize| taken.checked_add(bytes).filter(|sum| *sum <= self.limit);
        self.bytes.fetch_update(Relaxed, Relaxed, more).is_ok()
    }

    /// Gives bytes back that were taken.
    pub(crate) fn give_back(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Relaxed);
    }
}
