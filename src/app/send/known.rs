//! What a handle knows of its socket without asking.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::value::RawValue;

use crate::engineio::Sid;
use crate::shard::{Handshake, NamespaceRef};

/// What a handle knows of a socket of this server: all that stays the same while the socket lives.
#[derive(Debug)]
pub(in crate::app) struct Known {
    /// The sid of its place.
    pub(in crate::app) location: Sid,
    /// The sid by which it is known. It differs from that of its place if the socket has come back.
    pub(in crate::app) sid: Sid,
    pub(in crate::app) namespace: NamespaceRef,
    /// `None` if the session was forgotten when the handle was made.
    pub(in crate::app) handshake: Option<Arc<Handshake>>,
    /// The text of a JSON value.
    pub(in crate::app) auth: Option<Arc<str>>,
    /// The socket's data, for handles of blocking handlers.
    pub(in crate::app) data: Option<Snapshot>,
}

/// The data of a socket when its handle was made. It is no longer used once the handle, or a clone of it, has changed the data.
#[derive(Debug)]
pub(in crate::app) struct Snapshot {
    data: Option<Box<RawValue>>,
    outdated: AtomicBool,
}

impl Snapshot {
    pub(in crate::app) fn new(data: Option<Box<RawValue>>) -> Self {
        Self { data, outdated: AtomicBool::new(false) }
    }

    /// The data, unless the handle has changed it.
    pub(super) fn current(&self) -> Option<Option<&RawValue>> {
        (!self.outdated.load(Ordering::Relaxed)).then_some(self.data.as_deref())
    }

    /// The handle changes the data.
    pub(super) fn outdate(&self) {
        self.outdated.store(true, Ordering::Relaxed);
    }

    /// Bytes that it keeps.
    pub(super) fn bytes(&self) -> usize {
        self.data.as_ref().map_or(0, |data| data.get().len())
    }
}
