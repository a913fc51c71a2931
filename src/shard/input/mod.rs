//! Input: when connections are read, and what requests, WebSocket messages and packets do.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use bytes::Bytes;

use crate::engineio::Millis;
use crate::shard::guard::Guard;
use crate::shard::input::http::deferred::Handshakes;
use crate::shard::kernel::poll::Watch;
use crate::shard::shared::Shared;
use crate::shard::store::keys::ConnectionKey;

pub(in crate::shard) mod http;
mod moves;
pub(in crate::shard) mod packets;
pub(in crate::shard) mod reading;
pub(in crate::shard) mod relays;
pub(in crate::shard) mod websocket;

/// The state of input: deferred handshakes, and below them all that input acts on.
pub(crate) struct Intake {
    guard: Guard,
    /// Handshakes that wait for their turn.
    handshakes: Handshakes,
    /// A session that moves, as bytes, and the WebSocket over which it goes, until that was read for now.
    moving: Option<(ConnectionKey, Bytes)>,
}

impl Deref for Intake {
    type Target = Guard;

    fn deref(&self) -> &Guard {
        &self.guard
    }
}

impl DerefMut for Intake {
    fn deref_mut(&mut self) -> &mut Guard {
        &mut self.guard
    }
}

impl Intake {
    pub(in crate::shard) fn new(shared: Arc<Shared>, index: usize, watch: Watch) -> Self {
        Self { handshakes: Handshakes::default(), moving: None, guard: Guard::new(shared, index, watch) }
    }

    /// A turn of the loop begins.
    pub(in crate::shard) fn begin_turn(&mut self, now: Millis) {
        self.guard.begin_turn(now);
        self.handshakes.begin_turn();
    }

    /// How many handshakes wait for the next turns.
    pub(in crate::shard) fn handshakes_waiting(&self) -> usize {
        self.handshakes.waiting()
    }
}
