//! An event of the server.

use serde::Deserialize;

use crate::socketio::{Arguments, Event};

/// An event that a client has received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    event: Event,
    /// Set if the server wants an answer.
    pub(super) ack: Option<u64>,
}

impl Received {
    pub(super) const fn new(event: Event, ack: Option<u64>) -> Self {
        Self { event, ack }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.event.name
    }

    /// Its arguments, as a tuple. Arguments beyond the tuple's members are ignored. Attachments are
    /// [`Binary`](crate::Binary).
    ///
    /// # Errors
    /// If there are too few arguments, or one is of another type.
    pub fn args<'de, T: Deserialize<'de>>(&'de self) -> Result<T, serde_json::Error> {
        self.event.arguments.args()
    }

    /// Its arguments as they came.
    pub const fn arguments(&self) -> &Arguments {
        &self.event.arguments
    }

    /// Whether the server waits for an answer ([`Client::answer`](super::Client::answer)).
    pub const fn wants_answer(&self) -> bool {
        self.ack.is_some()
    }

    /// The last argument, if it is a text: an event's offset, if the server keeps events for recovery.
    pub(super) fn last_text(&self) -> Option<String> {
        serde_json::from_str(self.event.arguments.elements().last()?.get()).ok()
    }
}
