//! A socket as it was when it was asked for.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::socket_handle::SocketHandle;
use crate::cluster;
use crate::shard::{Description, Handshake, NamespaceRef, Shared};

/// What was known of a socket, of this server or another of the cluster, when
/// [`fetch_sockets`](crate::Broadcast::fetch_sockets) asked for it, and a [`SocketHandle`] to act on it.
pub struct RemoteSocket {
    handle: SocketHandle,
    rooms: Vec<String>,
    handshake: Arc<Handshake>,
    auth: Option<Box<RawValue>>,
    data: Option<Box<RawValue>>,
}

/// What was found of a socket.
pub(super) enum Found {
    /// It is one of this server's.
    Here(Description),
    /// It is another server's.
    Elsewhere(cluster::RemoteSocket),
}

impl RemoteSocket {
    /// One of `namespace`. Sockets are found here only if this server has it: of another server's namespace there are none.
    pub(super) fn new(shared: &Arc<Shared>, namespace: &Result<NamespaceRef, String>, found: Found) -> Option<Self> {
        Some(match found {
            Found::Here(Description { sid, location, id, rooms, handshake, auth, data }) => {
                let namespace = namespace.as_ref().ok()?;
                let auth = auth.and_then(|auth| RawValue::from_string(auth.to_string()).ok());
                let handle = SocketHandle::new(shared, location, sid, id, namespace.clone());
                Self { handle, rooms, handshake, auth, data }
            }
            Found::Elsewhere(cluster::RemoteSocket { id, handshake, rooms, data }) => Self {
                handle: SocketHandle::elsewhere(shared, id.into(), namespace.clone()),
                rooms: rooms.into_iter().map(Into::into).collect(),
                auth: handshake.auth.clone(),
                handshake: Arc::new(Handshake::elsewhere(&handshake)),
                data,
            },
        })
    }

    /// The rooms it was in, its own first.
    pub fn rooms(&self) -> &[String] {
        &self.rooms
    }

    /// The request that opened its session.
    pub fn handshake(&self) -> &Handshake {
        &self.handshake
    }

    /// What the client sent along to be let into the namespace. `None` if it sent nothing, or something else than `T`.
    pub fn auth<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.auth.as_ref()?.get()).ok()
    }

    /// The data kept with the socket. `None` if there is none, or it is something else than `T`.
    pub fn data<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.data.as_ref()?.get()).ok()
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
