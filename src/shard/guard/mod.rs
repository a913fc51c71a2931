//! What keeps the server in its bounds: memory, slow clients, what is half sent, handlers that take long.

pub(in crate::shard) mod assembly;
pub(in crate::shard) mod census;
pub(in crate::shard) mod hold_up;
pub(in crate::shard) mod memory_guard;
pub(in crate::shard) mod stopwatch;
pub(in crate::shard) mod unfinished;
