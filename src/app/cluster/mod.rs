//! Messages from other servers: events are delivered (`received`), requests are carried out and answered (`requests`).
//!
//! They are handled on the subscriber's thread, except for what needs a shard.

mod received;
mod requests;

pub(crate) use self::received::{lost, receive};
