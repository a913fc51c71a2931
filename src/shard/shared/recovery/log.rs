//! The recovery log of a shard: what its sockets were sent, in order.
//!
//! Each shard keeps its own log, because each has its own order: of two broadcasts from two threads, one shard may
//! deliver the first before the second and another the second before the first. A socket has received what its shard's
//! log contains for it, up to some entry. The broadcasts of one *origin* (a shard, or all other threads) come to all
//! shards in the same order and with rising offsets, so one offset for each origin tells what a shard has delivered at
//! some instant.
//!
//! Events for one socket alone may take only a share of the log; otherwise a busy socket would displace events that
//! others may still need. Beyond the share the socket's oldest events are dropped, and a *gap* is left at the last of
//! them. A client that comes back from before the gap is a new client.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::chance::RandomState;
use crate::cluster::Source;
use crate::cluster::peers::Instance;
use crate::engineio::{Frames, Millis, Sid};
use crate::shard::shared::recovery::SHARE;
use crate::shard::shared::recovery::lanes::Lanes;
use crate::shard::shared::recovery::lost::Addressee;
use crate::shard::shared::recovery::places::{Place, Places, Whose};
use crate::shard::shared::recovery::recipient::Recipient;
use crate::shard::shared::target::{Broadcast, Stamp};
use crate::socketio::Offset;

mod abroad;

pub(in crate::shard) use self::abroad::{Mark, Sought};

/// Overhead of an entry: the allocator's, and the queue's spare room.
const SPARE: usize = 96;

/// The cost of counting a socket's own entries. Each of its entries is charged with it.
const OWN: usize = 64;

/// Entries that are read before the log's shard may log again.
const SLICE: usize = 1024;

/// Entries for which memory is kept while there are none.
const KEPT: usize = 64;

/// For each origin, the offset of the last broadcast.
type Clock = Box<[Offset]>;

/// What a shard's sockets were sent recently.
#[derive(Debug)]
pub(in crate::shard) struct Log {
    entries: VecDeque<Entry>,
    /// The place behind the last forgotten entry.
    first: Place,
    /// The place of the next entry.
    next: Place,
    places: Places,
    bytes: usize,
    max_bytes: usize,
    keep: Duration,
    /// For each origin, the last broadcast that was delivered.
    delivered: Clock,
    /// For each origin, the last broadcast that was forgotten.
    forgotten: Clock,
    /// When the last forgotten entry was delivered.
    forgotten_at: Option<Millis>,
    /// The numbers of the events that other servers know by numbers.
    lanes: Lanes,
    /// Marks of servers that end, with their numbers.
    marks: VecDeque<(Instance, u64, Mark)>,
    /// The entries for one socket alone, for each such socket.
    own: HashMap<Recipient, Own, RandomState>,
}

/// The entries for one socket alone.
#[derive(Debug, Default)]
struct Own {
    bytes: usize,
    gap: Option<Place>,
}

#[derive(Debug)]
struct Entry {
    place: Place,
    offset: Offset,
    /// When it was delivered.
    at: Millis,
    packet: Packet,
}

#[derive(Debug)]
enum Packet {
    /// For many sockets, or for one if it was sent to that socket's own room.
    Broadcast { origin: usize, broadcast: Arc<Broadcast>, to: Option<Recipient> },
    /// For one socket.
    Emit { to: Recipient, frames: Frames },
    /// An event that a socket was sent because it came back. Without frames, the place where these events begin.
    Brought { to: Recipient, frames: Option<Frames> },
    /// A gap: up to here, entries for one socket alone are missing, among them broadcasts up to `until`.
    Gap { to: Recipient, until: Clock },
}

/// Whether all of a log has been read.
pub(in crate::shard::shared) enum ReadStep {
    GoOn,
    /// It has been read. The clock is what its shard had delivered by then.
    Done(Clock),
}

/// The events that a socket missed, as far as one log tells.
#[derive(Debug)]
pub(in crate::shard::shared) struct Missed {
    pub(in crate::shard::shared) events: Vec<(Offset, Frames)>,
    /// Every broadcast up to here was received, or is among the events, or was not for the socket.
    pub(in crate::shard::shared) until: Clock,
}

