//! The application as a shard sees it, without the types of its handlers: what it declared, and the handlers themselves.
//!
//! They are two traits, as they may be used at different times. A [`Directory`] is plain data. [`Callbacks`] run the program's
//! code, which acts on the shard: whatever is borrowed of a shard cannot reach them, as only the [`Shard`] itself has them.

use std::rc::Rc;
use std::sync::Arc;

use super::shared::Shared;
use crate::cluster::Answer;
use crate::error::AckError;
use crate::shard::Shard;
use crate::shard::sessions::handshake::Handshake;
use crate::shard::sockets::namespaces::{Child, NamespaceRef, NoNamespace};
use crate::shard::sockets::room_changes::RoomChange;
use crate::shard::store::keys::{NamespaceKey, SessionRef, SocketRef};
use crate::socketio::{Arguments, DisconnectReason, Event};

/// Answers an event of another server. If it is dropped instead, that server will get no answer.
pub(crate) type ServerReply = Box<dyn FnOnce(Answer) + Send + Sync>;

/// What the program has declared.
pub(crate) trait Directory: Send + Sync {
    /// The declared namespace of that name, if there is one.
    fn namespace(&self, name: &str) -> Option<NamespaceKey>;

    /// The name of a declared namespace.
    fn namespace_name(&self, namespace: NamespaceKey) -> &str;

    /// How many namespaces were declared.
    fn namespaces(&self) -> usize;

    /// The namespace of that name, declared or not, if it is there now.
    fn find_namespace(&self, name: &str) -> Option<NamespaceRef>;

    /// Whether names that were not declared may become namespaces.
    fn makes_namespaces(&self) -> bool;

    /// A shard has no sockets any more in a namespace that it was let into.
    fn exit_namespace(&self, child: &Child, shared: &Shared);

    /// Time may have come for namespaces without sockets to go. Says how many without are left.
    fn sweep_namespaces(&self, shared: &Shared) -> usize;

    /// Whether [`Callbacks::allow`] is to be asked.
    fn asks_permission(&self) -> bool;

    /// Whether messages go to [`Callbacks::message`] as they are, rather than to Socket.IO.
    fn is_bare(&self) -> bool;

    /// Whether [`Callbacks::outgoing`] is to be called for a namespace.
    fn hears_outgoing(&self, namespace: &NamespaceRef) -> bool;

    /// Whether [`Callbacks::room_changed`] is to be called for a namespace.
    fn hears_rooms(&self, namespace: &NamespaceRef) -> bool;
}

/// The program's handlers.
pub(crate) trait Callbacks: Send + Sync {
    /// Lets a shard into a namespace that was not declared. It comes into being if the application wants it.
    fn enter_namespace(&self, shard: &Rc<Shard>, name: &str) -> Result<Arc<Child>, NoNamespace>;

    /// The server stops.
    fn stopping(&self);

    /// Whether a handshake may go on; else the message to refuse it with, if not the usual one.
    fn allow(&self, shard: &Rc<Shard>, handshake: &Handshake) -> Result<(), Option<String>>;

    /// A message of a bare Engine.IO session.
    fn message(&self, shard: &Rc<Shard>, session: SessionRef, message: Message);

    /// Whether a socket may join its namespace.
    fn admit(&self, shard: &Rc<Shard>, socket: SocketRef) -> Result<(), Refusal>;

    /// A socket has joined its namespace.
    fn connected(&self, shard: &Rc<Shard>, socket: SocketRef);

    /// A socket received an event; `ack` is the id to acknowledge it with.
    fn event(&self, shard: &Rc<Shard>, socket: SocketRef, event: Event, ack: Option<u64>);

    /// Another server of the cluster sent an event for servers; `reply` answers it, if it asks for that.
    fn server_event(&self, shard: &Rc<Shard>, namespace: &NamespaceRef, event: Event, reply: Option<ServerReply>);

    /// An event was sent to a socket.
    fn outgoing(&self, shard: &Rc<Shard>, socket: SocketRef, event: Event);

    /// A shard's part of a room has changed.
    fn room_changed(&self, shard: &Rc<Shard>, namespace: &NamespaceRef, room: &str, change: RoomChange);

    /// A socket is about to leave; it is still in its rooms.
    fn disconnecting(&self, shard: &Rc<Shard>, socket: SocketRef, reason: DisconnectReason);

    /// A socket has left.
    fn disconnected(&self, shard: &Rc<Shard>, socket: SocketRef, reason: DisconnectReason);
}

/// A message of a bare Engine.IO session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Text.
    Text(bytestring::ByteString),
    /// Binary.
    Binary(bytes::Bytes),
}

/// Why a socket may not join a namespace, as its client is told: the members of the CONNECT_ERROR packet.
#[derive(Debug, Clone)]
pub struct Refusal {
    pub(crate) message: String,
    pub(crate) data: Option<Box<serde_json::value::RawValue>>,
}

/// What is called with an acknowledgement, or with why there is none.
pub(crate) type AckCallback = Box<dyn FnOnce(&Rc<Shard>, SocketRef, Result<Arguments, AckError>)>;
