//! Endings: deadlines of connections, the drain, and the stop of the server.

pub(in crate::shard) mod deadlines;
pub(in crate::shard) mod drain;
pub(in crate::shard) mod life;
mod marks;
pub(in crate::shard) mod signals;
pub(in crate::shard) mod stop;
