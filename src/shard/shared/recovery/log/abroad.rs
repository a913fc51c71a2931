//! What a log tells the log of another server, so that a socket can go from one to the other.
//!
//! The *holder's* log says what it had delivered, and the *seeker's* log finds in itself what is beyond that. Offsets are of
//! no use for it, because each server gives its own. Events of kinglets have numbers, which rise in each lane. Other events
//! are known by digests, and two of the same text have the same one, so copies are counted.
//!
//! Both servers have a *mark* where the seeker's question came among the events. One Redis brings everybody everything in one
//! order, so what came before the mark came before it on both sides, and the copies behind it tell the rest. A cluster of
//! Redis has no such order. Therefore the copies in a *window* of time before the mark are compared as well: those that only
//! one side has had by then are on their way to the other.

use std::collections::HashMap;
use std::time::Duration;

use super::{Entry, Log, Packet};
use crate::chance::RandomState;
use crate::cluster::Source;
use crate::cluster::peers::Instance;
use crate::cluster::peers::message::recovery::{LaneEnd, Progress};
use crate::engineio::{Frames, Millis};
use crate::shard::shared::recovery::lost::Addressee;
use crate::shard::shared::recovery::places::Place;
use crate::shard::shared::target::Broadcast;
use crate::shard::store::keys::NamespaceKey;
use crate::socketio::Offset;

/// The longest window.
const WINDOW: Duration = Duration::from_secs(5);

/// The shortest window but none. What comes to one server by half of it later than to another would make it wrong.
const SHORTEST: Duration = Duration::from_secs(2);

/// Most marks that are known, of all servers and of one: a record names the last that came back to its server.
const MARKS: usize = 256;
const MARKS_OF_ONE: usize = 8;

/// Bytes of an event in a record beside its frames.
const EVENT: usize = 32;

/// Most digests that a server tells another.
const DIGESTS: usize = 8192;

/// A place in a log at an instant.
#[derive(Debug, Clone, Copy)]
pub(in crate::shard) struct Mark {
    place: Place,
    pub(in crate::shard::shared) at: Millis,
}

impl Mark {
    /// How long ago it was.
    pub(in crate::shard) fn age(self, now: Millis) -> Duration {
        now - self.at
    }
}

/// What the seeker's log knows of its question.
#[derive(Debug, Clone, Copy)]
pub(in crate::shard) struct Sought {
    /// Where it was sent.
    pub(in crate::shard) sent: Mark,
    /// Where it came back from Redis.
    pub(in crate::shard) echo: Mark,
}

/// The copies of one text, at the holder and at the seeker: in the window before the mark, in twice the window, and behind it.
#[derive(Debug, Default)]
struct Copies {
    held_near: usize,
    held: usize,
    held_after: usize,
    here_near: usize,
    here: usize,
    here_after: usize,
}

impl Copies {
    /// How many of the seeker's copies, from the window on, the holder has delivered. Some of them may yet have to come.
    fn covered(&self) -> usize {
        let before = (self.here_near + self.held_after).min(self.held + self.held_after);
        before + self.held_near.saturating_sub(self.here)
    }

    /// How many of them have come.
    const fn come(&self) -> usize {
        self.here_near + self.here_after
    }
}

impl Log {
    /// The end of the log now.
    pub(in crate::shard) const fn mark(&self, now: Millis) -> Mark {
        Mark { place: self.next, at: now }
    }

    /// A mark of a server that ends has come.
    pub(in crate::shard) fn note_mark(&mut self, from: Instance, number: u64, now: Millis) {
        if self.marks.iter().filter(|mark| mark.0 == from).count() >= MARKS_OF_ONE {
            let oldest = self.marks.iter().position(|mark| mark.0 == from);
            oldest.and_then(|oldest| self.marks.remove(oldest));
        }
        if self.marks.len() >= MARKS {
            self.marks.pop_front();
        }
        self.marks.push_back((from, number, self.mark(now)));
    }

    /// A mark of a server.
    pub(in crate::shard) fn find_mark(&self, of: Instance, number: u64) -> Option<Mark> {
        self.marks.iter().find(|mark| (mark.0, mark.1) == (of, number)).map(|mark| mark.2)
    }

    /// The last mark of a server, with its number.
    pub(in crate::shard) fn last_mark(&self, of: Instance) -> Option<(u64, Mark)> {
        self.marks.iter().rfind(|mark| mark.0 == of).map(|mark| (mark.1, mark.2))
    }

