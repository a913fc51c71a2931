//! A request to the other servers: a question, or something to do. It is JSON, except for the broadcast with
//! acknowledgements, which is MessagePack because it may contain binary data.

mod decode;
mod encode;

use std::time::Duration;

use super::broadcast::Broadcast;
use super::opts::Opts;
use crate::socketio::Event;

pub(super) use decode::within_depth;

/// The type of a goodbye: none of Node's, of which 9 is the last.
const GOODBYE: u8 = 200;

/// A request and its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The sender's uid in the namespace. Emitters have none, or `emitter`.
    pub uid: Option<Box<str>>,
    /// What is asked for.
    pub operation: Operation,
}

/// The operation. A [`Response`](super::Response) with the same id answers one with a `request_id`. Every server,
/// including the sender, carries out one with `opts` and without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Type 0, of version 7 and older: which sockets are in one of these rooms? Answered by every other server.
    Sockets {
        /// The id of the request.
        request_id: Box<str>,
        /// The rooms; none: all sockets.
        rooms: Vec<Box<str>>,
    },
    /// Type 1: which rooms are there? Answered by every other server.
    AllRooms {
        /// The id of the request.
        request_id: Box<str>,
    },
    /// Type 2: sockets join rooms.
    Join {
        /// The sockets.
        opts: Opts,
        /// The rooms to join.
        rooms: Vec<Box<str>>,
    },
    /// Type 2, old form: one socket joins a room. Answered by the server that has the socket.
    JoinOne {
        /// The id of the request.
        request_id: Box<str>,
        /// The id of the socket.
        sid: Box<str>,
        /// The room to join.
        room: Box<str>,
    },
    /// Type 3: sockets leave rooms.
    Leave {
        /// The sockets.
        opts: Opts,
        /// The rooms to leave.
        rooms: Vec<Box<str>>,
    },
    /// Type 3, old form: one socket leaves a room. Answered by the server that has the socket.
    LeaveOne {
        /// The id of the request.
        request_id: Box<str>,
        /// The id of the socket.
        sid: Box<str>,
        /// The room to leave.
        room: Box<str>,
    },
    /// Type 4: sockets are disconnected from the namespace.
    Disconnect {
        /// The sockets.
        opts: Opts,
        /// Whether their connections are closed as well.
        close: bool,
    },
    /// Type 4, old form: one socket is disconnected from the namespace. Answered by the server that has the socket.
    DisconnectOne {
        /// The id of the request.
        request_id: Box<str>,
        /// The id of the socket.
        sid: Box<str>,
        /// Whether its connection is closed as well.
        close: bool,
    },
    /// Type 5: describe sockets. Answered by every other server.
    Fetch {
        /// The id of the request.
        request_id: Box<str>,
        /// The sockets.
        opts: Opts,
    },
    /// Type 6: an event for the other servers themselves.
    ServerSideEmit {
        /// The id of the request, if an acknowledgement is wanted: then every other server answers.
        request_id: Option<Box<str>>,
        /// The event. It contains no binary data, and its name is not [reserved](is_reserved_server_side).
        event: Event,
    },
    /// Type 7: a broadcast with acknowledgements. Every other server answers with the number of its clients that got
    /// it, then with each client's answer.
    Broadcast {
        /// The id of the request.
        request_id: Box<str>,
        /// The broadcast.
        broadcast: Broadcast,
    },
    /// Type 200, among kinglets: the sender has ended, or has left the namespace, and Redis has confirmed that it is
    /// not counted any more. It has no answer; Node does not know the type and ignores it.
    Goodbye {
        /// How long the sender was counted without a break; in microseconds on the wire.
        stayed: Duration,
    },
}

/// Whether a name is reserved for what servers hear of themselves: such events are refused in both directions.
pub fn is_reserved_server_side(event: &str) -> bool {
    matches!(event, "connect" | "connection" | "new_namespace")
}
