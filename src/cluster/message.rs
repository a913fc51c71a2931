//! Messages between the servers of a cluster, in no particular format: events for sockets, questions, answers.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::value::RawValue;

use super::serial::Serial;
use crate::socketio::{Arguments, Event};

/// The target sockets of a namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// The rooms, of which a socket is in at least one; none: all sockets. A socket's id is a room.
    pub(crate) rooms: Vec<Box<str>>,
    /// The rooms of which a socket is in none.
    pub(crate) except: Vec<Box<str>>,
}

/// How an event is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Manner {
    /// Whether clients that are not ready to receive are left out.
    pub(crate) volatile: bool,
    /// Whether it may be compressed.
    pub(crate) compress: bool,
    /// Whether its target is one socket of another server, which the program has as a remote socket.
    pub(crate) to_one: bool,
}

/// An event for sockets of other servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Emission {
    /// The event. Its name is not reserved.
    pub(crate) event: Event,
    pub(crate) chosen: Chosen,
    pub(crate) manner: Manner,
    /// Its number among those of its publisher, if that gives numbers.
    pub(crate) serial: Option<Serial>,
}

/// A question to the other servers of a namespace, or something for them to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Which rooms are there? Answered by [`Answer::Rooms`].
    Rooms,
    /// Describe these sockets. Answered by [`Answer::Sockets`].
    Describe(Chosen),
    /// Sockets join rooms, leave rooms, or are disconnected. Only [`Whom::One`] is answered.
    Change { whom: Whom, change: Change },
    /// An event for the servers themselves, without binary data. Answered by [`Answer::Value`] if an answer is wanted.
    Event(Event),
    /// An event for sockets, with acknowledgements. Answered by [`Answer::ClientCount`], then by one [`Answer::Ack`] for
    /// each client that acknowledges it.
    Emit {
        emission: Emission,
        /// Timeout for the acknowledgements.
        timeout: Option<Duration>,
    },
}

/// The target of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whom {
    Chosen(Chosen),
    /// The socket with this id. Its server answers [`Answer::Done`]; the others do not answer.
    One(Box<str>),
}

/// A change to sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Join(Vec<Box<str>>),
    Leave(Vec<Box<str>>),
    /// They are disconnected from the namespace, and with `close` their connections are closed as well.
    Disconnect {
        close: bool,
    },
}

impl Change {
    /// Bytes on the heap.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Join(rooms) | Self::Leave(rooms) => rooms.iter().map(|room| size_of::<Box<str>>() + room.len()).sum(),
            Self::Disconnect { .. } => 0,
        }
    }
}

/// One server's answer.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// All its rooms, including those of single sockets.
    Rooms(Vec<Box<str>>),
    Sockets(Vec<Described>),
    /// It is done.
    Done,
    /// The acknowledgement of an event for servers, if any, as JSON.
    Value(Option<Box<RawValue>>),
    /// The number of its clients that got the event.
    ClientCount(u64),
    /// A client's acknowledgement. Only the first argument is sent.
    Ack(Arguments),
}

/// How complete a server's answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All.
    Whole,
    /// As much as the server can give. Only kinglets say so, and only to kinglets: Node servers would take it for
    /// everything.
    Part,
}

/// The description of a socket, for other servers.
#[derive(Debug, Clone)]
pub(crate) struct Described {
    pub(crate) id: Box<str>,
    pub(crate) handshake: DescribedHandshake,
    /// The rooms it is in, its own included.
    pub(crate) rooms: Vec<Box<str>>,
    /// The client's authentication data for the namespace, as JSON.
    pub(crate) auth: Option<Box<RawValue>>,
    /// The program's data, as JSON.
    pub(crate) data: Option<Box<RawValue>>,
}

/// The description of the request that opened a session.
#[derive(Debug, Clone)]
pub(crate) struct DescribedHandshake {
    /// The request's target: path and query.
    pub(crate) url: String,
    /// The headers, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// The client's address.
    pub(crate) address: IpAddr,
    /// Whether the request came from a page of another origin.
    pub(crate) cross_origin: bool,
    /// Whether the connection was encrypted.
    pub(crate) secure: bool,
    /// When the session was opened: time since the Unix epoch.
    pub(crate) issued: Duration,
}
