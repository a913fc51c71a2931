//! Whom a handler was called for, as the log names them.

use std::net::IpAddr;

use super::rooms::Room;
use super::socket_handle::SocketHandle;
use crate::log_line::Excerpt;
use crate::shard::{NamespaceRef, SessionRef, Shard, SocketRef};
use crate::socketio::SocketId;

/// Whom a handler was called for. It is found out only if there is something to log.
#[derive(Clone, Copy)]
pub(super) enum Subject<'a> {
    Socket(SocketRef),
    /// A socket that another thread knows; it may have left.
    Handle(&'a SocketHandle),
    /// A socket that came to a room, or went.
    Member(&'a Room<'a>, &'a SocketId),
    Room(&'a Room<'a>),
    Session(SessionRef),
    Namespace(&'a NamespaceRef),
    /// Nobody that is still known.
    Nobody,
}

impl Subject<'_> {
    /// What follows in brackets, with a space before it; nothing if nobody is meant.
    pub(super) fn describe(self, shard: &Shard) -> String {
        match self {
            Self::Socket(socket) => of_socket(shard, socket),
            Self::Handle(handle) => match handle.find(shard) {
                Some(socket) => of_socket(shard, socket),
                None => format!(" (socket {} of {:?}, which has left)", handle.id(), Excerpt(handle.namespace())),
            },
            Self::Member(room, id) => {
                format!(" (socket {id}, room {:?} of {:?})", Excerpt(room.name()), Excerpt(room.namespace()))
            }
            Self::Room(room) => format!(" (room {:?} of {:?})", Excerpt(room.name()), Excerpt(room.namespace())),
            Self::Session(session) => of_session(shard, session),
            Self::Namespace(namespace) => format!(" (of {:?})", Excerpt(namespace.name(&shard.shared))),
            Self::Nobody => String::new(),
        }
    }
}

fn of_socket(shard: &Shard, socket: SocketRef) -> String {
    let core = shard.core.borrow();
    let namespace = core.socket(socket).map_or("", |state| core.namespace_name(state.namespace));
    let address = core.handshake(socket).map(|handshake| handshake.address().ip());
    format!(" (socket {} of {:?}, from {})", core.socket_id(socket), Excerpt(namespace), text(address))
}

/// A session's id is a secret of its client.
fn of_session(shard: &Shard, session: SessionRef) -> String {
    let core = shard.core.borrow();
    let client = core.sessions.get(session.key.0).filter(|client| client.random == session.random);
    format!(" (session {}, from {})", session.key.0, text(client.map(|client| client.handshake.address().ip())))
}

fn text(address: Option<IpAddr>) -> String {
    address.map_or_else(|| "somewhere".to_owned(), |address| address.to_string())
}
