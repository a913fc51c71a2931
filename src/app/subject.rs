//! Whom a handler was called for, as the log names them.

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
            Self::Socket(socket) => format!(" ({})", shard.core.borrow().describe_socket(socket)),
            Self::Handle(handle) => match handle.find(shard) {
                Some(socket) => Subject::Socket(socket).describe(shard),
                None => format!(" (socket {} of {:?}, which has left)", handle.id(), Excerpt(handle.namespace())),
            },
            Self::Member(room, id) => {
                format!(" (socket {id}, room {:?} of {:?})", Excerpt(room.name()), Excerpt(room.namespace()))
            }
            Self::Room(room) => format!(" (room {:?} of {:?})", Excerpt(room.name()), Excerpt(room.namespace())),
            Self::Session(session) => format!(" ({})", shard.core.borrow().describe_session(session.key)),
            Self::Namespace(namespace) => format!(" (of {:?})", Excerpt(namespace.name(&shard.shared))),
            Self::Nobody => String::new(),
        }
    }
}
