//! The stages of a shard's life.

/// The stages of a shard's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shard) enum Life {
    Serving,
    /// Clients are disconnected one after the other.
    Draining,
    /// Its clients are disconnected; other shards have yet to finish.
    Drained,
    /// Clients were closed. The loop ends when the last is gone, or after a time limit.
    Stopping,
    Over,
}
