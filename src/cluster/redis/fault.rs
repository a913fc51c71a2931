//! Why there is no connection to Redis.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::log_line::Excerpt;

/// Why a connection to Redis failed or ended. Its text says what to check, and contains no password; text from the
/// other side is cut and escaped.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The host's name has no address, or the name server did not answer.
    #[error("no address is known for {host}: {reason}")]
    Name {
        /// The host.
        host: String,
        /// What the resolver said.
        reason: Arc<io::Error>,
    },
    /// Nothing listens there, or the network blocks it.
    #[error("cannot connect to {address}: {reason}")]
    Connect {
        /// The address tried last.
        address: SocketAddr,
        /// What the operating system said.
        reason: Arc<io::Error>,
    },
    /// Connecting and logging in took too long (`redis_connect_timeout`).
    #[error("no connection within {0:?} (KINGLET_REDIS_CONNECT_TIMEOUT)")]
    ConnectTimeout(Duration),
    /// The other side does not speak TLS as it should, or its certificate is not trusted.
    #[error("TLS failed: {}; KINGLET_REDIS_CA adds certificates to trust, and redis:// connects without TLS", Excerpt(.0))]
    Tls(String),
    /// The connection was closed before Redis had answered anything.
    #[error("closed before any answer; if Redis expects TLS, the address must begin with rediss://")]
    Unwelcome,
    /// Redis refused a command that the connection needs.
    #[error("{command} was refused: {}", Excerpt(.answer))]
    Refused {
        /// The command.
        command: &'static str,
        /// Redis's error.
        answer: String,
    },
    /// Redis was silent for this long while an answer was due (`redis_ping_timeout`).
    #[error("silent for {0:?} while an answer was due")]
    Silent(Duration),
    /// Redis closed the connection.
    #[error("Redis closed the connection")]
    Closed,
    /// The connection broke.
    #[error("the connection broke: {}", Excerpt(.0))]
    Broken(Arc<io::Error>),
    /// The received bytes are not Redis's protocol, or not an answer to the command.
    #[error("not Redis's protocol: {0}")]
    Protocol(&'static str),
    /// Something other than a message was longer than allowed (`redis_message`); a message would be skipped.
    #[error("an answer is longer than {0} bytes (KINGLET_REDIS_MESSAGE)")]
    TooLong(usize),
    /// It was stopped, or its thread has ended.
    #[error("stopped")]
    Stopped,
}

impl Fault {
    /// A connection that ended by an error of the operating system.
    pub(super) fn broken(error: io::Error) -> Self {
        Self::Broken(Arc::new(error))
    }
}
