//! The number of the other servers, made sure of.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::on_any_shard;
use crate::cluster::redis::Connection;
use crate::cluster::{Absent, Census, Place};
use crate::shard::{Shard, Shared};

/// How long others that have lost their connection are given to come back: a server that has ended does not.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

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
/// again. `then` is called with what came of it; `None` if that is unknown.
pub(super) fn make_sure(
    shared: &Arc<Shared>,
    place: &Arc<Place>,
    connection: Connection,
    census: Option<Census>,
    then: impl FnOnce(Option<Tally>) + Send + 'static,
) {
    let Some(Census { others, absent }) = census else { return then(None) };
    let tally = move |absent| Tally { others, absent, now: others };
    match absent {
        Absent::Nobody => then(Some(tally(0))),
        Absent::OnTheirWay(absent) => then(Some(tally(absent))),
        Absent::Perhaps(absent) => {
            let place = Arc::clone(place);
            on_any_shard(shared, 0, move |shard| {
                let again = move |shard: &Rc<Shard>| count_again(&shard.shared, place, connection, tally(absent), then);
                let mut core = shard.core.borrow_mut();
                let deadline = core.now + AGAIN_AFTER;
                core.arm_alarm(deadline, again);
            });
        }
    }
}

/// Counts the others again. Who has come back meanwhile was not reached; who has not is gone.
fn count_again(
    shared: &Arc<Shared>,
    place: Arc<Place>,
    connection: Connection,
    before: Tally,
    then: impl FnOnce(Option<Tally>) + Send + 'static,
) {
    let Some(cluster) = &shared.cluster else { return };
    let counted = Arc::clone(&place);
    cluster.count(&place, connection, shared.config.limits.requests_timeout, move |census| {
        let Some(Census { others: now, .. }) = census else { return then(Some(before)) };
        counted.believe(now, connection);
        then(Some(Tally { absent: now.saturating_sub(before.others), now, ..before }));
    });
}
