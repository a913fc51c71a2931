//! A Socket.IO server that is at home on the smallest machine money can rent.

pub mod engineio;
pub mod shard;
pub mod socketio;
