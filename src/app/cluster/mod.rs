//! The cluster, as the application meets it: what other servers ask is done here (`received`, `requests`), and what this one
//! asks of them is gathered (`questions`, `server_events`).
//!
//! What comes from Redis is handled on the subscriber's thread, as far as it needs no shard.

mod questions;
mod received;
mod requests;
mod server_events;

pub use questions::MissingServers;
pub(super) use questions::{Question, gather_all, listen_for_acks};
pub(crate) use received::receive;

use std::rc::Rc;
use std::sync::Arc;

use crate::shard::{Letter, Shard, Shared};

/// Acts on a shard: at once if this thread runs one, else on the first. `carried`: bytes that `act` holds beside itself.
fn on_any_shard(shared: &Arc<Shared>, carried: usize, act: impl FnOnce(&Rc<Shard>) + Send + 'static) {
    match Shard::current(shared) {
        Some(current) => act(&current),
        None => {
            if let Some(mailbox) = shared.mailboxes.first() {
                mailbox.send(Letter::run(carried, act));
            }
        }
    }
}
