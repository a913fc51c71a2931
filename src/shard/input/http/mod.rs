//! Requests: handshakes, polls, POSTs, and their answers.

pub(in crate::shard) mod answers;
pub(in crate::shard) mod bodies;
pub(in crate::shard) mod client_address;
pub(in crate::shard) mod deferred;
pub(in crate::shard) mod handshakes;
pub(in crate::shard) mod mistaken;
pub(in crate::shard) mod posts;
pub(in crate::shard) mod requests;
