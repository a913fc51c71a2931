//! The memory that messages take while they wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Counts a buffer as long as this or a clone of it lives. It is kept beside the bytes wherever they wait.
#[derive(Debug, Clone)]
pub struct Charge(Arc<Held>);

#[derive(Debug)]
struct Held {
    bytes: usize,
    sum: Arc<AtomicUsize>,
}

impl Charge {
    /// Counts so many bytes in `sum`.
    pub fn new(bytes: usize, sum: &Arc<AtomicUsize>) -> Self {
        sum.fetch_add(bytes, Relaxed);
        Self(Arc::new(Held { bytes, sum: Arc::clone(sum) }))
    }

    /// What tells its buffer from others, and the buffer's bytes.
    #[cfg(test)]
    pub(crate) fn buffer(&self) -> (usize, usize) {
        (Arc::as_ptr(&self.0).addr(), self.0.bytes)
    }

    /// Whether there is no other clone of it.
    pub fn is_own(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.sum.fetch_sub(self.bytes, Relaxed);
    }
}
