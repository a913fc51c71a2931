//! Questions to all shards of this server, or to those of all servers: the answers are collected until all are there or
//! the time is up.

use std::rc::Rc;
use std::sync::Arc;

use super::collecting::{Collecting, end_after};
use crate::app::base::{Failure, Subject, everywhere, guard};
use crate::cluster::message::{Answer, Ask, Extent};
use crate::cluster::redis::Uncounted;
use crate::shard::{Collection, Ended, Others, Shard, Shared, Shortfall};

/// What the other servers are asked.
pub(in crate::app) struct Question<T> {
    pub(in crate::app) ask: Ask,
    /// What an answer says. `None` if it is no answer to this.
    pub(in crate::app) read: fn(Answer, Extent) -> Option<Vec<T>>,
}

/// Collects what the shards have, and calls `finish` with it on one of them. `carried`: bytes that `ask` holds beside
/// itself.
pub(in crate::app) fn collect_here<T: Send + 'static>(
    shared: &Arc<Shared>,
    carried: usize,
    ask: impl Fn(&Rc<Shard>) -> Vec<T> + Send + Sync + 'static,
    finish: impl FnOnce(Vec<T>) -> Failure + Send + 'static,
) {
    let finish = move |shard: &Rc<Shard>, answers, _| {
        guard(shard, Subject::Nobody, "what was asked of all shards", || finish(answers));
    };
    let collection = Collection::new(shared, shared.mailboxes.len(), Others::NONE, finish);
    ask_shards(shared, carried, ask, collection);
}

/// Collects what the shards have, and if there is a question, what the other servers answer to it. `finish` is called
/// on one of the shards, with everything and with how many servers are missing, if that is known. `carried`: bytes that
/// `ask` holds beside itself.
pub(in crate::app) fn collect_all<T: Send + 'static>(
    shared: &Arc<Shared>,
    namespace: &str,
    carried: usize,
    ask: impl Fn(&Rc<Shard>) -> Vec<T> + Send + Sync + 'static,
    question: Option<Question<T>>,
    finish: impl FnOnce(Vec<T>, Option<usize>) -> Failure + Send + 'static,
) {
    let Some(Question { ask: question, read }) = question.filter(|_| shared.cluster.is_some()) else {
        return collect_here(shared, carried, ask, |answers| finish(answers, Some(0)));
    };
    let finish = move |shard: &Rc<Shard>, answers, shortfall: Shortfall| {
        if let (Some(cluster), Ended::Overdue) = (&shard.shared.cluster, shortfall.ended) {
            cluster.counters.timeouts.one();
        }
        guard(shard, Subject::Nobody, "what was asked of all servers", || finish(answers, shortfall.servers));
    };
    let collection = Collection::new(shared, shared.mailboxes.len(), Others::Awaited, finish);
    ask_shards(shared, carried, ask, Arc::clone(&collection));
    let timeout = shared.config.limits.requests_timeout;
    let (shared, uncounted) = (Arc::clone(shared), Uncounted::Dropped);
    let collecting = Arc::new(Collecting { shared, collection, uncounted, timeout });
    let hear = move |collection: &Collection<T>, answer, extent, bytes| {
        read(answer, extent).is_some_and(|answers| collection.server_spoke(0, answers, bytes, extent))
    };
    Arc::clone(&collecting).ask_others(namespace, hear, question);
    end_after(&collecting.shared, timeout, &collecting.collection);
}

/// Asks every shard for its part.
fn ask_shards<T: Send + 'static>(
    shared: &Arc<Shared>,
    carried: usize,
    ask: impl Fn(&Rc<Shard>) -> Vec<T> + Send + Sync + 'static,
    collection: Arc<Collection<T>>,
) {
    everywhere(shared, carried, move |shard| {
        if collection.shard_spoke(0, ask(shard)) {
            collection.end(shard);
        }
    });
}
