//! Snapshots of sockets on any server of the cluster.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::broadcast::Broadcast;
use super::flags::Flags;
use super::known::Known;
use super::outcome::{Outcome, failure};
use super::socket_handle::SocketHandle;
use crate::app::ask::{Question, collect_all};
use crate::app::base::MissingServers;
use crate::cluster::message::{Answer, Ask, Described};
use crate::shard::{Description, Handshake, NamespaceRef, Shared};

/// A snapshot of a socket of this server or another of the cluster, as [`fetch_sockets`](crate::Broadcast::fetch_sockets) found
/// it, with a [`SocketHandle`] to act on it.
pub struct RemoteSocket {
    handle: SocketHandle,
    rooms: Vec<String>,
    handshake: Arc<Handshake>,
    auth: Option<Box<RawValue>>,
    data: Option<Box<RawValue>>,
}

impl RemoteSocket {
    /// The rooms it was in, its own first.
    pub fn rooms(&self) -> &[String] {
        &self.rooms
    }

    /// The request that opened its session.
    pub fn handshake(&self) -> &Handshake {
        &self.handshake
    }

    /// The client's authentication data for the namespace. `None` if it sent none, or data of another type than `T`.
    /// [`Socket::auth`](crate::Socket::auth) says what else is in that of a client that has come back.
    pub fn auth<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.auth.as_ref()?.get()).ok()
    }

    /// The data stored with the socket. `None` if there is none, or if it is of another type than `T`.
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

impl Broadcast {
    /// Collects what is known of these sockets, in the whole cluster unless [`local`](Self::local); `receive` is called with it,
    /// perhaps before this returns, on one of the server's threads, and not at all if the server stops meanwhile. Of a namespace
    /// that this server does not have, it collects those of others. See [`MissingServers`] for when they are all.
    ///
    /// ```no_run
    /// # let handle = kinglet::Server::new(kinglet::Config::default())?.handle();
    /// handle.to("lobby").fetch_sockets(|sockets| {
    ///     for socket in sockets.unwrap_or_else(|partial| partial.answers) {
    ///         log::info!("{} is in {:?}", socket.id(), socket.rooms());
    ///         socket.leave("lobby");
    ///     }
    /// });
    /// # Ok::<(), kinglet::Error>(())
    /// ```
    pub fn fetch_sockets<R: Outcome>(
        self,
        receive: impl FnOnce(Result<Vec<RemoteSocket>, MissingServers<Vec<RemoteSocket>>>) -> R + Send + 'static,
    ) {
        let Some(shared) = &self.shared else { return drop(receive(Ok(Vec::new()))) };
        let question = self.cluster().map(|_| Question {
            ask: Ask::Describe(self.chosen()),
            read: |answer, _| match answer {
                Answer::Sockets(sockets) => Some(sockets.into_iter().map(Fetched::Elsewhere).collect()),
                _ => None,
            },
        });
        let (target, of) = (self.target.clone(), self.namespace.as_ref().ok().map(NamespaceRef::key));
        let (server, place) = (Arc::clone(shared), self.namespace.clone());
        collect_all(
            shared,
            self.name(),
            target.bytes(),
            move |shard| {
                let described = |of| shard.with(|core| core.describe(of, &target));
                of.map_or_else(Vec::new, described).into_iter().map(Fetched::Here).collect()
            },
            question,
            move |found, missing| {
                let sockets = found.into_iter().filter_map(|found| RemoteSocket::new(&server, &place, found)).collect();
                failure(receive(MissingServers::check(sockets, missing)))
            },
        );
    }
}

/// A socket that was found.
enum Fetched {
    /// It is one of this server's.
    Here(Description),
    /// It is another server's.
    Elsewhere(Described),
}

impl RemoteSocket {
    /// A snapshot of a socket of `namespace`. If this server does not have the namespace, the socket is another server's.
    fn new(shared: &Arc<Shared>, namespace: &Result<NamespaceRef, String>, found: Fetched) -> Option<Self> {
        Some(match found {
            Fetched::Here(Description { sid, location, id, rooms, handshake, auth, data }) => {
                let namespace = namespace.as_ref().ok()?.clone();
                let text = auth.as_ref().and_then(|auth| RawValue::from_string(auth.to_string()).ok());
                let known =
                    Known { location, sid, namespace, handshake: Some(Arc::clone(&handshake)), auth, data: None };
                Self { handle: SocketHandle::new(shared, id, known, Flags::NONE), rooms, handshake, auth: text, data }
            }
            Fetched::Elsewhere(Described { id, handshake, rooms, auth, data }) => Self {
                handle: SocketHandle::elsewhere(shared, id.into(), namespace.clone()),
                rooms: rooms.into_iter().map(Into::into).collect(),
                auth,
                handshake: Arc::new(Handshake::elsewhere(&handshake)),
                data,
            },
        })
    }
}
