//! The numbers of events that were delivered, for each lane of each publisher, and the holes in them.

use std::collections::HashMap;
use std::time::Duration;

use crate::chance::RandomState;
use crate::cluster::Serial;
use crate::engineio::Millis;
use crate::shard::shared::recovery::places::Place;
use crate::shard::store::keys::NamespaceKey;

/// Most lanes that are known.
const MOST: usize = 4096;

/// A lane that was silent for longer is forgotten when there are too many.
const SILENT: Duration = Duration::from_secs(60);

/// The numbers that were delivered.
#[derive(Debug, Default)]
pub(in crate::shard::shared) struct Lanes {
    lanes: HashMap<(NamespaceKey, u64, u8), Lane, RandomState>,
    /// For each namespace, the place of the last event before which others are missing.
    holes: HashMap<NamespaceKey, Place, RandomState>,
    /// When all lanes were forgotten, because there were too many.
    cleared: Option<Millis>,
    /// Whether lanes were ever forgotten. A lane that is not known may be one of them then, so nobody can tell what is missing
    /// before its next event.
    were_forgotten: bool,
}

/// A lane of a publisher, in one namespace.
#[derive(Debug, Clone, Copy)]
pub(in crate::shard::shared) struct Lane {
    /// The last number that was delivered, and when.
    pub(in crate::shard::shared) last: u64,
    pub(in crate::shard::shared) at: Millis,
}

impl Lanes {
    /// An event is delivered, and logged at this place.
    pub(in crate::shard::shared) fn note(&mut self, at: Millis, namespace: NamespaceKey, serial: Serial, place: Place) {
        let Serial { boot, lane, number } = serial;
        if let Some(lane) = self.lanes.get_mut(&(namespace, boot, lane)) {
            if serial.missing_after(lane.last) > 0 {
                self.holes.insert(namespace, place);
            }
            *lane = Lane { last: number.max(lane.last), at };
            return;
        }
        if self.were_forgotten && number > 1 {
            self.holes.insert(namespace, place);
        }
        self.add(at, namespace, serial, at);
    }

    /// Another server has delivered a lane so far. It is news only of a lane that is not known, and nothing of that came here
    /// lately: this server would know the lane.
    pub(in crate::shard::shared) fn learn(&mut self, now: Millis, namespace: NamespaceKey, serial: Serial) {
        if self.get(namespace, serial.boot, serial.lane).is_none() {
            self.add(now, namespace, serial, Millis(0));
        }
    }

    /// Adds a lane, of which the last event came at an instant.
    fn add(&mut self, now: Millis, namespace: NamespaceKey, Serial { boot, lane, number }: Serial, at: Millis) {
        if self.lanes.len() >= MOST {
            self.were_forgotten = true;
            self.lanes.retain(|_, lane| lane.at + SILENT >= now);
            if self.lanes.len() >= MOST {
                self.lanes.clear();
                self.cleared = Some(now);
            }
        }
        self.lanes.insert((namespace, boot, lane), Lane { last: number, at });
    }

    /// A lane, if it is known.
    pub(in crate::shard::shared) fn get(&self, namespace: NamespaceKey, boot: u64, lane: u8) -> Option<Lane> {
        self.lanes.get(&(namespace, boot, lane)).copied()
    }

    /// Whether lanes of which something came since an instant may be forgotten.
    pub(in crate::shard::shared) fn were_cleared_since(&self, begin: Millis) -> bool {
        self.cleared.is_some_and(|cleared| cleared >= begin)
    }

    /// All lanes of a namespace.
    pub(in crate::shard::shared) fn of(&self, of: NamespaceKey) -> impl Iterator<Item = (Serial, Lane)> {
        let here = self.lanes.iter().filter(move |((namespace, ..), _)| *namespace == of);
        here.map(|(&(_, boot, lane), state)| (Serial { boot, lane, number: state.last }, *state))
    }

    /// Whether events of a namespace are missing somewhere behind this place.
    pub(in crate::shard::shared) fn are_broken_behind(&self, namespace: NamespaceKey, place: Place) -> bool {
        self.holes.get(&namespace).is_some_and(|hole| *hole > place)
    }

    /// Forgets holes before this place, about which nobody can ask any more.
    pub(in crate::shard::shared) fn forget_before(&mut self, first: Place) {
        if !self.holes.is_empty() {
            self.holes.retain(|_, hole| *hole >= first);
        }
    }
}
