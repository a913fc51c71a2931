//! The program's handlers as a shard sees them, without their types.
//!
//! They act on the shard, so they are called while nothing of it is borrowed. Only the [`Shard`] itself has them, so borrowed
//! parts cannot reach them. The program's declarations are plain data in a [`Directory`](crate::shard::Directory).

use std::rc::Rc;
use std::sync::Arc;

use crate::cluster::message::Answer;
use crate::engineio::Message;
use crate::http::{GiveResponse, LongResponse, Request, RouteKey};
use crate::shard::Shard;
use crate::shard::sessions::handshake::Handshake;
use crate::shard::shared::admissions::{Asked, Verdict};
use crate::shard::shared::namespaces::{Child, NamespaceRef, NoNamespace};
use crate::shard::sockets::calls::RoomChange;
use crate::shard::store::keys::{SessionRef, SocketRef};
use crate::socketio::{DisconnectReason, Event};
use crate::values::Ended;

/// Answers an event of another server. If it is dropped instead, that server gets no answer.
pub(crate) type ServerReply = Box<dyn FnOnce(Answer) + Send + Sync>;

/// The program's handlers.
pub(crate) trait Callbacks: Send + Sync {
    /// Lets a shard into a namespace that was not declared. The application makes the namespace if a predicate accepts its
    /// name.
    fn enter_namespace(&self, shard: &Rc<Shard>, name: &str) -> Result<Arc<Child>, NoNamespace>;

    /// The server stops.
    fn stopping(&self);

    /// Whether a handshake may go on, as the hooks from number `first` on say. A refusal without a message has the usual one.
    fn allow<'a>(&'a self, shard: &'a Rc<Shard>, handshake: &Arc<Handshake>, first: usize) -> Verdict<'a>;

    /// A request came for a route. `None` if `give` answers it later.
    fn request(&self, shard: &Rc<Shard>, route: RouteKey, request: Request, give: GiveResponse)
    -> Option<LongResponse>;

    /// A message of a bare Engine.IO session.
    fn message(&self, shard: &Rc<Shard>, session: SessionRef, message: Message);

    /// Whether a socket may join its namespace, as the middlewares from number `first` on say.
    fn admit<'a>(&'a self, shard: &'a Rc<Shard>, socket: SocketRef, first: usize) -> Verdict<'a>;

    /// A socket has joined its namespace. Says whether there was room for the program to hear it.
    fn connected(&self, shard: &Rc<Shard>, socket: SocketRef) -> Asked;

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

    /// Drops what the program has kept with a socket that is gone.
    fn forget(&self, shard: &Rc<Shard>, values: Ended);
}
