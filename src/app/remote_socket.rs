//! A socket as it was when it was asked for.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::socket_handle::SocketHandle;
use crate::shard::{Description, Handshake, NamespaceRef, Shared};

/// What was known of a socket when [`fetch_sockets`](crate::Broadcast::fetch_sockets) asked for it, and a
/// [`SocketHandle`] to act on it.
pub struct RemoteSocket {
    handle: SocketHandle,
    described: Description,
}

impl RemoteSocket {
    pub(super) fn new(shared: &Arc<Shared>, namespace: &NamespaceRef, described: Description) -> Self {
        let Description { location, sid, id, .. } = &described;
        Self { handle: SocketHandle::new(shared, *location, *sid, id.clone(), namespace.clone()), described }
    }

    /// The rooms it was in, its own first.
    pub fn rooms(&self) -> &[String] {
        &self.described.rooms
    }

    /// The request that opened its session.
    pub fn handshake(&self) -> &Handshake {
        &self.described.handshake
    }

    /// What the client sent along to be let into the namespace. `None` if it sent nothing, or something else than `T`.
    pub fn auth<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.described.auth.as_ref()?).ok()
    }

    /// The data kept with the socket. `None` if there is none, or it is something else than `T`.
    pub fn data<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.described.data.as_ref()?.get()).ok()
    }
}

impl Deref for RemoteSocket {
    type Target = SocketHandle;

    fn deref(&self) -> &SocketHandle {
        &self.handle
    }
}

impl fmt::Debug for RemoteSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteSocket").field("id", &self.id()).field("rooms", &self.rooms()).finish_non_exhaustive()
    }
}
