//! Redis: messages published, messages received by subscription. Nothing here knows Socket.IO.
//!
//! [`start`] makes two connections, each on a thread of its own: the *subscriber* hands what comes to a sink, the *publisher*
//! sends what waits in a queue. Both connect, log in, notice a Redis that is gone or silent, and connect anew by themselves,
//! with the host's name resolved anew; whoever holds the [`Handle`] never waits for Redis. Without Redis in the settings
//! nothing is started.
//!
//! What is delivered is delivered at most once, and in order. What others publish while the subscriber is away is missed, as
//! Redis keeps nothing; what waits to be published meanwhile leaves afterwards.
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
