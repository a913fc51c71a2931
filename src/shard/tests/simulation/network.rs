//! What lies between clients and servers: a balancer, and the connections that it makes.

use super::client::Link;
use super::instance::Instance;
use super::plan::Plan;
use crate::chance::simulated::Random;

/// Which server a connection reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Balancer {
    /// All connections of a session reach the server where it began.
    Sticky,
}

impl Balancer {
    /// The server for a connection of a client whose session is at home somewhere.
    const fn choose(self, home: usize) -> usize {
        match self {
            Self::Sticky => home,
        }
    }
}

/// The way to the servers.
pub(super) struct Network<'a> {
    pub(super) instances: &'a mut [Instance],
    pub(super) balancer: Balancer,
    pub(super) random: &'a mut Random,
    pub(super) plan: &'a Plan,
}

impl Network<'_> {
    /// A server for a new session.
    pub(super) fn some_home(&mut self) -> usize {
        self.random.below(self.instances.len() as u64) as usize
    }

    /// A connection of a session, to any shard of the server that the balancer chooses. `None` if it is refused.
    pub(super) fn connect(&mut self, home: usize) -> Option<Link> {
        let instance = &mut self.instances[self.balancer.choose(home)];
        let shard = self.random.below(instance.shards() as u64) as usize;
        instance.connect(shard, self.plan.room).map(Link::new)
    }
}
