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

use crate::shard::event_loop::turn::EventLoop;

/// A turn that is watched.
pub(super) struct Watched {
    before: bounds::Done,
}

impl Watched {
    /// A shard is about to turn.
    pub(super) fn begin(event_loop: &EventLoop) -> Self {
        Self { before: event_loop.shard().with(|core| bounds::Done::by(core)) }
    }

    /// It has turned; these are all shards of its server.
    pub(super) fn end(self, turned: &EventLoop, all: &[EventLoop]) {
        turned.shard().with(|core| {
            bounds::check(&self.before, core);
            sums::check(core);
            queues::check(core);
            ledger::check(core);
            deadlines::check(core);
        });
        sums::check_shared(all);
        all.iter().for_each(wakes::check);
    }
}
