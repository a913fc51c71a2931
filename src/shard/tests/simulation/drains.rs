//! Servers that are told to drain: each ends in its window and the rest that is documented, and another takes its place.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::instance::Instance;
use super::journal::tell;
use super::plan::Plan;
use crate::clock;

/// What a server has, after its window, to close what is left.
const REST: Duration = Duration::from_secs(2);

/// The time from turn to turn, while the simulation lets time pass.
const TURN: Duration = Duration::from_millis(1200);

/// All drains so far.
pub(super) struct Drains {
    /// When each server that was told to drain was told, by its number.
    begun: BTreeMap<u8, Instant>,
    /// The number of the next server.
    next: u8,
}

impl Drains {
    /// None so far, and so many servers.
    pub(super) fn new(servers: usize) -> Self {
        Self { begun: BTreeMap::new(), next: u8::try_from(servers).expect("few servers") }
    }

    /// Whether the server with this number was told to drain.
    pub(super) fn contain(&self, number: u8) -> bool {
        self.begun.contains_key(&number)
    }

    /// Tells a server to drain. A second time changes nothing.
    pub(super) fn begin(&mut self, instance: &mut Instance) {
        tell(|| format!("server {} is told to drain", instance.number));
        instance.drain();
        self.begun.entry(instance.number).or_insert_with(clock::now);
    }

    /// Has new servers take the place of those that have ended: `replace` gets the old one, and the new one's number. None takes longer than it may.
    pub(super) fn replace_ended(
        &mut self,
        instances: &mut [Instance],
        plan: &Plan,
        replace: impl Fn(&mut Instance, u8),
    ) {
        for instance in instances.iter_mut() {
            let Some(begun) = self.begun.get(&instance.number) else { continue };
            let (took, most) = (clock::now() - *begun, Duration::from_millis(plan.drain) + REST + TURN);
            if instance.has_ended() {
                tell(|| format!("server {} has ended, and {} starts", instance.number, self.next));
                replace(instance, self.next);
                self.next += 1;
            } else {
                assert!(took <= most, "server {} drains for {took:?}", instance.number);
            }
        }
    }
}
