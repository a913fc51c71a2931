//! Bytes in: who is read when, and what requests, WebSocket messages and packets mean.

pub(in crate::shard) mod http;
pub(in crate::shard) mod packets;
pub(in crate::shard) mod reading;
pub(in crate::shard) mod websocket;

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use mio::Registry;

use crate::shard::guard::Guard;
use crate::shard::input::http::deferred::Handshakes;
use crate::shard::shared::Shared;

/// What clients send: the requests that wait for their turn, and below them what they lead to.
pub(crate) struct Intake {
    pub(in crate::shard) guard: Guard,
    /// Handshakes that wait for their turn.
    pub(in crate::shard) handshakes: Handshakes,
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
    pub(in crate::shard) fn new(shared: Arc<Shared>, index: usize, registry: Registry) -> Self {
        Self { handshakes: Handshakes::default(), guard: Guard::new(shared, index, registry) }
    }
}
