//! One server of some shards, all of them in this thread.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::application::{Guestbook, handlers};
use super::cluster::Threads;
use super::invariants::Watched;
use super::plan::Plan;
use crate::app::{Handle, Pool};
use crate::chance::simulated::Random;
use crate::cluster::peers::{self, OwnInstance};
use crate::cluster::redis::State;
use crate::cluster::redis::simulated::Network;
use crate::memory::Memory;
use crate::shard::event_loop::turn::EventLoop;
use crate::shard::kernel::listener::Listener;
use crate::shard::kernel::poll::Poll;
use crate::shard::kernel::simulated;
use crate::shard::shared::mailbox::mailbox;
use crate::shard::shared::{Budget, Shared};
use crate::values::Store;

/// Bytes of memory that a server is granted.
const MEMORY: usize = 1 << 30;

/// Percent of it from which clients may be closed.
const SHORT: usize = 90;

/// A server.
pub(super) struct Instance {
    loops: Vec<EventLoop>,
    listeners: Vec<simulated::Listener>,
    connections: usize,
    /// How much time a look at the clock takes in a turn.
    look: Duration,
    pub(super) threads: Threads,
    pub(super) handle: Handle,
    shared: Arc<Shared>,
    /// The jobs of its threads for handlers that block, and how many threads these are.
    pool: Arc<Pool>,
    threads_of_pool: usize,
    /// Bytes of its memory that are in use.
    memory: Arc<AtomicUsize>,
    /// Its number: no other server has it, not even the one that takes its place.
    pub(super) number: u8,
}

impl Instance {
    /// A server with this number; `network` leads to Redis.
    pub(super) fn new(number: u8, plan: &Plan, guestbook: &Guestbook, network: &Network) -> Self {
        let (shards, config) = (plan.shards, plan.config());
        let backlog = usize::try_from(config.limits.backlog).unwrap();
        let own = Arc::new(OwnInstance::new(peers::Instance([1, 2, number])));
        let (handlers, handle) = (handlers(guestbook, number, plan), Handle::early());
        let (cluster, threads) = Threads::join(&config, &own, &handle, &handlers, network);
        let (pool, threads_of_pool) = (handlers.pool(), plan.threads.unwrap_or(1));
        pool.pretend(&config);
        let handlers = Arc::new(handlers);
        let polls: Vec<Poll> = (0..shards).map(|_| Poll::simulated(simulated::Poll::default())).collect();
        let (mailboxes, inboxes): (Vec<_>, Vec<_>) =
            polls.iter().map(|poll| mailbox(poll.waker().unwrap(), 1 << 20)).unzip();
        let all = 64 << 20;
        let memory = Arc::new(AtomicUsize::new(0));
        let budget = Budget {
            memory: Some(Memory::simulated(MEMORY, Arc::clone(&memory))),
            max_connections: 10_000,
            queued_per_client: config.limits.queued_per_client.unwrap_or(1 << 20),
            queued: all,
            kept: all,
            unfinished: all,
        };
        let directory = Arc::clone(&handlers) as _;
        let shared = Arc::new(Shared::new(config, own, directory, cluster, mailboxes, budget));
        handle.start(&shared);
        let listeners: Vec<_> = (0..shards).map(|_| simulated::Listener::with_backlog(backlog)).collect();
        let stands = polls.into_iter().zip(inboxes).zip(&listeners).enumerate();
        let loops = stands.map(|(index, ((poll, inbox), listener))| {
            let callbacks = Arc::clone(&handlers) as _;
            let listener = Listener::Simulated(listener.clone());
            EventLoop::new(Arc::clone(&shared), callbacks, index, poll, inbox, listener, None).unwrap()
        });
        let look = Duration::from_micros(plan.look.unwrap_or(0));
        Self {
            loops: loops.collect(),
            listeners,
            connections: 0,
            look,
            threads,
            handle,
            shared,
            pool,
            threads_of_pool,
            memory,
            number,
        }
    }

    /// The time in which clients must take something.
    pub(super) fn write_stall(&self) -> Duration {
        self.shared.config.limits.write_stall
    }

    pub(super) fn shards(&self) -> usize {
        self.loops.len()
    }

    /// A client connects to some shard. Gives its end of the socket, unless the connection is refused.
    pub(super) fn connect(&mut self, shard: usize, room: usize) -> Option<simulated::Socket> {
        let socket = simulated::Socket::with_room(room);
        self.connections += 1;
        let port = u16::try_from(self.connections % 60_000).unwrap() + 1;
        let peer = SocketAddr::from(([10, 0, 0, 1], port));
        self.listeners[shard].connect(socket.clone(), peer).then_some(socket)
    }

    /// A shard cannot accept, so many times.
    pub(super) fn fail_to_accept(&mut self, shard: usize, times: usize) {
        self.listeners[shard].fail(times);
    }

    /// Whether somebody waits because a shard cannot accept.
    pub(super) fn is_failing_to_accept(&self) -> bool {
        self.listeners.iter().any(simulated::Listener::is_failing)
    }

    /// So many percent of its memory are in use.
    pub(super) fn use_memory(&self, percent: usize) {
        self.memory.store(MEMORY / 100 * percent, Ordering::Relaxed);
    }

    /// Whether its memory is so short that it may close clients.
    pub(super) fn is_short_of_memory(&self) -> bool {
        self.memory.load(Ordering::Relaxed) >= MEMORY / 100 * SHORT
    }

