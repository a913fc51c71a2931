//! The events for a socket that comes back.
//!
//! One shard, *the old one*, lost it, and it comes back to another or the same, *the new one*. The old shard's log, up
//! to the offset that the client names, tells what it has received. So it gets the events after that; then those that
//! the new shard has broadcast beyond; and from then on the new shard's broadcasts. If the old shard is ahead of the
//! new one, the new one must catch up first, or its next broadcasts would arrive twice.

use std::sync::Mutex;

use crate::engineio::{Frames, Millis};
use crate::shard::shared::recovery::lock;
use crate::shard::shared::recovery::log::{Log, Missed, ReadStep};
use crate::shard::shared::recovery::lost::Lost;
use crate::shard::shared::recovery::recipient::Recipient;
use crate::socketio::Offset;

/// A socket on its way back.
#[derive(Debug)]
pub(in crate::shard) struct Restoration {
    pub(in crate::shard) lost: Lost,
    /// The last event that its client received.
    offset: Offset,
    pub(in crate::shard::shared) missed: Missed,
}

impl Restoration {
    /// Begins at the old shard's log. `None` if that does not know the offset. It is locked slice by slice: its shard logs
    /// what it delivers there.
    pub(in crate::shard) fn begin(lost: Lost, offset: Offset, old: &Mutex<Log>) -> Option<Self> {
        let addressee = lost.addressee();
        let mut events = Vec::new();
        let mut place = lock(old).behind(&addressee, offset)?;
        let until = loop {
            match lock(old).read(&addressee, &mut place, &mut events)? {
                ReadStep::GoOn => {}
                ReadStep::Done(until) => break until,
            }
        };
        let missed = Missed { events, until };
        Some(Self { lost, offset, missed })
    }

    /// Whether the new shard has caught up with the old one.
    pub(in crate::shard) fn is_ready(&self, new: &Log) -> bool {
        new.has_reached(&self.missed.until)
    }

    /// Adds what the new shard has broadcast meanwhile. `None` if it has forgotten some of it.
    pub(in crate::shard) fn go_on(&mut self, new: &Log) -> Option<()> {
        new.go_on(&self.lost.addressee(), &mut self.missed)
    }

    /// What the socket missed, in bytes: each event counts `overhead` more than its length.
    pub(in crate::shard) fn bytes(&self, overhead: usize) -> usize {
        self.missed.events.iter().map(|(_, frames)| frames.len() + overhead).sum()
    }

    /// The socket is back in the shard `here`: gives what it missed, in order. A log that was not the socket's before notes
    /// all of it, and where it begins, for the next time. Says how many entries had to go for that, too.
    pub(in crate::shard) fn end(self, here: usize, now: Millis, new: &mut Log) -> (Vec<Frames>, u64) {
        let Self { lost, offset, missed } = self;
        let mut dropped = 0;
        let to = Recipient { namespace: lost.namespace, sid: lost.sid };
        if lost.shard != here {
            dropped += new.bring(now, offset, to, None);
            for (offset, frames) in &missed.events {
                dropped += new.bring(now, *offset, to, Some(frames.clone()));
            }
        }
        (missed.events.into_iter().map(|(_, frames)| frames).collect(), dropped)
    }
}
