//! Bytes in: who is read when, and what requests, WebSocket messages and packets mean.

pub(in crate::shard) mod http;
pub(in crate::shard) mod packets;
pub(in crate::shard) mod reading;
pub(in crate::shard) mod websocket;
