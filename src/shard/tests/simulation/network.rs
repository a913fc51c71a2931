//! What lies between clients and servers: a balancer, and the connections that it makes.

use std::time::Duration;

use super::client::Link;
use super::instance::Instance;
use super::plan::Plan;
use crate::chance::simulated::Random;

/// Which server a connection reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Balancer {
    /// All connections of a session reach the server where it began.
    Sticky,
    /// Each connection reaches any server.
    Loose,
}

impl Balancer {
    /// The server for a connection of a client whose session is at home somewhere.
    fn choose(self, home: usize, servers: usize, random: &mut Random) -> usize {
        match self {
            Self::Sticky => home,
            Self::Loose => random.below(servers as u64) as usize,
        }
    }
}

/// The way to the servers.
pub(super) struct Network<'a> {
    pub(super) instances: &'a mut [Instance],
    pub(super) balancer: Balancer,
    pub(super) random: &'a mut Random,
    pub(super) plan: &'a Plan,
    /// For how long something is on its way between the servers.
    pub(super) delay: Option<Duration>,
}

impl Network<'_> {
    /// A server for a new session.
    pub(super) fn some_home(&mut self) -> usize {
        self.random.below(self.instances.len() as u64) as usize
    }

    /// The servers that connections of a session may reach.
    pub(super) fn ways_to(&self, home: usize) -> &[Instance] {
        match self.balancer {
            Balancer::Sticky => &self.instances[home..=home],
            Balancer::Loose => self.instances,
        }
    }

    /// The first connection of a session, to any shard of that server. `None` if it is refused.
    pub(super) fn open(&mut self, home: usize) -> Option<Link> {
        let instance = &mut self.instances[home];
        let shard = self.random.below(instance.shards() as u64) as usize;
        instance.connect(shard, self.plan.room).map(Link::new)
    }

    /// Another connection of a session, to any shard of the server that the balancer chooses. `None` if it is refused.
    pub(super) fn connect(&mut self, home: usize) -> Option<Link> {
        let server = self.balancer.choose(home, self.instances.len(), self.random);
        self.open(server)
    }
}
