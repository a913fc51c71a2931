//! The cluster, as the application meets it: what other servers ask is done here (`received`, `requests`), and what this one
//! asks of them is gathered (`questions`, `acknowledgements`, `server_events`, `counts`).
//!
//! What comes from Redis is handled on the subscriber's thread, as far as it needs no shard.

mod acknowledgements;
mod counts;
mod local;
mod questions;
mod received;
mod reply;
mod requests;
mod server_events;

pub(super) use acknowledgements::ask_for_acks;
pub(super) use questions::{Question, gather_all};
pub(crate) use received::{deaf, receive};
