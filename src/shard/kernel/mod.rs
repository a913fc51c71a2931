//! The kernel, as the shards know it: sockets that are accepted, read, written and shut, a poll that tells which of them are
//! ready, and the time. Nothing else in `shard` calls it.
//!
//! What the real kernel does is one system call each; for tests a socket may be a simulated one, which takes and gives as the
//! test says. Outside of tests there is no such kind, so that nothing is asked and nothing is paid for it.

pub(in crate::shard) mod listener;
pub(in crate::shard) mod poll;
#[cfg(test)]
pub(in crate::shard) mod simulated;
pub(in crate::shard) mod socket;

use std::time::Instant;

/// The time now.
#[inline]
pub(in crate::shard) fn now() -> Instant {
    Instant::now()
}
