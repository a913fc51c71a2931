//! Connection state recovery: what is kept for clients that may come back.

use std::time::Duration;

/// Connection state recovery, as in the Node server with its in-memory adapter: a client that lost its connection and
/// comes back soon gets its id, rooms and data back, and the events it missed. With Redis it may come back to another server
/// that has this on.
///
/// A client that has received no event yet is a new one, because it cannot say where it was. Events that are volatile or ask for
/// an acknowledgement do not count.
///
/// It costs the memory of what is kept ([`Limits::recovery_packets`](crate::Limits::recovery_packets),
/// [`Limits::recovery_sessions`](crate::Limits::recovery_sessions)), some 200 bytes for each connected socket, and one
/// more argument in every event that is neither volatile nor asks for an acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// How long a client may be away (`maxDisconnectionDuration`), and how long an event is kept. Default 2 minutes.
    /// Beyond: it connects as a new one, as does a client whose last event is older.
    pub max_disconnection_duration: Duration,
    /// Whether a client that has come back skips the middlewares (`skipMiddlewares`). Default yes: one whose token has been
    /// revoked meanwhile is let in again for as long as it may be away. One that comes back to another server skips them only
    /// if both have the same [`Config::peer_key`](crate::Config::peer_key), and if no [values](crate::Socket::insert) were kept
    /// with its socket.
    pub skip_middlewares: bool,
}

impl Default for Recovery {
    fn default() -> Self {
        Self { max_disconnection_duration: Duration::from_secs(120), skip_middlewares: true }
    }
}
