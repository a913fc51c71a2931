//! What a client of a test may meet.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::error::EmitError;

/// Why a client of a test could not do what it was to do.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens on the address.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The request is none, because of a header or the path that it was given.
    #[error("the handshake cannot be sent: {0}")]
    Request(String),
    /// The server refused the handshake: a limit, an origin, or [`Server::allow_request`](crate::Server::allow_request).
    #[error("the handshake was answered with {status}: {body}")]
    Handshake {
        /// The status of the answer.
        status: u16,
        /// The body of the answer.
        body: String,
    },
    /// The server refused the socket: a middleware did, there is no such namespace, or a limit was met. Official
    /// clients hear of it as `connect_error`.
    #[error("connect_error: {message}")]
    Refused {
        /// The refusal's message.
        message: String,
        /// The refusal's data.
        data: Option<serde_json::Value>,
    },
    /// What the client waited for did not come in time.
    #[error("no {awaited} within {after:?}{}", meanwhile(waiting))]
    Timeout {
        /// What it waited for.
        awaited: String,
        /// How long it waited.
        after: Duration,
        /// The names of the events that have come and that nobody has taken.
        waiting: Vec<String>,
    },
    /// The server did not read what the client sends. It does so while much waits for the client, which must take it
    /// ([`Client::next`](super::Client::next)).
    #[error(
        "the server did not read within {after:?}: while much waits for this client, it does not, so take that first"
    )]
    Unread {
        /// How long the client tried to send.
        after: Duration,
    },
    /// The socket is disconnected.
    #[error("the socket is disconnected: {0}")]
    Disconnected(End),
    /// The arguments cannot be written, or the event's name is reserved.
    #[error(transparent)]
    Emit(#[from] EmitError),
    /// The server sent something that is no Socket.IO.
    #[error("the server sent {0}")]
    Protocol(String),
}

/// How a socket ended. Its text is the reason that official clients give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The server disconnected the socket.
    ByServer,
    /// The connection was closed: by the server, with the code of the close frame if there was one, or by the client
    /// itself.
    Connection(Option<u16>),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByServer => f.write_str("io server disconnect"),
            Self::Connection(None) => f.write_str("transport close"),
            Self::Connection(Some(code)) => write!(f, "transport close ({code})"),
        }
    }
}

fn meanwhile(waiting: &[String]) -> String {
    match waiting {
        [] => ", nor any other event".to_owned(),
        names => format!(", but {names:?}"),
    }
}