impl Log {
    /// An empty log with `origins` origins.
    pub(in crate::shard::shared) fn new(origins: usize, max_bytes: usize, keep: Duration) -> Self {
        Self {
            entries: VecDeque::new(),
            first: 0,
            next: 0,
            places: Places::new(origins),
            bytes: 0,
            max_bytes,
            keep,
            delivered: vec![Offset::default(); origins].into(),
            forgotten: vec![Offset::default(); origins].into(),
            forgotten_at: None,
            lanes: Lanes::default(),
            marks: VecDeque::new(),
            own: HashMap::default(),
        }
    }

    /// Notes a broadcast that is delivered now. Returns how many entries were dropped for it.
    pub(in crate::shard) fn broadcast(&mut self, now: Millis, stamp: Stamp, broadcast: Arc<Broadcast>) -> u64 {
        if let Some(delivered) = self.delivered.get_mut(stamp.origin) {
            *delivered = stamp.offset;
        }
        if let Source::Numbered(serial) = broadcast.source {
            self.lanes.note(now, broadcast.namespace, serial, self.next);
        }
        let to = sole_recipient(&broadcast);
        self.push(
            now,
            stamp.offset,
            Packet::Broadcast { origin: stamp.origin, broadcast: without_heard(broadcast), to },
        )
    }

    /// Notes an event that one socket is sent now. Its offset is higher than all earlier ones of this shard. Returns how many
    /// entries were dropped for it.
    pub(in crate::shard) fn emit(&mut self, now: Millis, offset: Offset, to: Recipient, frames: Frames) -> u64 {
        self.push(now, offset, Packet::Emit { to, frames })
    }

    /// Notes what a socket brings along when it comes back from another shard: the offset that it came with, then the events
    /// that it is sent because of that. Returns how many entries were dropped for it.
    pub(in crate::shard::shared) fn bring(
        &mut self,
        now: Millis,
        offset: Offset,
        to: Recipient,
        frames: Option<Frames>,
    ) -> u64 {
        self.push(now, offset, Packet::Brought { to, frames })
    }

    fn push(&mut self, now: Millis, offset: Offset, packet: Packet) -> u64 {
        self.expire(now);
        let entry = Entry { place: self.next, offset, at: now, packet };
        self.next += 1;
        if let Some(whose) = entry.packet.whose() {
            self.places.add(whose, offset, entry.place);
        }
        let (bytes, to) = (entry.bytes(), entry.packet.recipient());
        self.bytes += bytes;
        self.entries.push_back(entry);
        let mut dropped = to.map_or(0, |to| self.charge(to, bytes));
        while self.bytes > self.max_bytes && self.forget_oldest() {
            dropped += 1;
        }
        dropped
    }

    /// Charges one socket for `bytes` more. Returns how many of its own entries were dropped.
    fn charge(&mut self, to: Recipient, bytes: usize) -> u64 {
        let share = self.max_bytes / SHARE;
        let own = self.own.entry(to).or_default();
        own.bytes += bytes;
        if own.bytes <= share {
            return 0;
        }
        // Enough is dropped to pay for walking the log.
        let excess = own.bytes - if bytes > share / 2 { share } else { share / 2 };
        self.cut(to, excess)
    }

    /// Drops the oldest entries for one socket alone, of at least `excess` bytes. Returns how many entries that were.
    fn cut(&mut self, of: Recipient, mut excess: usize) -> u64 {
        let Some(own) = self.own.get_mut(&of) else { return 0 };
        let mut until: Clock = vec![Offset::default(); self.forgotten.len()].into();
        let mut gone = Vec::new();
        self.entries.retain_mut(|entry| {
            if excess == 0 || entry.packet.recipient() != Some(of) {
                return true;
            }
            let bytes = entry.bytes();
            entry.raise(&mut until);
            excess = excess.saturating_sub(bytes);
            if entry.packet.whose().is_some() {
                gone.push(entry.place);
            }
            self.bytes -= bytes;
            own.bytes -= bytes;
            if excess > 0 {
                return false;
            }
            entry.packet = Packet::Gap { to: of, until: std::mem::take(&mut until) };
            self.bytes += entry.bytes();
            own.bytes += entry.bytes();
            own.gap = Some(entry.place);
            true
        });
        self.places.remove_all(&gone);
        gone.len() as u64
    }

    /// Forgets entries that are too old to be asked for. Returns how many are left.
    pub(in crate::shard) fn expire(&mut self, now: Millis) -> usize {
        while self.entries.front().is_some_and(|oldest| oldest.at + self.keep < now) {
            self.forget_oldest();
        }
        self.lanes.forget_before(self.first);
        if self.entries.is_empty() {
            self.entries.shrink_to(KEPT);
            self.places.shrink_to(KEPT);
            self.own.shrink_to(KEPT);
        }
        self.entries.len()
    }

