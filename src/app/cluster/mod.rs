//! The cluster, as the application meets it: what other servers ask is done here (`received`, `requests`), and what this one
//! asks of them is gathered (`questions`, `acknowledgements`, `server_events`, `counts`).
//!
//! What comes from Redis is handled on the subscriber's thread, as far as it needs no shard.

mod acknowledgements;
mod counts;
mod local;
mod missing;
mod questions;
mod received;
mod reply;
mod requests;
mod server_events;

pub(super) use acknowledgements::ask_for_acks;
pub use missing::MissingServers;
pub(super) use questions::{Question, gather_all};
pub(crate) use received::{deaf, receive};

use std::rc::Rc;
use std::sync::Arc;

use crate::shard::{Letter, Shard, Shared};

/// Acts on a shard: at once if this thread runs one, else on the first. `carried`: bytes that `act` holds beside itself.
pub(super) fn on_any_shard(shared: &Arc<Shared>, carried: usize, act: impl FnOnce(&Rc<Shard>) + Send + 'static) {
    match Shard::current(shared) {
        Some(current) => act(&current),
        None => {
            if let Some(mailbox) = shared.mailboxes.first() {
                mailbox.send(Letter::run(carried, act));
            }
        }
    }
}
