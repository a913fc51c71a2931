//! What comes from other servers: delivered (`received`), done and answered (`requests`).
//!
//! It is handled on the subscriber's thread, as far as it needs no shard.

mod received;
mod reply;
mod requests;

pub(crate) use self::received::{lost, receive};