    fn forget_oldest(&mut self) -> bool {
        let Some(oldest) = self.entries.pop_front() else { return false };
        let bytes = oldest.bytes();
        self.bytes -= bytes;
        self.first = oldest.place + 1;
        self.forgotten_at = Some(oldest.at);
        if let Some(whose) = oldest.packet.whose() {
            self.places.forget(whose, oldest.offset, oldest.place);
        }
        if let Some(to) = oldest.packet.recipient() {
            self.release(to, oldest.place, bytes);
        }
        oldest.raise(&mut self.forgotten);
        true
    }

    /// An entry for one socket alone was forgotten.
    fn release(&mut self, to: Recipient, place: Place, bytes: usize) {
        let Some(own) = self.own.get_mut(&to) else { return };
        own.bytes -= bytes;
        own.gap = own.gap.filter(|gap| *gap != place);
        if own.bytes == 0 {
            self.own.remove(&to);
        }
    }

    /// The place behind the event of `offset`, where the events begin that a socket of this shard missed. `None` if the event
    /// is forgotten, or was never known.
    pub(in crate::shard::shared) fn behind(&self, addressee: &Addressee<'_>, offset: Offset) -> Option<Place> {
        // A socket that came back to this shard may have two places for one event; the later counts.
        let mut places = self.places.of(addressee.sid(), offset);
        let place = places.find(|place| {
            self.entry(*place).is_some_and(|entry| match &entry.packet {
                Packet::Broadcast { broadcast, .. } => addressee.is_in(broadcast.namespace),
                Packet::Emit { to, .. } | Packet::Brought { to, .. } => addressee.is(*to),
                Packet::Gap { .. } => false,
            })
        })?;
        // What did not come from other servers is missing here, too.
        (!self.lanes.are_broken_behind(addressee.namespace(), place)).then_some(place + 1)
    }

    /// Reads on from `place` for a slice, and adds what the socket missed to `events`. At the end of the log, returns its
    /// clock. `None` if the log has forgotten the place meanwhile, or if something is missing behind it.
    pub(in crate::shard::shared) fn read(
        &self,
        addressee: &Addressee<'_>,
        place: &mut Place,
        events: &mut Vec<(Offset, Frames)>,
    ) -> Option<ReadStep> {
        // Each slice asks for holes, because events may have gone missing since the one before.
        if *place < self.first || self.lanes.are_broken_behind(addressee.namespace(), place.saturating_sub(1)) {
            return None;
        }
        let begin = self.index(*place);
        let end = self.entries.len().min(begin + SLICE);
        for entry in self.entries.range(begin..end) {
            let frames = match &entry.packet {
                Packet::Broadcast { broadcast, .. } => addressee.is_meant_by(broadcast).then_some(&broadcast.frames),
                Packet::Emit { to, frames } => addressee.is(*to).then_some(frames),
                Packet::Brought { to, frames } => frames.as_ref().filter(|_| addressee.is(*to)),
                Packet::Gap { to, .. } if addressee.shares_with(*to) => return None,
                Packet::Gap { .. } => None,
            };
            events.extend(frames.map(|frames| (entry.offset, frames.clone())));
        }
        *place = self.entries.get(end).map_or(self.next, |entry| entry.place);
        Some(if *place == self.next { ReadStep::Done(self.delivered.clone()) } else { ReadStep::GoOn })
    }

    fn entry(&self, place: Place) -> Option<&Entry> {
        self.entries.get(self.index(place)).filter(|entry| entry.place == place)
    }

    /// The index in the queue of a place's entry, or of the next after it.
    fn index(&self, place: Place) -> usize {
        self.entries.partition_point(|entry| entry.place < place)
    }

    /// Whether there is a gap beyond a clock in the entries for one socket alone.
    fn is_broken(&self, to: Recipient, clock: &Clock) -> bool {
        let gap = self.own.get(&to).and_then(|own| self.entry(own.gap?));
        gap.is_some_and(|gap| match &gap.packet {
            Packet::Gap { until, .. } => until.iter().zip(clock).any(|(gap, until)| gap > until),
            _ => false,
        })
    }

    /// The bytes of all entries, and the number of sockets that have entries of their own.
    #[cfg(test)]
    pub(in crate::shard::shared) fn held(&self) -> (usize, usize) {
        (self.bytes, self.own.len())
    }

