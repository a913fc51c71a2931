//! The events for a socket that comes back.
//!
//! The *old* shard lost the socket, and it comes back to the *new* one, which may be the same. The client names the offset of
//! its last event. So the socket gets the events behind that offset in the old shard's log, then the new shard's further
//! broadcasts from its log, and from then on the new shard's broadcasts as they come. If the old shard is ahead of the new one,
//! the new one must catch up first, or its next broadcasts would arrive twice.

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
    /// Reads the old shard's log. `None` if that does not know the offset. The log is locked slice by slice, so that its shard
    /// can go on logging.
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

    /// Adds the new shard's broadcasts since then. `None` if it has forgotten some of them.
    pub(in crate::shard) fn go_on(&mut self, new: &Log) -> Option<()> {
        new.go_on(&self.lost.addressee(), &mut self.missed)
    }

    /// The bytes of the events that the socket missed. Each counts `overhead` more than its length.
    pub(in crate::shard) fn bytes(&self, overhead: usize) -> usize {
        self.missed.events.iter().map(|(_, frames)| frames.len() + overhead).sum()
    }

    /// The socket is back in the shard `here`: returns the frames that it missed, in order. If this is another shard than
    /// before, its log notes them all, and where they begin, for the next recovery. Also returns how many entries were dropped
    /// for that.
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
