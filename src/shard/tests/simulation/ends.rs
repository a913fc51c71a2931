//! Servers that end, each of which another one replaces: they are told to drain, and end in their window and the rest that is
//! documented, or they are killed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::instance::Instance;
use super::journal::tell;
use super::plan::Plan;
use crate::clock;

/// What a server has, after its window, to close what is left.
const REST: Duration = Duration::from_secs(2);

/// The time from turn to turn, while the simulation lets time pass.
const TURN: Duration = Duration::from_millis(1200);

/// How servers have ended so far, by their numbers.
pub(super) struct Ends {
    /// When each server that was told to drain was told.
    drained: BTreeMap<u8, Instant>,
    killed: BTreeSet<u8>,
    /// The number of the next server.
    next: u8,
}

impl Ends {
    /// None so far, and so many servers.
    pub(super) fn new(servers: usize) -> Self {
        let next = u8::try_from(servers).expect("few servers");
        Self { drained: BTreeMap::new(), killed: BTreeSet::new(), next }
    }

    /// Whether the reason for which a server let a socket go is that it ended.
    pub(super) fn explain(&self, server: u8, reason: &str) -> bool {
        match reason {
            "server shutting down" => self.drained.contains_key(&server),
            KILLED => self.killed.contains(&server),
            _ => false,
        }
    }

    /// Whether a server has ended, or is about to.
    pub(super) fn have_ended(&self, server: u8) -> bool {
        self.drained.contains_key(&server) || self.killed.contains(&server)
    }

    /// Tells a server to drain. A second time changes nothing.
    pub(super) fn drain(&mut self, instance: &mut Instance) {
        tell(|| format!("server {} is told to drain", instance.number));
        instance.drain();
        self.drained.entry(instance.number).or_insert_with(clock::now);
    }

    /// Takes note that a server is killed. Gives the number of the one that takes its place.
    pub(super) fn kill(&mut self, server: u8) -> u8 {
        tell(|| format!("server {server} is killed"));
        self.killed.insert(server);
        self.take_number()
    }

    fn take_number(&mut self) -> u8 {
        self.next += 1;
        self.next - 1
    }

    /// The server has drained. Gives the number of the one that takes its place; `None` if the server goes on, which it may not
    /// for too long.
    pub(super) fn replacement(&mut self, instance: &Instance, plan: &Plan) -> Option<u8> {
        let begun = self.drained.get(&instance.number)?;
        let (took, most) = (clock::now() - *begun, Duration::from_millis(plan.drain) + REST + TURN);
        if instance.has_ended() {
            tell(|| format!("server {} has ended", instance.number));
            return Some(self.take_number());
        }
        assert!(took <= most, "server {} drains for {took:?}", instance.number);
        None
    }
}

/// The reason of sockets whose server was killed: no program runs that could tell another one.
pub(super) const KILLED: &str = "killed";
