//! TCP connections: how they come in, what waits for them, and how it is written.

pub(in crate::shard) mod accept;
pub(in crate::shard) mod addresses;
pub(in crate::shard) mod charge;
pub(in crate::shard) mod connection;
pub(in crate::shard) mod handoff;
pub(in crate::shard) mod outbox;
pub(in crate::shard) mod progress;
pub(in crate::shard) mod socket;
pub(in crate::shard) mod spares;
pub(in crate::shard) mod write;
