//! What is counted of the cluster.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::dropped::DropReason;
use super::redis::RedisMetrics;

/// What was counted of the cluster since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterMetrics {
    /// What was counted of Redis.
    pub redis: RedisMetrics,
    /// Other kinglets that this server knows now, because they share the Redis and its settings let them speak to each
    /// other ([`Config::relay_requests`](crate::Config::relay_requests), or recovery).
    pub peers: u64,
    /// Broadcasts of other servers and of emitters that were for sockets which may be here.
    pub broadcasts: u64,
    /// Messages dropped unread: this server's own, that Redis sends back, and those for rooms that nobody here is in.
    pub passed_over: u64,
    /// Requests of other servers.
    pub requests: u64,
    /// Messages that came from Redis and were dropped, by the reason's name: they meant nothing, or too much.
    pub dropped: Vec<(&'static str, u64)>,
    /// Events and answers that could not be written for other servers, or were too long; these did not get them.
    pub unpublishable: u64,
    /// Requests of this server that not all others answered in time (`requests_timeout`).
    pub timeouts: u64,
    /// Sockets connected before other servers could be heard in their namespaces (`subscribe_wait`).
    pub unheard: u64,
    /// Gaps in the numbers of other servers' events: some were published and did not come. They are seen only with recovery.
    pub gaps: u64,
}

/// The counters behind that.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) broadcasts: Count,
    pub(crate) passed_over: Count,
    pub(crate) requests: Count,
    dropped: [Count; DropReason::ALL.len()],
    pub(crate) unpublishable: Count,
    pub(crate) timeouts: Count,
    pub(crate) unheard: Count,
    pub(crate) gaps: Count,
}

/// A number that any thread may add to.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn one(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Counters {
    /// Counts a message that was dropped.
    pub(crate) fn dropped(&self, reason: DropReason) {
        if let Some(count) = self.dropped.get(reason as usize) {
            count.one();
        }
    }

    pub(crate) fn read(&self, redis: RedisMetrics, peers: usize) -> ClusterMetrics {
        ClusterMetrics {
            redis,
            peers: peers as u64,
            broadcasts: self.broadcasts.get(),
            passed_over: self.passed_over.get(),
            requests: self.requests.get(),
            dropped: DropReason::ALL
                .iter()
                .zip(&self.dropped)
                .map(|(reason, count)| (reason.as_str(), count.get()))
                .collect(),
            unpublishable: self.unpublishable.get(),
            timeouts: self.timeouts.get(),
            unheard: self.unheard.get(),
            gaps: self.gaps.get(),
        }
    }
}
