//! The places of events in a log.
//!
//! A log is in the order of delivery, in which offsets do not rise: letters of several threads mix, and a socket that comes
//! back from another shard brings its events along. But the offsets of one origin rise, so they are found by binary search.
//! Brought events are found by their socket and offset.

use std::collections::{HashMap, VecDeque};

use crate::chance::RandomState;
use crate::engineio::Sid;
use crate::socketio::Offset;

/// The number of an entry of a log. It is one more than that of the entry before, unless entries between them were taken out.
pub(in crate::shard::shared) type Place = u64;

/// The origin of an entry.
#[derive(Debug, Clone, Copy)]
pub(in crate::shard::shared) enum Whose {
    /// A broadcast of this origin.
    Origin(usize),
    /// An event that the log's own shard sent one socket.
    Own,
    /// An event that this socket brought along.
    Brought(Sid),
}

/// The places of all entries of a log.
#[derive(Debug)]
pub(in crate::shard::shared) struct Places {
    /// The places of each origin, then those of the shard's own events.
    rising: Box<[VecDeque<(Offset, Place)>]>,
    /// The last of a socket and an offset.
    brought: HashMap<(Sid, Offset), Place, RandomState>,
}

impl Places {
    /// Bytes that an entry takes here, with spare room. A brought one takes [`BROUGHT`](Self::BROUGHT).
    pub(in crate::shard::shared) const RISING: usize = 2 * size_of::<(Offset, Place)>();
    pub(in crate::shard::shared) const BROUGHT: usize = 2 * (size_of::<((Sid, Offset), Place)>() + 1);

    pub(in crate::shard::shared) fn new(origins: usize) -> Self {
        Self { rising: vec![VecDeque::new(); origins + 1].into(), brought: HashMap::default() }
    }

    /// An entry was added at the end of the log.
    pub(in crate::shard::shared) fn add(&mut self, whose: Whose, offset: Offset, place: Place) {
        if let Whose::Brought(sid) = whose {
            self.brought.insert((sid, offset), place);
        } else if let Some(rising) = self.rising_mut(whose) {
            rising.push_back((offset, place));
        }
    }

    /// These entries are taken out; their places are in order.
    pub(in crate::shard::shared) fn remove_all(&mut self, places: &[Place]) {
        let stays = |place: &Place| places.binary_search(place).is_err();
        self.rising.iter_mut().for_each(|rising| rising.retain(|(_, place)| stays(place)));
        self.brought.retain(|_, place| stays(place));
    }

    /// The oldest entry of the log is forgotten.
    pub(in crate::shard::shared) fn forget(&mut self, whose: Whose, offset: Offset, place: Place) {
        if let Whose::Brought(sid) = whose {
            if self.brought.get(&(sid, offset)) == Some(&place) {
                self.brought.remove(&(sid, offset));
            }
        } else if let Some(rising) = self.rising_mut(whose) {
            rising.pop_front();
        }
    }

    /// Gives back the memory of a log that was longer.
    pub(in crate::shard::shared) fn shrink_to(&mut self, entries: usize) {
        self.rising.iter_mut().for_each(|rising| rising.shrink_to(entries));
        self.brought.shrink_to(entries);
    }

    /// The places where the event of an offset may be, the last first: where the socket brought it along, and where it was
    /// sent.
    pub(in crate::shard::shared) fn of(&self, sid: Sid, offset: Offset) -> impl Iterator<Item = Place> {
        let sent = self.rising.iter().find_map(|rising| {
            let index = rising.binary_search_by_key(&offset, |(offset, _)| *offset).ok()?;
            rising.get(index).map(|(_, place)| *place)
        });
        let mut places = [self.brought.get(&(sid, offset)).copied(), sent];
        places.sort_unstable();
        places.into_iter().rev().flatten()
    }

    /// The first broadcast of an origin beyond an offset.
    pub(in crate::shard::shared) fn beyond(&self, origin: usize, offset: Offset) -> Option<Place> {
        let rising = self.rising.get(origin)?;
        let index = rising.partition_point(|(sent, _)| *sent <= offset);
        rising.get(index).map(|(_, place)| *place)
    }

    fn rising_mut(&mut self, whose: Whose) -> Option<&mut VecDeque<(Offset, Place)>> {
        match whose {
            Whose::Origin(origin) => self.rising.get_mut(origin),
            Whose::Own => self.rising.last_mut(),
            Whose::Brought(_) => None,
        }
    }
}
