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

/// What is the matter with a server, or with one of several.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Trouble {
    pub(super) is_leaving: bool,
    pub(super) is_short_of_memory: bool,
    pub(super) is_failing_to_accept: bool,
}

impl Trouble {
    pub(super) fn of(instance: &Instance) -> Self {
        Self {
            is_leaving: instance.is_leaving(),
            is_short_of_memory: instance.is_short_of_memory(),
            is_failing_to_accept: instance.is_failing_to_accept(),
        }
    }

    const fn or(self, other: Self) -> Self {
        Self {
            is_leaving: self.is_leaving | other.is_leaving,
            is_short_of_memory: self.is_short_of_memory | other.is_short_of_memory,
            is_failing_to_accept: self.is_failing_to_accept | other.is_failing_to_accept,
        }
    }
}

/// The way to the servers.
pub(super) struct Network<'a> {
    pub(super) instances: &'a mut [Instance],
    /// What is the matter with each.
    pub(super) troubles: &'a [Trouble],
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

    /// What is the matter with the servers that connections of a session may reach.
    pub(super) fn trouble(&self, home: usize) -> Trouble {
        match self.balancer {
            Balancer::Sticky => self.troubles[home],
            Balancer::Loose => self.troubles.iter().copied().fold(Trouble::default(), Trouble::or),
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
