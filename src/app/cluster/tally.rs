//! The number of the other servers, made sure of.

use std::sync::Arc;
use std::time::Duration;

use super::on_any_shard;
use crate::cluster::redis::Connection;
use crate::cluster::{Absent, Census, Place};
use crate::shard::Shared;

/// How often others that may have lost their connection are counted again: a server that has ended does not come back.
const LOOKS: u32 = 5;
/// The time between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// What the other servers are known to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    /// How many were counted.
    pub(super) others: usize,
    /// How many more there are, which were not reached.
    pub(super) absent: usize,
    /// How many were counted last.
    pub(super) now: usize,
}

/// Makes sure of a census of `place`, which this server heard by `connection`: if there were more others before, they are counted
/// again for half a second. `then` is called with what came of it; `None` if that is unknown.
pub(super) fn make_sure(
    shared: &Arc<Shared>,
    place: &Arc<Place>,
    connection: Connection,
    census: Option<Census>,
    then: impl FnOnce(Option<Tally>) + Send + 'static,
) {
    let Some(Census { others, absent }) = census else { return then(None) };
    let tally = |absent| Tally { others, absent, now: others };
    match absent {
        Absent::Nobody => then(Some(tally(0))),
        Absent::OnTheirWay(absent) => then(Some(tally(absent))),
        Absent::Perhaps(absent) => {
            let (shared, place) = (Arc::clone(shared), Arc::clone(place));
            let then = Box::new(then);
            Recount { shared, place, connection, before: tally(absent), looks: LOOKS, then }.look_later();
        }
    }
}

/// Others that are counted again. Who comes back was not reached; who does not is gone.
struct Recount {
    shared: Arc<Shared>,
    place: Arc<Place>,
    connection: Connection,
    before: Tally,
    /// How often they are still counted.
    looks: u32,
    then: Box<dyn FnOnce(Option<Tally>) + Send>,
}

impl Recount {
    fn look_later(self) {
        let shared = Arc::clone(&self.shared);
        on_any_shard(&shared, 0, move |shard| {
            let mut core = shard.core.borrow_mut();
            let deadline = core.now + PAUSE;
            core.arm_alarm(deadline, move |_| self.look());
        });
    }

    fn look(self) {
        let shared = Arc::clone(&self.shared);
        let Some(cluster) = &shared.cluster else { return };
        let place = Arc::clone(&self.place);
        cluster.count(&place, self.connection, shared.config.limits.requests_timeout, move |census| self.saw(census));
    }

    fn saw(mut self, census: Option<Census>) {
        // Without a count all that were there before are missing.
        let Some(Census { others: now, .. }) = census else { return (self.then)(Some(self.before)) };
        self.looks -= 1;
        if now <= self.before.others && self.looks > 0 {
            return self.look_later();
        }
        self.place.believe(now, self.connection);
        let absent = now.saturating_sub(self.before.others);
        (self.then)(Some(Tally { absent, now, ..self.before }));
    }
}