    /// The last events for a socket, as far as nothing is missing between them and they take at most so many bytes. `whole`: since
    /// when nothing can be missing, if it is not for ever. An event may be nothing but the place from which the socket came with
    /// its offset.
    pub(in crate::shard) fn tail(
        &self,
        addressee: &Addressee<'_>,
        mut left: usize,
        whole: Option<Millis>,
    ) -> Vec<(Offset, Frames)> {
        let mut events = Vec::new();
        for entry in self.entries.iter().rev().take_while(|entry| whole.is_none_or(|whole| entry.at > whole)) {
            let (frames, is_begin) = match &entry.packet {
                Packet::Broadcast { broadcast, .. } if addressee.is_meant_by(broadcast) => {
                    (broadcast.frames.clone(), false)
                }
                Packet::Emit { to, frames } if addressee.is(*to) => (frames.clone(), false),
                Packet::Brought { to, frames: Some(frames) } if addressee.is(*to) => (frames.clone(), false),
                Packet::Brought { to, frames: None } if addressee.is(*to) => (Frames::none(), true),
                Packet::Gap { to, .. } if addressee.shares_with(*to) => break,
                _ => continue,
            };
            let Some(less) = left.checked_sub(frames.len() + EVENT) else { break };
            left = less;
            events.push((entry.offset, frames));
            if is_begin || self.lanes.are_broken_behind(addressee.namespace(), entry.place.saturating_sub(1)) {
                break;
            }
        }
        events.reverse();
        events
    }

    /// Whether nothing is missing behind the event of an offset, if all is known that came since `whole`.
    pub(in crate::shard::shared) fn knows_all_since(
        &self,
        addressee: &Addressee<'_>,
        offset: Offset,
        whole: Option<Millis>,
    ) -> bool {
        let event = self.behind(addressee, offset).and_then(|behind| self.entry(behind - 1));
        event.is_some_and(|event| whole.is_none_or(|whole| event.at > whole))
    }

    /// For how long everything is in the log, if the namespace was heard for `heard`.
    pub(in crate::shard) fn reach(&self, now: Millis, heard: Duration) -> Duration {
        self.forgotten_at.map_or(heard, |forgotten| heard.min(now - forgotten))
    }

    /// What was delivered until now, for a socket of this log. Its seeker's question came at `mark`, and each of the two servers
    /// has heard the namespace for `heard` or longer. `None` if that is too much to tell, or partly forgotten.
    pub(in crate::shard) fn progress(
        &self,
        addressee: &Addressee<'_>,
        mark: Mark,
        heard: Duration,
    ) -> Option<Progress> {
        let window = WINDOW.min(self.reach(mark.at, heard) / 2);
        let window = if window < SHORTEST { Duration::ZERO } else { window };
        let mut progress = Progress { window, ..Progress::default() };
        let (near, far) = (mark.at - window, mark.at - 2 * window);
        // The seeker may yet have to read what came here before, whatever the window is.
        let were_cleared = self.lanes.were_cleared_since(mark.at - 2 * WINDOW);
        if self.first > mark.place || were_cleared || self.has_gap(addressee, far, mark) {
            return None;
        }
        for (entry, broadcast) in self.meant_for(addressee, far, mark) {
            let Source::Unnumbered(digest) = broadcast.source else { continue };
            match () {
                () if entry.place >= mark.place => progress.after.push(digest),
                () if entry.at > near => progress.near.push(digest),
                () => progress.far.push(digest),
            }
        }
        if progress.after.len() + progress.near.len() + progress.far.len() > DIGESTS {
            return None;
        }
        let lanes = self.lanes.of(addressee.namespace());
        progress.lanes = lanes.map(|(serial, lane)| LaneEnd { serial, is_recent: lane.at >= near }).collect();
        Some(progress)
    }

    /// A socket comes from a holder with this progress. Of lanes that are silent since before this server began, the next seeker
    /// must know how far the socket's client is.
    pub(in crate::shard::shared) fn learn(&mut self, now: Millis, namespace: NamespaceKey, lanes: &[LaneEnd]) {
        lanes.iter().for_each(|end| self.lanes.learn(now, namespace, end.serial));
    }

    /// Whether something that the holder has delivered is still on its way to this log.
    pub(in crate::shard::shared) fn is_behind(
        &self,
        addressee: &Addressee<'_>,
        progress: &Progress,
        sought: &Sought,
    ) -> bool {
        let is_missing = |end: &LaneEnd| {
            let lane = self.lanes.get(addressee.namespace(), end.serial.boot, end.serial.lane);
            end.is_recent && lane.is_none_or(|lane| lane.last < end.serial.number)
        };
        progress.lanes.iter().any(is_missing)
            || self.copies(addressee, progress, sought).values().any(|copies| copies.come() < copies.covered())
    }

    /// The events for a socket that the holder had yet to deliver and this log has. `None` if it cannot be told which.
    pub(in crate::shard::shared) fn beyond(
        &self,
        addressee: &Addressee<'_>,
        progress: &Progress,
        sought: &Sought,
    ) -> Option<Vec<(Offset, Frames)>> {
        let begin = sought.sent.at - progress.window;
        let far = sought.echo.at - 2 * progress.window;
        if self.has_forgotten(begin.min(far), sought.sent)
            || self.has_gap(addressee, begin.min(far), sought.sent)
            || self.is_broken_since(addressee, begin, sought.sent, progress)
        {
            return None;
        }
        let near = sought.echo.at - progress.window;
        let copies = self.copies(addressee, progress, sought);
        let mut covered: HashMap<u64, usize, RandomState> =
            copies.iter().map(|(digest, copies)| (*digest, copies.covered())).collect();
        let mut events = Vec::new();
        for (entry, broadcast) in self.meant_for(addressee, begin.min(near), sought.sent) {
            let is_beyond = match broadcast.source {
                Source::Here => false,
                Source::Numbered(serial) => match end_of(progress, serial.boot, serial.lane) {
                    Some(end) => serial.number > end,
                    None => entry.place >= sought.sent.place || entry.at > begin,
                },
                Source::Unnumbered(digest) if entry.place >= sought.echo.place || entry.at > near => {
                    covered.get_mut(&digest).is_none_or(|left| left.checked_sub(1).map(|less| *left = less).is_none())
                }
                Source::Unnumbered(_) => false,
            };
            if is_beyond {
                events.push((entry.offset, broadcast.frames.clone()));
            }
        }
        Some(events)
    }

