//! What one shard's sockets were sent, in the order in which they were sent it.
//!
//! Each shard keeps a log of its own, because each has an order of its own: of two broadcasts from two threads, one shard
//! may deliver the first before the second and another the second before the first. What a socket has received is
//! what its shard's log holds for it up to some entry. The broadcasts of one *origin* (a shard, or the threads outside)
//! come to all shards in the same order and with rising offsets, so what a shard has delivered at some instant is told by
//! one offset for each origin.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::lost::Lost;
use crate::engineio::{Frames, Millis, Sid};
use crate::shard::{Broadcast, NamespaceKey};
use crate::socketio::Offset;

/// What the allocator and the queue's spare room take for an entry.
const SPARE: usize = 96;

/// Entries for which memory is kept while there are none.
const KEPT: usize = 64;

/// When and where a broadcast was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) offset: Offset,
    /// The shard on whose thread it was sent; the number of shards stands for all other threads.
    pub(crate) origin: usize,
}

/// For each origin, the offset of the last broadcast.
pub(super) type Clock = Box<[Offset]>;

/// What a shard's sockets were sent of late.
#[derive(Debug)]
pub(super) struct Log {
    entries: VecDeque<Entry>,
    bytes: usize,
    max_bytes: usize,
    keep: Duration,
    /// What has been delivered.
    delivered: Clock,
    /// What has been forgotten.
    forgotten: Clock,
}

#[derive(Debug)]
struct Entry {
    offset: Offset,
    /// When it was delivered.
    at: Millis,
    packet: Packet,
}

#[derive(Debug)]
enum Packet {
    /// For many.
    Broadcast { origin: usize, broadcast: Arc<Broadcast> },
    /// For one socket. Without frames: the place from where on a socket that came back was sent what follows.
    Emit { namespace: NamespaceKey, to: Sid, frames: Option<Frames> },
}

/// What a socket missed, as far as one log tells.
#[derive(Debug)]
pub(super) struct Missed {
    pub(super) events: Vec<(Offset, Frames)>,
    /// All broadcasts up to here were either received, or are among the events, or were not for the socket.
    pub(super) until: Clock,
}

impl Log {
    /// An empty log of a server with so many origins.
    pub(super) fn new(origins: usize, max_bytes: usize, keep: Duration) -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: 0,
            max_bytes,
            keep,
            delivered: vec![Offset::default(); origins].into(),
            forgotten: vec![Offset::default(); origins].into(),
        }
    }

    /// Notes a broadcast that is delivered now. Says how many entries had to go for it.
    pub(super) fn broadcast(&mut self, now: Millis, stamp: Stamp, broadcast: Arc<Broadcast>) -> u64 {
        if let Some(delivered) = self.delivered.get_mut(stamp.origin) {
            *delivered = stamp.offset;
        }
        self.push(now, stamp.offset, Packet::Broadcast { origin: stamp.origin, broadcast })
    }

    /// Notes an event that one socket is sent now. Says how many entries had to go for it.
    pub(super) fn emit(
        &mut self,
        now: Millis,
        offset: Offset,
        namespace: NamespaceKey,
        to: Sid,
        frames: Option<Frames>,
    ) -> u64 {
        self.push(now, offset, Packet::Emit { namespace, to, frames })
    }

    fn push(&mut self, now: Millis, offset: Offset, packet: Packet) -> u64 {
        self.expire(now);
        let entry = Entry { offset, at: now, packet };
        self.bytes += entry.bytes();
        self.entries.push_back(entry);
        let mut dropped = 0;
        while self.bytes > self.max_bytes && self.forget_oldest() {
            dropped += 1;
        }
        dropped
    }

    /// Forgets what nobody may ask for any more. Says how many entries are left.
    pub(super) fn expire(&mut self, now: Millis) -> usize {
        while self.entries.front().is_some_and(|oldest| oldest.at + self.keep < now) {
            self.forget_oldest();
        }
        if self.entries.is_empty() {
            self.entries.shrink_to(KEPT);
        }
        self.entries.len()
    }

    fn forget_oldest(&mut self) -> bool {
        let Some(oldest) = self.entries.pop_front() else { return false };
        self.bytes -= oldest.bytes();
        if let Packet::Broadcast { origin, .. } = oldest.packet
            && let Some(forgotten) = self.forgotten.get_mut(origin)
        {
            *forgotten = oldest.offset;
        }
        true
    }

    /// What a socket that was lost by this shard has missed since the event of `offset`. `None` if that event is not known
    /// any more, or never was.
    pub(super) fn since(&self, lost: &Lost, offset: Offset) -> Option<Missed> {
        let addressee = lost.addressee();
        // From the end: a socket that came back to this shard may stand twice for an event, and received it by the later.
        let place = self.entries.iter().rposition(|entry| {
            entry.offset == offset
                && match &entry.packet {
                    Packet::Broadcast { broadcast, .. } => broadcast.namespace == lost.namespace,
                    Packet::Emit { namespace, to, .. } => addressee.is(*namespace, *to),
                }
        })?;
        let events = self.entries.range(place + 1..).filter_map(|entry| {
            let frames = match &entry.packet {
                Packet::Broadcast { broadcast, .. } => addressee.is_meant_by(broadcast).then_some(&broadcast.frames),
                Packet::Emit { namespace, to, frames } => frames.as_ref().filter(|_| addressee.is(*namespace, *to)),
            };
            Some((entry.offset, frames?.clone()))
        });
        Some(Missed { events: events.collect(), until: self.delivered.clone() })
    }

    /// Whether all of `until` has been delivered here, too.
    pub(super) fn has_reached(&self, until: &Clock) -> bool {
        self.delivered.iter().zip(until).all(|(delivered, until)| delivered >= until)
    }

    /// Adds what this shard has broadcast beyond, for a socket that another may have lost. `None` if some of that is
    /// forgotten.
    pub(super) fn go_on(&self, lost: &Lost, missed: &mut Missed) -> Option<()> {
        if self.forgotten.iter().zip(&missed.until).any(|(forgotten, until)| forgotten > until) {
            return None;
        }
        if self.delivered != missed.until {
            let addressee = lost.addressee();
            let events = self.entries.iter().filter_map(|entry| match &entry.packet {
                Packet::Broadcast { origin, broadcast } => {
                    let is_new = missed.until.get(*origin).is_some_and(|until| entry.offset > *until);
                    (is_new && addressee.is_meant_by(broadcast)).then(|| (entry.offset, broadcast.frames.clone()))
                }
                Packet::Emit { .. } => None,
            });
            missed.events.extend(events);
            missed.until.clone_from(&self.delivered);
        }
        Some(())
    }
}

impl Entry {
    /// What it takes. A broadcast counts as if no other shard held it, too.
    fn bytes(&self) -> usize {
        size_of::<Self>()
            + SPARE
            + match &self.packet {
                Packet::Broadcast { broadcast, .. } => size_of::<Broadcast>() + broadcast.bytes(),
                Packet::Emit { frames, .. } => frames.as_ref().map_or(0, Frames::len),
            }
    }
}
