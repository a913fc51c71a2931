//! Redis: publishing messages, and receiving them by subscription. Nothing here knows Socket.IO.
//!
//! [`start`] makes two connections, each on a thread of its own: the *subscriber* hands messages to a sink, and the
//! *publisher* sends the messages of a queue. Both connect, log in, notice when Redis is gone or silent, and reconnect by
//! themselves, resolving the host's name anew. The owner of the [`Handle`] never waits for Redis. Without Redis in the settings
//! nothing is started.
//!
//! Messages are delivered at most once, and in order. Messages that others publish while the subscriber is away are missed,
//! because Redis keeps nothing. Messages that wait to be published meanwhile leave afterwards.
//!
//! | files | what they do |
//! |---|---|
//! | `handle` | the two threads from outside: start, subscribe, publish, ask, stop |
//! | `subscriber`, `topics` | what the thread does that is subscribed and calls the sink; what it must be subscribed to |
//! | `publisher`, `queue` | what the thread does that publishes; what waits for it, bounded in bytes |
//! | `keeper`, `attempt`, `backoff` | a thread's steps: connecting, serving, pausing; connecting and logging in; how long a pause is |
//! | `wire`, `sieve` | commands, replies, heartbeat; skipping texts that are too long |
//! | `stream`, `tcp`, `sleep` | bytes in TLS or plain; TCP that never blocks; how a thread sleeps. In tests a Redis may be `simulated` |
//! | `status`, `fault`, `metrics`, `settings` | whether Redis is connected, why not, what is counted, what is configured |
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use kinglet::Config;
//! use kinglet::cluster::redis::{self, Incoming, Kind, Topic};
//!
//! let config = Config { redis: Some("redis://127.0.0.1".parse()?), ..Config::default() };
//! let sink = |incoming| match incoming {
//!     Incoming::Message { channel, payload, .. } => println!("{channel:?}: {payload:?}"),
//!     other => println!("{other:?}"),
//! };
//! if let Some(redis) = redis::start(&config, sink)? {
//!     redis.subscribe([Topic::pattern("news.*")]);
//!     redis.publish("news.local", "rain", Kind::Lasting);
//!     redis.stop(Duration::from_secs(1));
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod attempt;
mod backoff;
mod fault;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod handle;
mod keeper;
mod metrics;
mod promptness;
mod publisher;
mod queue;
mod settings;
mod sieve;
#[cfg(test)]
pub(crate) mod simulated;
mod sleep;
mod status;
mod stream;
mod subscriber;
mod tcp;
mod topics;
mod values;
mod wire;

pub use fault::Fault;
pub use handle::{Handle, start};
pub(crate) use handle::{Standing, start_with};
pub use metrics::RedisMetrics;
pub(crate) use queue::Uncounted;
pub use queue::{AskError, Kind};
pub(crate) use queue::{Patience, Received, Unpublished};
pub use status::State;
pub use subscriber::Incoming;
pub(crate) use subscriber::Loss;
pub(crate) use topics::Connection;
pub use topics::Topic;
pub(crate) use values::Refusal;

use handle::Shared;
