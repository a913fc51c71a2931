//! What must hold of a shard after each of its turns, whatever its clients have seen.
//!
//! Each file checks one idea and knows nothing of the history. A check panics at its own line, so that each line is an invariant
//! of its own. What they need of a shard that nobody else may see is in the `recount.rs` of its rooms.

mod bounds;
mod deadlines;
mod ledger;
mod queues;
mod sums;
mod wakes;

use std::time::Duration;

use crate::clock::simulated::make_looks_take;
use crate::shard::event_loop::turn::EventLoop;

/// A turn that is watched.
pub(super) struct Watched {
    before: bounds::Done,
    /// How much time a look at the clock takes in it.
    look: Duration,
}

impl Watched {
    /// A shard is about to turn, in which a look at the clock takes so much time.
    pub(super) fn begin(event_loop: &EventLoop, look: Duration) -> Self {
        let before = bounds::Done::by(event_loop);
        make_looks_take(look);
        Self { before, look }
    }

    /// It has turned; these are all shards of its server.
    pub(super) fn end(self, turned: &EventLoop, all: &[EventLoop]) {
        make_looks_take(Duration::ZERO);
        bounds::check_turn(&self.before, turned, self.look);
        turned.shard().with(|core| {
            bounds::check(core);
            sums::check(core);
            queues::check(core);
            ledger::check(core);
            deadlines::check(core);
        });
        sums::check_shared(all);
        all.iter().for_each(wakes::check);
    }
}
