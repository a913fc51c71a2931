//! Errors of the library.

use std::io;

/// An error of building, starting or stopping a server. Its text says what was wrong, with which value, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting that cannot be used.
    #[error("{name}={value:?} is not accepted: expected {expected}")]
    Setting {
        /// The variable or field.
        name: &'static str,
        /// What it was set to.
        value: String,
        /// What is accepted.
        expected: String,
    },
    /// A route that cannot be served.
    #[error("the route {path:?} cannot be served: {why}")]
    Route {
        /// The path that it was declared for.
        path: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// The server cannot listen on the address.
    #[error("cannot listen on {address}: {source}{}", advice(source))]
    Listen {
        /// The address asked for.
        address: std::net::SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The operating system refused something that the server needs.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// A shard panicked; this is a defect of the server.
    #[error("shard {0} ended by a panic")]
    Shard(usize),
}

/// What to do when the server cannot listen.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; another server is running there: stop it, or choose another port",
        io::ErrorKind::PermissionDenied => "; ports below 1024 are for privileged users: choose another",
        io::ErrorKind::AddrNotAvailable => "; the address is none of this machine's: choose another, or 0.0.0.0",
        _ => "",
    }
}

impl Error {
    pub(crate) fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { what, source }
    }
}

/// The result of building, starting or stopping a server.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an event or an acknowledgement could not be sent.
#[derive(Debug, thiserror::Error)]
pub enum EmitError {
    /// Socket.IO reserves the event's name.
    #[error("{0:?} is a reserved event name: choose another")]
    Reserved(String),
    /// The arguments cannot be written as JSON.
    #[error("the arguments cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The server's parser is MessagePack, which cannot hold the arguments ([`Config::parser`](crate::Config::parser)): they
    /// nest deeper than 128 levels, or hold an object that looks like the placeholder of an attachment beside binary data.
    #[error("the arguments cannot be written as MessagePack: {0}")]
    MessagePack(String),
    /// The event is for other servers and contains binary data.
    #[error("binary data cannot travel in an event for servers: send it to sockets, or as text")]
    Binary,
    /// The message is too long for the other servers of the cluster.
    #[error("{0}: send less, or with `local` to this server's clients alone")]
    TooLarge(#[from] TooLarge),
    /// The namespace was not declared.
    #[error(
        "no namespace {0:?}: declare it with Server::of before the server runs, or wait until a client has brought it into being"
    )]
    UnknownNamespace(String),
    /// The socket has left.
    #[error("the socket has disconnected")]
    Disconnected,
}

/// A message is too long for the other servers of a cluster: the queue has no room for it
/// ([`Limits::redis_queue`](crate::Limits::redis_queue)), or the others would skip it
/// ([`Limits::redis_message`](crate::Limits::redis_message)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message has {length} bytes for other servers, and may have {most} (redis_message, redis_queue)")]
pub struct TooLarge {
    /// Its length in bytes.
    pub length: usize,
    /// The limit in bytes.
    pub most: usize,
}

/// Why the arguments of an event do not fit its handler's parameter ([`Namespace::handle`](crate::Namespace::handle)).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("argument {argument}: {reason}")]
pub struct ArgsError {
    /// The argument's number; the first is 1.
    pub argument: usize,
    /// What it is, and what was expected: one line, cut after 200 characters.
    pub reason: String,
}

/// Why a request's body is not what its route asked for ([`Request::text`](crate::Request::text),
/// [`Request::json`](crate::Request::json)). A route's handler that returns it answers `400` with its text.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// It is not text.
    #[error("the body is not UTF-8: {0}")]
    Utf8(#[from] std::str::Utf8Error),
    /// It is not JSON, or does not fit the type.
    #[error("the body is not the JSON that is expected: {0}")]
    Json(#[from] serde_json::Error),
}

/// No value of a type is kept with a socket ([`Socket::require`](crate::Socket::require)): the program has not inserted it, or the
/// socket has left. It has the name of the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no {0} is kept with the socket: it was not inserted, or the socket has left")]
pub struct NoValue(pub &'static str);

impl NoValue {
    pub(crate) fn of<T>() -> Self {
        Self(std::any::type_name::<T>())
    }
}

/// Why a socket could not join a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// The socket is in as many rooms as a socket may be (`rooms_per_socket`).
    #[error("the socket is in {0} rooms already, as many as one may be (rooms_per_socket)")]
    RoomsOfSocket(usize),
    /// There are as many rooms as the server may have (`rooms`).
    #[error("there are {0} rooms already, as many as may be (rooms)")]
    Rooms(usize),
    /// The room's name is too long (`room_length`).
    #[error("the room's name has {length} bytes; it may have {most} (room_length)")]
    RoomLength {
        /// Bytes of the name.
        length: usize,
        /// How many it may have.
        most: usize,
    },
    /// The names of the socket's rooms would be too long together (`room_names`).
    #[error(
        "the names of the socket's rooms would have more than {0} bytes, as many as they may together (room_names)"
    )]
    RoomNames(usize),
    /// The client's session keeps as much memory as it may (`session_memory`).
    #[error("the session keeps as much as it may, {0} bytes (session_memory)")]
    SessionMemory(usize),
    /// The socket has left.
    #[error("the socket has disconnected")]
    Disconnected,
}

/// Why a socket's data could not be set. Its old data stays.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// It cannot be written as JSON.
    #[error("the data cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The client's session would keep more memory than it may (`session_memory`).
    #[error("with this data the session would keep more than it may, {0} bytes (session_memory)")]
    SessionMemory(usize),
}

/// Why no acknowledgement came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AckError {
    /// None came in time.
    #[error("operation has timed out")]
    Timeout,
    /// The socket left before it answered.
    #[error("socket has been disconnected")]
    Disconnected,
    /// Newer events took its place: a socket may have only so many pending acknowledgements (`unanswered_acks`).
    #[error("dropped: too many unanswered acknowledgements")]
    Dropped,
}

/// Why a handle cannot ask for the state of its socket on this thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// This thread serves other sockets, and must not wait for the thread that serves this one.
    #[error(
        "the thread of an event loop must not wait for the event loop that serves the socket: ask in a blocking handler or on \
         a thread of your own, or use fetch_sockets"
    )]
    EventLoop,
    /// The socket is on another server of the cluster.
    #[error("the socket is on another server, which only fetch_sockets can ask")]
    Elsewhere,
}

/// Why a thread did not get an answer that it waited for ([`Pending`](crate::Pending)).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WaitError<E> {
    /// There is no answer, for this reason.
    #[error(transparent)]
    NoAnswer(E),
    /// It has not come yet. It may be waited for again.
    #[error("the answer has not come yet")]
    NotYet,
    /// None comes any more: the server has stopped, or the answer was received before.
    #[error("no answer comes any more: the server has stopped, or it was received before")]
    Closed,
    /// This thread serves sockets, and must not wait.
    #[error(
        "the thread of an event loop must not wait for an answer: wait in a blocking handler or on a thread of your own, or \
         have emit_with_ack call a callback"
    )]
    EventLoop,
}
