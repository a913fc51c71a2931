//! What joins the servers: Redis, the way to it, and the threads that keep the servers' connections, turned by the simulation.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::journal::tell;
use super::plan::Plan;
use super::redis::Redis;
use crate::app::{Handle, Handlers, lost, receive};
use crate::chance::simulated::Random;
use crate::clock;
use crate::cluster::Membership;
use crate::cluster::peers::OwnInstance;
use crate::cluster::redis;
use crate::cluster::redis::simulated::{Ending, Network, Standing, Thread, stand};
use crate::config::{Config, RedisSecurity, RedisServer};

/// An address for the settings; nothing is sent there.
pub(super) fn address() -> RedisServer {
    RedisServer::new("127.0.0.1", 6379, RedisSecurity::Plain)
}

/// How long a server that stops waits for Redis to take its last messages.
const FLUSH: Duration = Duration::from_secs(1);

/// Redis and the way to it.
pub(super) struct Cluster {
    pub(super) network: Network,
    redis: Redis,
    /// Until when Redis is away, if it is.
    away: Option<Instant>,
    _standing: Standing,
}

impl Cluster {
    pub(super) fn new() -> Self {
        let network = Network::default();
        let (redis, standing) = (Redis::new(network.clone()), stand(&network));
        Self { network, redis, away: None, _standing: standing }
    }

    /// Redis reads some bytes of a connection, or some reach a server.
    pub(super) fn move_some_bytes(&mut self, random: &mut Random) {
        let Some(client) = self.some_connection(random) else { return };
        let most = 1 + random.below(2000) as usize;
        if random.once_in(2) {
            tell(|| format!("at most {most} bytes reach Redis over connection {client}"));
            self.redis.hear(client, most);
        } else {
            tell(|| format!("at most {most} bytes of Redis arrive over connection {client}"));
            self.redis.carry(client, most);
        }
    }

    fn some_connection(&mut self, random: &mut Random) -> Option<usize> {
        let count = self.redis.attend() as u64;
        (count > 0).then(|| random.below(count) as usize)
    }

    /// Redis ends all connections.
    pub(super) fn end_all(&mut self, how: Ending) {
        (0..self.redis.attend()).for_each(|client| self.redis.kill(client, how));
    }

    /// All that is on its way arrives.
    pub(super) fn move_all(&mut self) {
        for client in 0..self.redis.attend() {
            self.redis.hear(client, usize::MAX);
        }
        (0..self.redis.attend()).for_each(|client| self.redis.carry(client, usize::MAX));
    }

    /// Once in so many steps, as the plan says, Redis ends a connection, goes away for some seconds, or counts nobody. Says
    /// whether something happened to connections, or Redis is away.
    pub(super) fn make_trouble(&mut self, plan: &Plan, random: &mut Random) -> bool {
        if self.away.is_some_and(|until| until <= clock::now()) {
            self.recover();
        }
        if !plan.redis_trouble.is_some_and(|steps| random.once_in(steps)) || self.away.is_some() {
            return self.away.is_some();
        }
        match random.below(4) {
            0 => {
                let time = Duration::from_millis(random.below(3000));
                tell(|| format!("Redis is away for {time:?}"));
                self.away = Some(clock::now() + time);
                self.redis.be_away(true);
            }
            1 => {
                tell(|| "Redis lets nobody count, or lets everybody".to_owned());
                self.redis.counts = !self.redis.counts;
            }
            which => {
                let how = if which == 2 { Ending::Reset } else { Ending::Closed };
                if let Some(client) = self.some_connection(random) {
                    tell(|| format!("Redis ends connection {client}: {how:?}"));
                    self.redis.kill(client, how);
                }
            }
        }
        true
    }

    /// Redis is there.
    pub(super) fn recover(&mut self) {
        self.away = None;
        self.redis.counts = true;
        self.redis.be_away(false);
    }

    /// Whether nothing is on its way.
    pub(super) fn is_idle(&self) -> bool {
        self.redis.is_idle()
    }
}

/// The threads of one server.
pub(super) struct Threads {
    /// The subscriber's, then the publisher's.
    all: Vec<Thread>,
    /// The connections that are to end: the subscriber's first.
    leaving: Option<redis::Handle>,
    is_leaving: bool,
}

impl Threads {
    /// Joins the cluster, if the settings name a Redis.
    pub(super) fn join(
        config: &Config,
        own: &Arc<OwnInstance>,
        handle: &Handle,
        handlers: &Handlers,
        network: &Network,
    ) -> (Option<Arc<Membership>>, Self) {
        let (server, deserted) = (handle.clone(), handle.clone());
        let sink = move |incoming| receive(&server, incoming);
        let joined =
            Membership::start(config, own, handlers.declared(), sink, move |loss| lost(&deserted, loss)).unwrap();
        (joined, Self { all: network.take_threads(), leaving: None, is_leaving: false })
    }

    /// How long all of them would sleep; `None` if they have ended.
    pub(super) fn sleep_for(&self) -> Option<Duration> {
        let running = self.all.iter().filter(|thread| !thread.has_ended());
        running.map(|thread| thread.sleeps().map_or(Duration::ZERO, from_now)).min()
    }

    /// Leaves the cluster, as a server does that stops. A second time changes nothing.
    pub(super) fn leave(&mut self, redis: &redis::Handle) {
        if !self.is_leaving {
            self.is_leaving = true;
            redis.part();
            self.leaving = Some(redis.clone());
        }
    }

    /// Whether all of them have ended.
    pub(super) fn have_ended(&self) -> bool {
        self.all.iter().all(Thread::has_ended)
    }

    /// Once the subscriber has ended, the publisher may.
    fn go_on_leaving(&mut self) {
        if self.all.first().is_some_and(Thread::has_ended)
            && let Some(redis) = self.leaving.take()
        {
            redis.finish(clock::now() + FLUSH);
        }
    }

    /// Turns those that are awake. Returns whether any was.
    pub(super) fn turn(&mut self) -> bool {
        let awake = self.all.iter_mut().filter(|thread| thread.is_awake());
        let count = awake.map(Thread::turn).count();
        self.go_on_leaving();
        count > 0
    }

    /// Turns one of them, if it is awake.
    pub(super) fn turn_some(&mut self, random: &mut Random) {
        let thread = random.below(2) as usize;
        self.all.iter_mut().skip(thread).take(1).filter(|thread| thread.is_awake()).for_each(Thread::turn);
        self.go_on_leaving();
    }
}

fn from_now(until: Instant) -> Duration {
    until.saturating_duration_since(clock::now())
}
