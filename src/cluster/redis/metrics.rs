//! What is counted of Redis.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Declares the counters and their snapshot, so that no metric exists in only one of the two.
macro_rules! metrics {
    ($($(#[doc = $doc:literal])+ $name:ident;)+) => {
        /// The counters of one server's way to Redis.
        #[derive(Debug, Default)]
        pub(super) struct Counters {
            $(pub(super) $name: Count,)+
        }

        impl Counters {
            pub(super) fn read(&self) -> RedisMetrics {
                RedisMetrics { up: 0, queued_bytes: 0, lag_micros: 0, $($name: self.$name.0.load(Relaxed),)+ }
            }
        }

        /// What was counted of Redis since the start.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct RedisMetrics {
            /// 1 if Redis is there now and all subscriptions are in effect, else 0.
            pub up: u64,
            /// Bytes that wait to be published now; each message counts 64 more than it is long.
            pub queued_bytes: u64,
            /// Microseconds for which something has waited to be published without a pause.
            pub lag_micros: u64,
            $($(#[doc = $doc])+ pub $name: u64,)+
        }
    };
}

metrics! {
    /// Messages that Redis has confirmed to have published.
    published;
    /// Messages received by subscription.
    received;
    /// Volatile messages dropped because too much waited (`redis_queue`), or at the end.
    dropped_volatile;
    /// Other messages dropped so.
    dropped_lasting;
    /// Messages that were on their way when the connection broke: published or not, nobody knows. They are not sent again.
    uncertain;
    /// Messages that Redis refused to publish.
    refused;
    /// Connections made after the first one of their kind; there are two kinds, to subscribe and to publish.
    reconnections;
    /// Attempts to connect that failed.
    failed_connections;
    /// Connections given up because Redis was silent (`redis_ping_timeout`).
    silences;
}

/// A number that several threads add to.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Relaxed);
    }

    pub(super) fn one(&self) {
        self.add(1);
    }
}
