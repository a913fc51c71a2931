//! Broadcasts with collected acknowledgements: the part for clients of other servers.

use std::sync::Arc;
use std::time::Duration;

use crate::app::base::on_any_shard;
use crate::cluster::message::{Answer, Ask, Extent};
use crate::cluster::redis::{Connection, Standing, Uncounted};
use crate::cluster::{Asking, Wants};
use crate::log_line::no_random_numbers;
use crate::shard::{Collection, Shared};

/// Has the other servers send a broadcast to their clients, and collects those clients' answers with those of this server's. The
/// collection's end forgets the question.
pub(in crate::app) fn ask_for_acks(
    shared: &Arc<Shared>,
    namespace: &str,
    timeout: Duration,
    collection: &Arc<Collection>,
    question: Ask,
) {
    let Some(cluster) = &shared.cluster else { return };
    let (server, of_listener) = (Arc::clone(shared), Arc::clone(collection));
    let listener = move |answer, extent, _| {
        if extent == Extent::Part {
            of_listener.doubt();
        }
        if !hear(&of_listener, answer) {
            return Wants::More;
        }
        end(&server, &of_listener);
        Wants::NoMore
    };
    let asking = cluster.listen(namespace, Arc::new(listener)).inspect_err(no_random_numbers);
    let Ok(asking) = asking else { return };
    collection.asks_by(asking.id.clone());
    if asking.place.is_member() {
        // At once, in order with what else is sent, whether or not the answers will be heard.
        let connection = match cluster.standing(&asking.place) {
            Standing::InEffect(connection) => Some(connection),
            Standing::Pending | Standing::Away => None,
        };
        ask(shared, asking, question, connection, timeout, collection);
    } else {
        let (server, collection, place) = (Arc::clone(shared), Arc::clone(collection), Arc::clone(&asking.place));
        let heard = move |standing| {
            let connection = if let Standing::InEffect(connection) = standing { Some(connection) } else { None };
            ask(&server, asking, question, connection, timeout, &collection);
        };
        cluster.when_in_effect(&place, Box::new(heard));
    }
}

/// Notes an answer. Says whether it was the last.
fn hear(collection: &Collection, answer: Answer) -> bool {
    match answer {
        Answer::ClientCount(clients) => collection.asked(usize::try_from(clients).unwrap_or(usize::MAX)),
        Answer::Ack(arguments) => collection.answered(arguments),
        _ => false,
    }
}

/// Publishes the request, and counts who gets it. Others that cannot be counted may hear of it all the same: then the time ends
/// it.
fn ask(
    shared: &Arc<Shared>,
    asking: Asking,
    question: Ask,
    connection: Option<Connection>,
    timeout: Duration,
    collection: &Arc<Collection>,
) {
    let Some(cluster) = &shared.cluster else { return };
    let (server, collection, id) = (Arc::clone(shared), Arc::clone(collection), asking.id.clone());
    cluster.ask(&asking, question, Uncounted::Published, connection, timeout, move |census| {
        let Some(census) = census else { return };
        if census.absent != Some(0) {
            collection.doubt();
        }
        if collection.expect_others(census.others) {
            server.cluster.iter().for_each(|cluster| cluster.forget(&id));
            end(&server, &collection);
        }
    });
}

fn end(shared: &Arc<Shared>, collection: &Arc<Collection>) {
    let collection = Arc::clone(collection);
    // What it has collected is counted by the answer budget until then.
    on_any_shard(shared, 0, move |shard| collection.end(shard));
}
