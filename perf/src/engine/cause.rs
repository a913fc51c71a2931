//! Why a client is not connected.

use std::io;

use thiserror::Error;

use crate::wire::{FrameError, HttpError};

/// Why a client is not, or no longer, connected.
#[derive(Debug, Error)]
pub enum Cause {
    /// The load asked for it, and the server agreed.
    #[error("left when told to")]
    Asked,
    /// The socket failed.
    #[error("{0}")]
    Socket(#[from] io::Error),
    /// The server closed the connection.
    #[error("the server closed the connection")]
    Closed,
    /// The server closed the session or the namespace.
    #[error("the server ended the session")]
    Ended,
    /// No heartbeat came in time.
    #[error("no heartbeat within pingInterval and pingTimeout")]
    Silent,
    /// The handshake took too long.
    #[error("the handshake did not end within 30 s")]
    Late,
    /// The server did not answer the farewell.
    #[error("the server did not close the connection within 5 s")]
    Lingering,
    /// The server answered with an error.
    #[error("HTTP status {0}: {1}")]
    Status(u16, String),
    /// The namespace was refused.
    #[error("the namespace is refused: {0}")]
    Refused(String),
    /// An answer that no server may give.
    #[error("{0}")]
    Frame(#[from] FrameError),
    /// An answer that is not HTTP.
    #[error("{0}")]
    Http(#[from] HttpError),
    /// Something unexpected during the handshake.
    #[error("{0}")]
    Handshake(&'static str),
}
