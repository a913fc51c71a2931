//! TCP connections: how they come in, what waits for them, and how it is written.

pub(in crate::shard) mod accept;
pub(in crate::shard) mod addresses;
pub(in crate::shard) mod answers;
pub(in crate::shard) mod apart;
pub(in crate::shard) mod burial;
pub(in crate::shard) mod charge;
pub(in crate::shard) mod connection;
pub(in crate::shard) mod cuts;
pub(in crate::shard) mod deadlines;
pub(in crate::shard) mod handoff;
pub(in crate::shard) mod line;
pub(in crate::shard) mod outbox;
pub(in crate::shard) mod packets;
pub(in crate::shard) mod progress;
pub(in crate::shard) mod shut;
pub(in crate::shard) mod slow;
pub(in crate::shard) mod socket;
pub(in crate::shard) mod spares;
pub(in crate::shard) mod websocket;
pub(in crate::shard) mod write;
