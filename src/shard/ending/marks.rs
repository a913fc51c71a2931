//! The marks of a server that ends, for what it leaves in Redis: see the records of `shard/recovery`.

use std::rc::Rc;
use std::time::Duration;

use crate::cluster::peers::Body;
use crate::cluster::peers::message::recovery::Recovery;
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
        let Some(peers) = cluster.peers().filter(|peers| !peers.is_alone() && self.life.get() != Life::Over) else {
            return;
        };
        peers.send_to_all(Body::Recovery(Recovery::Mark { number: recovery.next_mark() }), |_| ());
        self.core.borrow_mut().alarm_in(BETWEEN, |shard| shard.mark_end());
    }
}