    /// Whether the log may have forgotten something behind an instant, or behind a mark.
    fn has_forgotten(&self, begin: Millis, mark: Mark) -> bool {
        self.first > mark.place || self.forgotten_at.is_some_and(|at| at > begin)
    }

    /// Whether events for the socket alone were dropped since an instant, or behind a mark: no copies of them can be counted.
    fn has_gap(&self, addressee: &Addressee<'_>, begin: Millis, mark: Mark) -> bool {
        let mut packets = self.entries.range(self.since(begin, mark)..).map(|entry| &entry.packet);
        packets.any(|packet| matches!(packet, Packet::Gap { to, .. } if addressee.shares_with(*to)))
    }

    /// Whether something for the socket is missing in the log since an instant, or something that the holder had yet to deliver
    /// is older.
    fn is_broken_since(&self, addressee: &Addressee<'_>, begin: Millis, mark: Mark, progress: &Progress) -> bool {
        let namespace = addressee.namespace();
        let index = self.since(begin, mark);
        let first = self.entries.get(index).map_or(self.next, |entry| entry.place);
        if self.lanes.are_broken_behind(namespace, first.saturating_sub(1)) || self.lanes.were_cleared_since(begin) {
            return true;
        }
        let mut firsts: HashMap<(u64, u8), u64, RandomState> = HashMap::default();
        for entry in self.entries.range(index..) {
            if let Packet::Broadcast { broadcast, .. } = &entry.packet
                && broadcast.namespace == namespace
                && let Source::Numbered(serial) = broadcast.source
            {
                firsts.entry((serial.boot, serial.lane)).or_insert(serial.number);
            }
        }
        progress.lanes.iter().any(|LaneEnd { serial, .. }| {
            let is_beyond =
                self.lanes.get(namespace, serial.boot, serial.lane).is_some_and(|lane| lane.last > serial.number);
            let first = firsts.get(&(serial.boot, serial.lane));
            is_beyond && first.is_none_or(|first| *first > serial.number.saturating_add(1))
        })
    }

    /// The broadcasts that were meant for a socket, since an instant and behind a mark.
    fn meant_for(
        &self,
        addressee: &Addressee<'_>,
        begin: Millis,
        mark: Mark,
    ) -> impl Iterator<Item = (&Entry, &Broadcast)> {
        self.entries.range(self.since(begin, mark)..).filter_map(move |entry| match &entry.packet {
            Packet::Broadcast { broadcast, .. } if addressee.is_meant_by(broadcast) => Some((entry, &**broadcast)),
            _ => None,
        })
    }

    /// The index of the first entry since an instant, or of the first behind a mark. The mark's instant may be the same.
    fn since(&self, begin: Millis, mark: Mark) -> usize {
        self.entries.partition_point(|entry| entry.at <= begin && entry.place < mark.place)
    }

    /// Counts the copies of each text.
    fn copies(
        &self,
        addressee: &Addressee<'_>,
        progress: &Progress,
        sought: &Sought,
    ) -> HashMap<u64, Copies, RandomState> {
        let mut all: HashMap<u64, Copies, RandomState> = HashMap::default();
        progress.after.iter().for_each(|digest| all.entry(*digest).or_default().held_after += 1);
        progress.far.iter().for_each(|digest| all.entry(*digest).or_default().held += 1);
        for digest in &progress.near {
            let copies = all.entry(*digest).or_default();
            copies.held += 1;
            copies.held_near += 1;
        }
        let echo = sought.echo;
        let (near, far) = (echo.at - progress.window, echo.at - 2 * progress.window);
        for (entry, broadcast) in self.meant_for(addressee, far, echo) {
            let Source::Unnumbered(digest) = broadcast.source else { continue };
            let copies = all.entry(digest).or_default();
            if entry.place >= echo.place {
                copies.here_after += 1;
            } else {
                copies.here += 1;
                copies.here_near += usize::from(entry.at > near);
            }
        }
        all
    }
}

/// The last number of a lane that the holder has delivered, if it knows the lane.
fn end_of(progress: &Progress, boot: u64, lane: u8) -> Option<u64> {
    let is_it = |end: &&LaneEnd| (end.serial.boot, end.serial.lane) == (boot, lane);
    progress.lanes.iter().find(is_it).map(|end| end.serial.number)
}
