//! How an event is sent: flags that go before its name.

use super::broadcast::Broadcast;
use crate::shard::Urgency;

/// How the events of a socket are sent.
#[derive(Debug, Clone, Copy)]
pub(in crate::app) struct Flags {
    pub(in crate::app) urgency: Urgency,
    pub(in crate::app) compress: bool,
}

impl Flags {
    /// Reliable, and compressed where that pays.
    pub(in crate::app) const NONE: Self = Self { urgency: Urgency::Reliable, compress: true };

    /// The same, for events that may be dropped.
    pub(in crate::app) const fn volatile(self) -> Self {
        Self { urgency: Urgency::Volatile, ..self }
    }

    pub(in crate::app) const fn compress(self, compress: bool) -> Self {
        Self { compress, ..self }
    }

    /// A broadcast that is sent so.
    pub(in crate::app) fn of(self, broadcast: Broadcast) -> Broadcast {
        Broadcast { urgency: self.urgency, compress: self.compress, ..broadcast }
    }
}
