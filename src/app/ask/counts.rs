//! How many servers have a namespace.

use std::sync::{Arc, Mutex, PoisonError};

use crate::app::base::{Failure, MissingServers, Subject, guard, on_any_shard};
use crate::cluster::redis::{Connection, Standing};
use crate::cluster::{Census, Membership, Place};
use crate::shard::Shared;

/// Finds out how many servers have a namespace, this one among them if it has it.
pub(in crate::app) fn count_servers(
    shared: &Arc<Shared>,
    cluster: &Membership,
    namespace: &str,
    receive: impl FnOnce(Result<usize, MissingServers<usize>>) -> Failure + Send + 'static,
) {
    let place = cluster.outlook(namespace);
    let own = usize::from(place.is_member());
    let count = Arc::new(Count { shared: Arc::clone(shared), own, receive: Mutex::new(Some(Box::new(receive))) });
    count.end_in_time();
    if place.is_member() {
        let (this, counted) = (Arc::clone(&count), Arc::clone(&place));
        let heard = move |standing| match standing {
            Standing::InEffect(connection) => this.count(counted, connection),
            Standing::Pending | Standing::Away => this.end(None),
        };
        cluster.when_in_effect(&place, Box::new(heard));
    } else {
        count.count(place, Connection::none());
    }
}

/// What is called with the number of servers.
type Receive = Box<dyn FnOnce(Result<usize, MissingServers<usize>>) -> Failure + Send>;

/// A count that is under way.
struct Count {
    shared: Arc<Shared>,
    /// This server, if it has the namespace.
    own: usize,
    /// `None` when it is over.
    receive: Mutex<Option<Receive>>,
}

impl Count {
    fn count(self: Arc<Self>, place: Arc<Place>, connection: Connection) {
        let Some(cluster) = &self.shared.cluster else { return };
        let this = Arc::clone(&self);
        let timeout = self.shared.config.limits.requests_timeout;
        cluster.count(&place, connection, timeout, move |census| this.end(census));
    }

    /// Hands over what is known, unless that was done before.
    fn end(&self, census: Option<Census>) {
        let receive = self.receive.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(receive) = receive else { return };
        let known = self.own + census.map_or(0, |census| census.others);
        let missing = census.and_then(|census| census.absent);
        on_any_shard(&self.shared, 0, move |shard| {
            guard(shard, Subject::Nobody, "the number of servers", || receive(MissingServers::check(known, missing)));
        });
    }

    fn end_in_time(self: &Arc<Self>) {
        let this = Arc::clone(self);
        on_any_shard(&self.shared, 0, move |shard| {
            let timeout = shard.shared.config.limits.requests_timeout;
            shard.with(|core| core.alarm_in(timeout, move |_| this.end(None)));
        });
    }
}
