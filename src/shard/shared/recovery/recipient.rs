//! The receiver of something for one socket.

use crate::engineio::Sid;
use crate::shard::store::keys::NamespaceKey;

/// The only socket that something is for: one of this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::shard) struct Recipient {
    pub(in crate::shard) namespace: NamespaceKey,
    pub(in crate::shard) sid: Sid,
}
