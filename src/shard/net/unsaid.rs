//! Entries that have not heard something about an exchange.
//!
//! The exchange ends then, because something would be missing, and its entry must end it, too. If there was no room on the way, or
//! Redis is away, it is told so again and again until there is. What was published and lost, the instances find out themselves.

use std::time::Duration;

use crate::cluster::peers::message::relay::ToEntry;
use crate::cluster::peers::{Instance, Unheard};
use crate::engineio::Millis;
use crate::shard::net::Net;
use crate::shard::net::exchanges::Name;
use crate::shard::store::keys::TimerKey;

/// Time between two attempts.
const AGAIN: Duration = Duration::from_millis(200);

/// Most exchanges whose entries are told again. Beyond, entries find out when nothing comes any more.
const MOST: usize = 10_000;

/// The exchanges whose entries do not know yet that they are over.
#[derive(Debug, Default)]
pub(super) struct Unsaid(Vec<Name>);

impl Net {
    /// The entry of an exchange has not heard something.
    pub(in crate::shard) fn entry_has_not_heard(&mut self, name: Name, why: Unheard) {
        self.leave_exchange(name);
        if matches!(why, Unheard::Gone | Unheard::Refused) || self.unsaid.0.len() >= MOST {
            return;
        }
        if self.unsaid.0.is_empty() {
            let again: Millis = self.now + AGAIN;
            self.timers.arm(again, TimerKey::Unsaid);
        }
        self.unsaid.0.push(name);
    }

    /// Tells the entries again. Those that do not hear it come back here.
    pub(in crate::shard) fn tell_unsaid(&mut self) {
        for name in std::mem::take(&mut self.unsaid.0) {
            self.tell(name, ToEntry::Gone);
        }
    }

    /// An instance is gone, and needs to hear nothing.
    pub(super) fn forget_unsaid(&mut self, instance: Instance) {
        self.unsaid.0.retain(|name| name.entry != instance);
    }
}
