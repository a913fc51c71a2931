//! How the other servers are asked for their parts of a collection: they are listened to, get a request, and are
//! counted.

use std::sync::Arc;
use std::time::Duration;

use crate::app::base::on_any_shard;
use crate::cluster::message::{Answer, Ask, Extent};
use crate::cluster::redis::{Standing, Uncounted};
use crate::cluster::{Asking, Census, Wants};
use crate::log_line::no_random_numbers;
use crate::shard::{Collection, Shared};

/// A collection in which other servers have parts.
pub(super) struct Collecting<T> {
    pub(super) shared: Arc<Shared>,
    pub(super) collection: Arc<Collection<T>>,
    /// What happens to the request if the others cannot be counted. If it is published, they may answer all the same,
    /// and the collection ends when its time is up. If it is dropped, they are not waited for.
    pub(super) uncounted: Uncounted,
    /// How long the count may take.
    pub(super) timeout: Duration,
}

impl<T: Send + 'static> Collecting<T> {
    /// Asks the others. `hear` notes an answer, which takes so many bytes, and says whether the collection is complete
    /// by that.
    pub(super) fn ask_others(
        self: Arc<Self>,
        namespace: &str,
        hear: impl Fn(&Collection<T>, Answer, Extent, usize) -> bool + Send + Sync + 'static,
        question: Ask,
    ) {
        let Some(cluster) = &self.shared.cluster else { return };
        let this = Arc::clone(&self);
        let listener = move |answer, extent, bytes| {
            if !hear(&this.collection, answer, extent, bytes) {
                return Wants::More;
            }
            this.end();
            Wants::NoMore
        };
        match cluster.listen(namespace, Arc::new(listener)) {
            Ok(asking) => {
                self.collection.asks_by(asking.id.clone());
                self.publish_in_time(asking, question);
            }
            Err(error) => {
                no_random_numbers(&error);
                self.counted(None);
            }
        }
    }

    /// Publishes the request once the answers can be heard, or at once, if it is published in any case: then it is in
    /// order with what else is sent. A guest is not heard of before.
    fn publish_in_time(self: Arc<Self>, asking: Asking, question: Ask) {
        let Some(cluster) = &self.shared.cluster else { return };
        let (this, place) = (Arc::clone(&self), Arc::clone(&asking.place));
        let publish = move |standing| this.publish(&asking, question, standing);
        if self.uncounted == Uncounted::Published && place.is_member() {
            publish(cluster.standing(&place));
        } else {
            cluster.when_in_effect(&place, Box::new(publish));
        }
    }

    /// Publishes the request, and counts the servers that get it.
    fn publish(self: Arc<Self>, asking: &Asking, question: Ask, standing: Standing) {
        let Some(cluster) = &self.shared.cluster else { return };
        let connection = match standing {
            Standing::InEffect(connection) => Some(connection),
            Standing::Pending | Standing::Away => None,
        };
        if connection.is_none() && self.uncounted == Uncounted::Dropped {
            return self.counted(None);
        }
        let this = Arc::clone(&self);
        let receive = move |census| this.counted(census);
        cluster.ask(asking, question, self.uncounted, connection, self.timeout, receive);
    }

    /// The others are counted, or cannot be.
    fn counted(&self, census: Option<Census>) {
        let complete = match (census, self.uncounted) {
            (Some(Census { others, absent }), _) => self.collection.count_others(others, absent),
            (None, Uncounted::Dropped) => self.collection.give_up_others(),
            (None, Uncounted::Published) => false,
        };
        if complete {
            self.end();
        }
    }

    fn end(&self) {
        let collection = Arc::clone(&self.collection);
        // What it has collected is counted by the answer budget until then.
        on_any_shard(&self.shared, 0, move |shard| collection.end(shard));
    }
}

/// Ends a collection when its time is up.
pub(in crate::app) fn end_after<T: Send + 'static>(
    shared: &Arc<Shared>,
    timeout: Duration,
    collection: &Arc<Collection<T>>,
) {
    let collection = Arc::clone(collection);
    on_any_shard(shared, 0, move |shard| collection.end_in(shard, timeout));
}
