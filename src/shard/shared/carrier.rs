//! The way to the other instances.

use std::fmt;
use std::time::Duration;

use crate::cluster::peers::message::relay::Relay;
use crate::cluster::peers::{Body, Instance, Peers, Unheard};

/// Time between two looks whether there is room on the way.
pub(in crate::shard) const LOOK_FOR_ROOM: Duration = Duration::from_millis(20);

/// Where a session lives: the instance and the shard that its sid names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shard) struct Owner {
    pub(in crate::shard) instance: Instance,
    pub(in crate::shard) shard: u8,
}

/// What takes messages about exchanges to other instances. The messages to one of them arrive in order, and none is missing
/// between two that arrive.
pub(in crate::shard) trait Carrier: Send + Sync + fmt::Debug {
    /// Takes a message to an instance. If it may not have arrived, `lost` is called: at once, or later on another thread.
    fn carry(&self, to: Instance, message: Relay, lost: Box<dyn FnOnce(Unheard) + Send>);

    /// Whether there is ample room for more. What can wait is not carried while there is not.
    fn has_room(&self) -> bool;

    /// An instance has not answered in time.
    fn unanswered(&self, instance: Instance);
}

impl Carrier for Peers {
    fn carry(&self, to: Instance, message: Relay, lost: Box<dyn FnOnce(Unheard) + Send>) {
        self.send(to, Body::Relay(message), lost);
    }

    fn has_room(&self) -> bool {
        self.has_room()
    }

    fn unanswered(&self, instance: Instance) {
        self.unanswered(instance);
    }
}
