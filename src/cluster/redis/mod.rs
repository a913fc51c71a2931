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
//! | `subscriber`, `topics` | the thread that is subscribed and calls the sink; what it must be subscribed to |
//! | `publisher`, `queue` | the thread that publishes; what waits for it, bounded in bytes |
//! | `attempt`, `backoff` | connecting and logging in; the pause before the next attempt |
//! | `wire`, `sieve`, `stream`, `sleep` | commands, replies, heartbeat; skipping texts that are too long; TCP and TLS that never block; how a thread sleeps |
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
mod metrics;
mod publisher;
mod queue;
mod settings;
mod sieve;
mod sleep;
mod status;
mod stream;
mod subscriber;
mod topics;
mod wire;

pub use fault::Fault;
pub use handle::{Handle, start};
pub(crate) use handle::{Standing, start_with};
pub use metrics::RedisMetrics;
pub(crate) use queue::Uncounted;
pub use queue::{AskError, Kind};
pub use status::State;
pub use subscriber::Incoming;
pub(crate) use subscriber::Loss;
pub(crate) use topics::Connection;
pub use topics::Topic;

use handle::Shared;
