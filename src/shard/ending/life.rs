//! Where a shard stands in its life.

/// Where a shard stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shard) enum Life {
    Serving,
    /// Clients are let go one after the other.
    Draining,
    /// They have been let go; other shards have yet to do so.
    Drained,
    /// Clients have been closed; the loop ends when the last is gone, or when it has lasted too long.
    Stopping,
    Over,
}
