//! Broadcasts with collected acknowledgements: the part for clients of other servers.

use std::sync::Arc;
use std::time::Duration;

use super::collecting::Collecting;
use crate::cluster::message::{Answer, Ask, Extent};
use crate::cluster::redis::Uncounted;
use crate::shard::{Collection, Shared};
use crate::socketio::Arguments;

/// Has the other servers send a broadcast to their clients, and collects those clients' answers with those of this
/// server's.
pub(in crate::app) fn ask_for_acks(
    shared: &Arc<Shared>,
    namespace: &str,
    timeout: Duration,
    collection: &Arc<Collection<Arguments>>,
    question: Ask,
) {
    let (shared, collection) = (Arc::clone(shared), Arc::clone(collection));
    let collecting = Collecting { shared, collection, uncounted: Uncounted::Published, timeout };
    Arc::new(collecting).ask_others(
        namespace,
        |collection, answer, extent, _| hear(collection, answer, extent),
        question,
    );
}

/// Notes an answer. Says whether it was the last.
fn hear(collection: &Collection<Arguments>, answer: Answer, extent: Extent) -> bool {
    match answer {
        Answer::ClientCount(clients) => {
            let clients = usize::try_from(clients).unwrap_or(usize::MAX);
            collection.server_spoke(clients, Vec::new(), 0, extent)
        }
        Answer::Ack(arguments) => collection.client_answered(&arguments),
        _ => false,
    }
}
