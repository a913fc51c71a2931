//! Support for the tests: a `redis-server` for each, a bare client, certificates, the log, servers in a cluster.

pub mod certificates;
pub mod client;
pub mod forgetful;
pub mod listener;
pub mod logs;
pub mod member;
pub mod polling;
pub mod server;

use std::time::Duration;

/// The longest time that a test waits.
pub const PATIENCE: Duration = Duration::from_secs(30);
