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

use super::lost::Addressee;
use super::places::{Place, Places, Whose};
use crate::engineio::{Frames, Millis, Sid};
use crate::shard::{Broadcast, NamespaceKey};
use crate::socketio::Offset;

/// What the allocator and the queue's spare room take for an entry.
const SPARE: usize = 96;

/// Entries that are read before the log's shard may log again.
const SLICE: usize = 1024;

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
    /// The place of the first entry.
    first: Place,
    places: Places,
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
    /// For one socket.
    Emit { namespace: NamespaceKey, to: Sid, frames: Frames },
    /// What a socket that came back was sent for it. Without frames: the place from where on it was.
    Brought { namespace: NamespaceKey, to: Sid, frames: Option<Frames> },
}

/// Whether all of a log has been read.
pub(super) enum Progress {
    GoOn,
    /// It has, and this is what its shard had delivered then.
    Done(Clock),
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
            first: 0,
            places: Places::new(origins),
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

    /// Notes an event that one socket is sent now, with an offset beyond all of this shard before. Says how many entries had
    /// to go for it.
    pub(super) fn emit(
        &mut self,
        now: Millis,
        offset: Offset,
        namespace: NamespaceKey,
        to: Sid,
        frames: Frames,
    ) -> u64 {
        self.push(now, offset, Packet::Emit { namespace, to, frames })
    }

    /// Notes what a socket brings along that comes back from another shard: the offset that it came with, and after that the
    /// events that it is sent for it. Says how many entries had to go for it.
    pub(super) fn bring(
        &mut self,
        now: Millis,
        offset: Offset,
        namespace: NamespaceKey,
        to: Sid,
        frames: Option<Frames>,
    ) -> u64 {
        self.push(now, offset, Packet::Brought { namespace, to, frames })
    }

    fn push(&mut self, now: Millis, offset: Offset, packet: Packet) -> u64 {
        self.expire(now);
        let entry = Entry { offset, at: now, packet };
        self.places.add(entry.packet.whose(), offset, self.end());
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
            self.places.shrink_to(KEPT);
        }
        self.entries.len()
    }

    fn forget_oldest(&mut self) -> bool {
        let Some(oldest) = self.entries.pop_front() else { return false };
        self.bytes -= oldest.bytes();
        self.places.forget(oldest.packet.whose(), oldest.offset, self.first);
        self.first += 1;
        if let Packet::Broadcast { origin, .. } = oldest.packet
            && let Some(forgotten) = self.forgotten.get_mut(origin)
        {
            *forgotten = oldest.offset;
        }
        true
    }

    /// The place of the entry behind the last.
    fn end(&self) -> Place {
        self.first + self.entries.len() as Place
    }

    /// Where what a socket that was lost by this shard has missed begins, behind the event of `offset`. `None` if that event is
    /// not known any more, or never was.
    pub(super) fn behind(&self, addressee: &Addressee<'_>, offset: Offset) -> Option<Place> {
        // The later of two: a socket that came back to this shard may stand twice for an event.
        let mut places = self.places.of(addressee.sid(), offset);
        let place = places.find(|place| {
            self.entry(*place).is_some_and(|entry| match &entry.packet {
                Packet::Broadcast { broadcast, .. } => addressee.is_in(broadcast.namespace),
                Packet::Emit { namespace, to, .. } | Packet::Brought { namespace, to, .. } => {
                    addressee.is(*namespace, *to)
                }
            })
        })?;
        Some(place + 1)
    }

    /// Reads on from `place` for a slice, and adds what the socket missed to `events`. Gives how far that is then if it was the
    /// last. `None` if the log has forgotten the place meanwhile.
    pub(super) fn read(
        &self,
        addressee: &Addressee<'_>,
        place: &mut Place,
        events: &mut Vec<(Offset, Frames)>,
    ) -> Option<Progress> {
        let begin = usize::try_from(place.checked_sub(self.first)?).ok()?;
        let end = self.entries.len().min(begin + SLICE);
        events.extend(self.entries.range(begin..end).filter_map(|entry| {
            let frames = match &entry.packet {
                Packet::Broadcast { broadcast, .. } => addressee.is_meant_by(broadcast).then_some(&broadcast.frames),
                Packet::Emit { namespace, to, frames } => addressee.is(*namespace, *to).then_some(frames),
                Packet::Brought { namespace, to, frames } => frames.as_ref().filter(|_| addressee.is(*namespace, *to)),
            };
            Some((entry.offset, frames?.clone()))
        }));
        *place = self.first + end as Place;
        Some(if *place == self.end() { Progress::Done(self.delivered.clone()) } else { Progress::GoOn })
    }

    fn entry(&self, place: Place) -> Option<&Entry> {
        self.entries.get(usize::try_from(place.checked_sub(self.first)?).ok()?)
    }

    /// Whether all of `until` has been delivered here, too.
    pub(super) fn has_reached(&self, until: &Clock) -> bool {
        self.delivered.iter().zip(until).all(|(delivered, until)| delivered >= until)
    }

    /// Adds what this shard has broadcast beyond, for a socket that another may have lost. `None` if some of that is
    /// forgotten.
    pub(super) fn go_on(&self, addressee: &Addressee<'_>, missed: &mut Missed) -> Option<()> {
        if self.forgotten.iter().zip(&missed.until).any(|(forgotten, until)| forgotten > until) {
            return None;
        }
        if self.delivered != missed.until {
            let beyond =
                missed.until.iter().enumerate().filter_map(|(origin, until)| self.places.beyond(origin, *until));
            let begin = beyond.min().map_or(self.entries.len(), |place| (place - self.first) as usize);
            let events = self.entries.range(begin..).filter_map(|entry| match &entry.packet {
                Packet::Broadcast { origin, broadcast } => {
                    let is_new = missed.until.get(*origin).is_some_and(|until| entry.offset > *until);
                    (is_new && addressee.is_meant_by(broadcast)).then(|| (entry.offset, broadcast.frames.clone()))
                }
                Packet::Emit { .. } | Packet::Brought { .. } => None,
            });
            missed.events.extend(events);
            missed.until.clone_from(&self.delivered);
        }
        Some(())
    }
}

impl Packet {
    fn whose(&self) -> Whose {
        match self {
            Self::Broadcast { origin, .. } => Whose::Origin(*origin),
            Self::Emit { .. } => Whose::Own,
            Self::Brought { to, .. } => Whose::Brought(*to),
        }
    }
}

impl Entry {
    /// What it takes. A broadcast counts as if no other shard held it, too.
    fn bytes(&self) -> usize {
        size_of::<Self>()
            + Places::RISING
            + SPARE
            + match &self.packet {
                Packet::Broadcast { broadcast, .. } => size_of::<Broadcast>() + broadcast.bytes(),
                Packet::Emit { frames, .. } => frames.len(),
                Packet::Brought { frames, .. } => Places::BROUGHT + frames.as_ref().map_or(0, Frames::len),
            }
    }
}