    /// How many clients it has cut off because they did not take what was sent to them.
    pub(super) fn slow_consumers(&self) -> u64 {
        self.loops.iter().map(|it| it.shard().with(|core| core.metrics().slow_consumers.get())).sum()
    }

    /// Tells it to drain, as SIGTERM does.
    pub(super) fn drain(&mut self) {
        self.shared.drain_all();
    }

    /// Whether it is about to end.
    pub(super) fn is_leaving(&self) -> bool {
        self.shared.is_leaving()
    }

    /// Whether it has ended: its shards, then its threads.
    pub(super) fn has_ended(&self) -> bool {
        self.have_shards_ended() && self.threads.have_ended()
    }

    fn have_shards_ended(&self) -> bool {
        self.loops.iter().all(EventLoop::is_over)
    }

    /// Its process ends.
    pub(super) fn kill(self) {
        self.pool.forget();
        self.loops.into_iter().for_each(EventLoop::kill);
    }

    /// How long a shard would sleep; `None` if nothing will wake it.
    pub(super) fn sleeps(&self, shard: usize) -> Option<Duration> {
        self.loops[shard].sleeps().filter(|_| !self.loops[shard].is_over())
    }

    pub(super) fn turn(&mut self, shard: usize) {
        if self.loops[shard].is_over() {
            return;
        }
        let watched = Watched::begin(&self.loops[shard], self.look);
        self.loops[shard].turn_once();
        watched.end(&self.loops[shard], &self.loops);
        if self.have_shards_ended() {
            self.leave_its_cluster();
        }
    }

    /// How long all of it would sleep.
    pub(super) fn sleeps_for(&self) -> Option<Duration> {
        (0..self.shards()).filter_map(|shard| self.sleeps(shard)).chain(self.threads.sleep_for()).min()
    }

    /// Turns all that are awake. Returns whether any was.
    pub(super) fn turn_all(&mut self) -> bool {
        let mut was_awake = self.threads.turn();
        for shard in 0..self.shards() {
            if self.sleeps(shard) == Some(Duration::ZERO) {
                was_awake = true;
                self.turn(shard);
            }
        }
        was_awake
    }

    /// Turns until nothing is left to do now.
    pub(super) fn turn_until_rest(&mut self) {
        while self.turn_all() || self.pool.waiting() > 0 {
            self.pool.run_one(0);
        }
    }

    /// How many requests and WebSockets it passes on to other servers, and how many of them others pass on to it.
    pub(super) fn relayed(&self) -> (usize, usize) {
        let of_shard = |it: &EventLoop| it.shard().with(|core| (core.errand_count(), core.exchange_count()));
        self.loops.iter().map(of_shard).fold((0, 0), |sum, each| (sum.0 + each.0, sum.1 + each.1))
    }

    /// How many other servers it knows.
    pub(super) fn known_peers(&self) -> usize {
        self.shared.cluster.as_ref().and_then(|cluster| cluster.peers()).map_or(0, |peers| peers.count())
    }

    /// A thread for handlers that block runs a job, if one waits: each thread may have taken one, and any may end first.
    pub(super) fn run_some_job(&mut self, random: &mut Random) {
        let begun = self.pool.waiting().min(self.threads_of_pool) as u64;
        if begun > 0 {
            self.pool.run_one(random.below(begun) as usize);
        }
    }

    /// The threads for handlers that block run all jobs.
    pub(super) fn run_all_jobs(&self) {
        while self.pool.waiting() > 0 {
            self.pool.run_one(0);
        }
    }

    /// Whether Redis is connected, if there is to be one.
    pub(super) fn is_in_its_cluster(&self) -> bool {
        let cluster = self.loops[0].shard().shared.cluster.as_ref();
        cluster.is_none_or(|cluster| matches!(cluster.redis_state(), State::Up))
    }

    /// Leaves its cluster, if it is in one, as a server does that stops.
    pub(super) fn leave_its_cluster(&mut self) {
        if let Some(cluster) = &self.loops[0].shard().shared.cluster {
            self.threads.leave(cluster.redis());
        }
    }

    /// Whether there are sessions.
    pub(super) fn has_sessions(&self) -> bool {
        self.loops.iter().any(|event_loop| event_loop.shard().with(|core| core.session_count() > 0))
    }

    /// Says what it still holds, if it holds anything of clients.
    pub(super) fn leftovers(&self) -> Option<String> {
        let (jobs, admissions) = (self.pool.waiting(), self.shared.counted_admissions());
        let left = (jobs + admissions > 0).then(|| format!("there are still {jobs} jobs and {admissions} admissions"));
        left.or_else(|| self.leftovers_of_shards())
    }

    fn leftovers_of_shards(&self) -> Option<String> {
        self.loops.iter().enumerate().find_map(|(index, event_loop)| {
            event_loop.shard().with(|core| {
                let left = [
                    ("connections", core.connection_count()),
                    ("sessions", core.session_count()),
                    ("bytes queued", core.queued()),
                    ("bytes kept", core.kept_bytes()),
                    ("sockets", core.socket_count()),
                    ("rooms", core.namespaces().rooms),
                    ("waits", core.waits().len()),
                    ("sockets that wait", core.applicants().deadlines().len()),
                    ("sockets' values", core.values().map_or(0, Store::len)),
                ];
                let what = left.iter().find(|(_, count)| *count > 0);
                what.map(|(what, count)| format!("shard {index} still has {count} {what}"))
            })
        })
    }
}
