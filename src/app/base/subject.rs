//! The socket or session that a handler was called for, as named in the log.

use std::net::IpAddr;

use crate::log_line::Excerpt;
use crate::shard::{NamespaceRef, SessionRef, Shard, SocketRef};
use crate::socketio::SocketId;

/// The socket or session that a handler was called for. It is looked up only if there is something to log.
#[derive(Clone, Copy)]
pub(in crate::app) enum Subject<'a> {
    Socket(SocketRef),
    /// A socket that has left, as another thread knew it.
    Gone {
        id: &'a SocketId,
        namespace: &'a str,
    },
    /// A socket that joined a room, or left it.
    Member {
        id: &'a SocketId,
        room: &'a str,
        namespace: &'a NamespaceRef,
    },
    Room {
        room: &'a str,
        namespace: &'a NamespaceRef,
    },
    Session(SessionRef),
    Namespace(&'a NamespaceRef),
    /// A client that sent a request, by its address.
    Client(IpAddr),
    /// No socket or session that is still known.
    Nobody,
}

impl Subject<'_> {
    /// The subject in brackets, with a space before it; empty for nobody.
    pub(in crate::app) fn describe(self, shard: &Shard) -> String {
        let name = |namespace: &NamespaceRef| format!("{:?}", Excerpt(namespace.name(&shard.shared)));
        match self {
            Self::Socket(socket) => format!(" ({})", shard.with(|core| core.describe_socket(socket))),
            Self::Gone { id, namespace } => format!(" (socket {id} of {:?}, which has left)", Excerpt(namespace)),
            Self::Member { id, room, namespace } => {
                format!(" (socket {id}, room {:?} of {})", Excerpt(room), name(namespace))
            }
            Self::Room { room, namespace } => format!(" (room {:?} of {})", Excerpt(room), name(namespace)),
            Self::Session(session) => format!(" ({})", shard.with(|core| core.describe_session(session.key))),
            Self::Namespace(namespace) => format!(" (of {})", name(namespace)),
            Self::Client(address) => format!(" (from {address})"),
            Self::Nobody => String::new(),
        }
    }
}
