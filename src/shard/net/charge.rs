//! Counts the memory that waits for clients: each buffer once, however many clients wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;

use crate::engineio::Charge;

/// The buffers that wait for clients of a shard.
#[derive(Debug, Default)]
pub(super) struct Charges {
    bytes: Arc<AtomicUsize>,
    /// The buffer that was charged last: in a fan-out, receivers in a row wait for the same one.
    last: Option<(Bytes, Charge)>,
}

impl Charges {
    /// Bytes of all waiting buffers, each counted once.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// The charge of a buffer that other clients may wait for, too. A buffer that is charged several times in a row counts
    /// once.
    pub(super) fn charge(&mut self, bytes: &Bytes) -> Charge {
        if let Some((last, charge)) = &self.last
            // The charge holds these bytes, so nothing else can have their address.
            && (last.as_ptr(), last.len()) == (bytes.as_ptr(), bytes.len())
        {
            return charge.clone();
        }
        let charge = self.charge_own(bytes);
        self.last = Some((bytes.clone(), charge.clone()));
        charge
    }

    /// The charge of a buffer that nobody else waits for.
    pub(super) fn charge_own(&self, bytes: &Bytes) -> Charge {
        Charge::new(bytes.len(), &self.bytes)
    }

    /// A fan-out is over: the last buffer is not kept for further receivers.
    pub(super) fn forget_last(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_buffer_counts_once_until_its_last_receiver_has_it() {
        let mut charges = Charges::default();
        let (message, other) = (Bytes::from(vec![1; 1000]), Bytes::from(vec![2; 10]));
        let mut waiting: Vec<Charge> = (0..5).map(|_| charges.charge(&message)).collect();
        let last = waiting.pop();
        assert_eq!(charges.bytes(), 1000);
        drop(waiting);
        let other = charges.charge(&other);
        assert_eq!(charges.bytes(), 1010);
        assert!(last.as_ref().is_some_and(Charge::is_own) && !other.is_own());
        charges.forget_last();
        assert!(other.is_own());
        drop((last, other));
        assert_eq!(charges.bytes(), 0);
    }
}
