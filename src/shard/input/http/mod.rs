//! Requests: handshakes, polls, POSTs, and their answers.

pub(in crate::shard) mod answers;
pub(in crate::shard) mod bodies;
pub(in crate::shard) mod client_address;
pub(in crate::shard) mod deferred;
#[cfg(any(test, fuzzing))]
pub(in crate::shard) mod fuzz;
pub(in crate::shard) mod handshakes;
pub(in crate::shard) mod mistaken;
pub(in crate::shard) mod permission;
pub(in crate::shard) mod posts;
pub(in crate::shard) mod relays;
pub(in crate::shard) mod requests;
pub(in crate::shard) mod routes;

/// The result of handling a part of a connection's bytes.
pub(in crate::shard::input) enum Step {
    /// So many bytes were used; what follows may be handled.
    Used(usize),
    /// More bytes are needed, or an answer must leave first.
    Wait,
    /// The connection is a WebSocket from here on.
    WebSocket(usize),
    /// The connection takes no more bytes here.
    Over,
    /// The connection has moved to another shard, and its request with it.
    Moved,
}
