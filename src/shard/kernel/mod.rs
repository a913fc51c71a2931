//! The kernel, as the shards know it: sockets that are accepted, read, written and shut, and a poll that tells which of them
//! are ready. Nothing else in `shard` calls it.
//!
//! Each operation is one system call. Other kinds of sockets are called in the same way: a connection over one in memory, a
//! [`pipe`], is a connection as any other. In tests a socket may be simulated: it takes and gives bytes as the test says. That
//! kind does not exist outside of tests, so it costs nothing there.

pub(in crate::shard) mod listener;
pub(in crate::shard) mod pipe;
pub(in crate::shard) mod poll;
#[cfg(test)]
pub(in crate::shard) mod simulated;
pub(in crate::shard) mod socket;
