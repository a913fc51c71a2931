//! Socket.IO sockets: namespaces, rooms, acknowledgements, who is meant, and sending to many.

pub(in crate::shard) mod acks;
pub(in crate::shard) mod collections;
pub(in crate::shard) mod connects;
pub(in crate::shard) mod delivery;
pub(in crate::shard) mod descriptions;
pub(in crate::shard) mod endings;
pub(in crate::shard) mod entries;
pub(in crate::shard) mod hearing;
pub(in crate::shard) mod identity;
pub(in crate::shard) mod ids;
pub(in crate::shard) mod joins;
pub(in crate::shard) mod kept;
pub(in crate::shard) mod life;
pub(in crate::shard) mod members;
pub(in crate::shard) mod namespaces;
pub(in crate::shard) mod outgoing;
pub(in crate::shard) mod room_changes;
pub(in crate::shard) mod target;
