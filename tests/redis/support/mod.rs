//! What the tests need: a `redis-server` of their own, a bare client, certificates, the log, servers in a cluster.

pub mod certificates;
pub mod client;
pub mod forgetful;
pub mod listener;
pub mod logs;
pub mod member;
pub mod server;

use std::time::Duration;

/// How long a test waits for what must happen, at most.
pub const PATIENCE: Duration = Duration::from_secs(30);