    /// What has been delivered here.
    pub(in crate::shard::shared) fn delivered(&self) -> Clock {
        self.delivered.clone()
    }

    /// Whether all of `until` has been delivered here, too.
    pub(in crate::shard::shared) fn has_reached(&self, until: &Clock) -> bool {
        self.delivered.iter().zip(until).all(|(delivered, until)| delivered >= until)
    }

    /// Adds this shard's further broadcasts for a socket, which another shard may have lost. `None` if some of them are
    /// forgotten, or did not come from other servers.
    pub(in crate::shard::shared) fn go_on(&self, addressee: &Addressee<'_>, missed: &mut Missed) -> Option<()> {
        if self.forgotten.iter().zip(&missed.until).any(|(forgotten, until)| forgotten > until) {
            return None;
        }
        if addressee.sharers().any(|to| self.is_broken(to, &missed.until)) {
            return None;
        }
        if self.delivered != missed.until {
            let beyond =
                missed.until.iter().enumerate().filter_map(|(origin, until)| self.places.beyond(origin, *until));
            let begin = beyond.min().unwrap_or(self.next);
            if self.lanes.are_broken_behind(addressee.namespace(), begin.saturating_sub(1)) {
                return None;
            }
            let begin = self.index(begin);
            let events = self.entries.range(begin..).filter_map(|entry| match &entry.packet {
                Packet::Broadcast { origin, broadcast, .. } => {
                    let is_new = missed.until.get(*origin).is_some_and(|until| entry.offset > *until);
                    (is_new && addressee.is_meant_by(broadcast)).then(|| (entry.offset, broadcast.frames.clone()))
                }
                Packet::Emit { .. } | Packet::Brought { .. } | Packet::Gap { .. } => None,
            });
            missed.events.extend(events);
            missed.until.clone_from(&self.delivered);
        }
        Some(())
    }
}

impl Packet {
    /// The origin under which its place is found; a gap has none.
    fn whose(&self) -> Option<Whose> {
        match self {
            Self::Broadcast { origin, .. } => Some(Whose::Origin(*origin)),
            Self::Emit { .. } => Some(Whose::Own),
            Self::Brought { to, .. } => Some(Whose::Brought(to.sid)),
            Self::Gap { .. } => None,
        }
    }

    /// The socket that it is for, if it is for one alone.
    fn recipient(&self) -> Option<Recipient> {
        match self {
            Self::Broadcast { to, .. } => *to,
            Self::Emit { to, .. } | Self::Brought { to, .. } | Self::Gap { to, .. } => Some(*to),
        }
    }
}

impl Entry {
    /// Notes the broadcasts that are dropped with it in a clock.
    fn raise(&self, clock: &mut Clock) {
        match &self.packet {
            Packet::Broadcast { origin, .. } => {
                if let Some(until) = clock.get_mut(*origin) {
                    *until = self.offset;
                }
            }
            Packet::Gap { until, .. } => {
                for (until, gone) in clock.iter_mut().zip(until) {
                    *until = (*until).max(*gone);
                }
            }
            Packet::Emit { .. } | Packet::Brought { .. } => {}
        }
    }

    /// Bytes that it takes. A broadcast counts in full, though other shards may hold it, too.
    fn bytes(&self) -> usize {
        let own = if self.packet.recipient().is_some() { OWN } else { 0 };
        size_of::<Self>()
            + Places::RISING
            + SPARE
            + own
            + match &self.packet {
                Packet::Broadcast { broadcast, .. } => size_of::<Broadcast>() + broadcast.bytes(),
                Packet::Emit { frames, .. } => frames.len(),
                Packet::Brought { frames, .. } => Places::BROUGHT + frames.as_ref().map_or(0, Frames::len),
                Packet::Gap { until, .. } => size_of_val(&**until),
            }
    }
}

/// The only receiver of a broadcast to a socket's own room. The socket may be another server's, and come here.
fn sole_recipient(broadcast: &Broadcast) -> Option<Recipient> {
    let [room] = &*broadcast.target.rooms else { return None };
    Some(Recipient { namespace: broadcast.namespace, sid: Sid::parse(room)? })
}

/// A broadcast for the log, without the event for the application, whose buffer may be larger.
fn without_heard(broadcast: Arc<Broadcast>) -> Arc<Broadcast> {
    match broadcast.heard {
        Some(_) => Arc::new(Broadcast { heard: None, ..Broadcast::clone(&broadcast) }),
        None => broadcast,
    }
}
