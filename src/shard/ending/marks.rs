//! The marks of a server that ends, for what it leaves in Redis: see the records of `shard/recovery`.

use std::rc::Rc;
use std::time::Duration;

use crate::cluster::peers::message::recovery::Recovery;
use crate::cluster::peers::{Body, Peers};
use crate::shard::Shard;
use crate::shard::ending::life::Life;

/// The time between two marks.
const BETWEEN: Duration = Duration::from_secs(1);

impl Shard {
    /// The server ends: one shard marks the events from now on, until it has ended.
    pub(super) fn begin_marks(self: &Rc<Self>) {
        if self.index() == 0 {
            self.mark_end();
        }
    }

    fn mark_end(self: &Rc<Self>) {
        let (Some(recovery), Some(cluster)) = (&self.shared.recovery, &self.shared.cluster) else { return };
        let Some(peers) = cluster.peers().filter(|_| self.life.get() != Life::Over) else { return };
        // The server that takes its place may have yet to begin.
        if !peers.is_alone() {
            peers.send_to_all(Body::Recovery(Recovery::Mark { number: recovery.next_mark() }), |_| ());
        }
        self.core.borrow_mut().alarm_in(BETWEEN, |shard| shard.mark_end());
    }

    /// Whether other servers may ask for what this shard has lost: its last clients have yet to come back to one. Nobody asks if
    /// nobody else is known, or while Redis is away.
    pub(super) fn may_be_asked(&self) -> bool {
        let shared = &self.shared;
        let (Some(recovery), Some(cluster)) = (&shared.recovery, &shared.cluster) else { return false };
        if cluster.peers().is_none_or(Peers::is_alone) {
            return false;
        }
        let lost_in = recovery.lost().namespaces_of(self.index());
        let mut declared = lost_in.iter().filter(|namespace| (namespace.0 as usize) < shared.directory.namespaces());
        declared.any(|namespace| cluster.hearing(shared.directory.namespace_name(*namespace)).is_some())
    }
}
