//! Enforcement of limits: memory, slow clients, half-sent messages, slow handlers.

pub(in crate::shard) mod assembly;
pub(in crate::shard) mod census;
pub(in crate::shard) mod hold_up;
pub(in crate::shard) mod memory;
pub(in crate::shard) mod stopwatch;
pub(in crate::shard) mod unfinished;

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::engineio::Millis;
use crate::shard::guard::assembly::Assembly;
use crate::shard::kernel::poll::Watch;
use crate::shard::recovery::Recovering;
use crate::shard::shared::Shared;

/// The guard's state, and below it all that it guards.
pub(crate) struct Guard {
    recovering: Recovering,
    /// Bytes of unfinished messages and requests that came since the last look at all of them.
    unchecked_bytes: usize,
    /// Admission of large messages while many are half sent.
    assembly: Assembly,
    /// When the memory in use is looked at next, and the number of accounted bytes at which it is looked at in any
    /// case.
    memory_look: Millis,
    memory_mark: usize,
    /// When memory was given back to the system last.
    trimmed: Millis,
}

impl Deref for Guard {
    type Target = Recovering;

    fn deref(&self) -> &Recovering {
        &self.recovering
    }
}

impl DerefMut for Guard {
    fn deref_mut(&mut self) -> &mut Recovering {
        &mut self.recovering
    }
}

impl Guard {
    pub(in crate::shard) fn new(shared: Arc<Shared>, index: usize, watch: Watch) -> Self {
        Self {
            unchecked_bytes: 0,
            assembly: Assembly::default(),
            memory_look: Millis(0),
            memory_mark: 0,
            trimmed: Millis(0),
            recovering: Recovering::new(shared, index, watch),
        }
    }
}
