//! Owners of errands: whether they are still there.
//!
//! An owner that was killed says nothing, and while its clients say nothing either, nobody would notice. So an owner that was
//! quiet for a while is told something, which means nothing: if Redis knows of nobody who hears it, the owner is gone, and all
//! errands to it end.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use foldhash::fast::FixedState;

use crate::cluster::peers::Instance;
use crate::cluster::peers::message::relay::{ExchangeNumber, ToOwner};
use crate::shard::net::Net;
use crate::shard::store::keys::TimerKey;

/// Time between two looks at who was quiet. An owner is told something after this time of silence, or twice as much.
const LOOK: Duration = Duration::from_secs(5);

/// The owners of a shard's errands that were heard since the last look.
#[derive(Debug, Default)]
pub(super) struct Owners {
    heard: HashSet<Instance, FixedState>,
    /// Whether the next look has a timer.
    is_armed: bool,
}

impl Owners {
    /// An owner has told something.
    pub(super) fn hear(&mut self, owner: Instance) {
        self.heard.insert(owner);
    }
}

impl Net {
    /// There is an errand, so owners are looked at.
    pub(super) fn watch_owners(&mut self) {
        if !std::mem::replace(&mut self.owners.is_armed, true) {
            self.timers.arm(self.now + LOOK, TimerKey::Owners);
        }
    }

    /// Nothing is passed on any more, and the timer is gone.
    pub(in crate::shard) fn owners_disarmed(&mut self) {
        self.owners = Owners::default();
    }

    /// It is time to tell the owners something that were quiet.
    pub(in crate::shard) fn owners_due(&mut self) {
        let heard = std::mem::take(&mut self.owners).heard;
        if !self.has_errands() {
            return;
        }
        self.watch_owners();
        if self.shared.carrier.as_ref().is_some_and(|carrier| carrier.has_room()) {
            let quiet: HashMap<Instance, ExchangeNumber, FixedState> =
                self.errands_by_owner().filter(|(owner, _)| !heard.contains(owner)).collect();
            quiet.into_values().for_each(|number| self.tell_owner(number, ToOwner::Taken(0), None));
        }
    }
}
