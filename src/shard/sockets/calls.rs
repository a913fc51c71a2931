//! Calls: what the application must hear, in the order in which it happened.

use std::rc::Rc;
use std::sync::Arc;

use bytestring::ByteString;

use crate::engineio::Message;
use crate::error::AckError;
use crate::shard::Shard;
use crate::shard::shared::namespaces::NamespaceRef;
use crate::shard::sockets::collection::Collection;
use crate::shard::store::keys::{SessionRef, SocketRef};
use crate::socketio::{Arguments, DisconnectReason, Event, SocketId};

/// One thing that the application must hear.
pub(in crate::shard) enum Call {
    /// A client asks for a namespace that this shard does not have.
    Enter { session: SessionRef, name: ByteString, auth: Option<ByteString> },
    /// A socket asks to join its namespace.
    Connect(SocketRef),
    /// A socket received an event.
    Event { socket: SocketRef, event: Event, ack: Option<u64> },
    /// An event was sent to a socket.
    Outgoing { socket: SocketRef, event: Event },
    /// An acknowledgement came, or will not come.
    Acknowledged { socket: SocketRef, callback: AckCallback, result: Result<Arguments, AckError> },
    /// All answers to a broadcast came.
    Collected(Arc<Collection<Arguments>>),
    /// The time of something has come.
    Alarm(Alarm),
    /// A room was created or deleted, or its members in this shard changed.
    Room { namespace: NamespaceRef, room: Box<str>, change: RoomChange },
    /// A socket leaves.
    Disconnect { socket: SocketRef, reason: DisconnectReason },
    /// A bare session received a message.
    Message { session: SessionRef, message: Message },
    /// A socket is gone, while recovery is on.
    Gone(SocketRef),
    /// Recovery has something to forget later.
    Sweep,
    /// A session's wait for its upgrade has ended.
    Settled(SessionRef),
    /// A session has closed and told its sockets.
    Forget(SessionRef),
}

/// What happened to a room in this shard.
#[derive(Debug, Clone)]
pub(crate) enum RoomChange {
    /// It has its first member.
    Created,
    /// Its last member has left.
    Deleted,
    /// This socket has joined.
    Joined(SocketId),
    /// This socket has left.
    Left(SocketId),
}

/// A closure that runs when nothing of the shard is borrowed.
pub(super) type Alarm = Box<dyn FnOnce(&Rc<Shard>)>;

/// A closure that gets an acknowledgement, or the reason why there is none.
pub(super) type AckCallback = Box<dyn FnOnce(&Rc<Shard>, SocketRef, Result<Arguments, AckError>)>;
