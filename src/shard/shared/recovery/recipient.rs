//! The receiver of messages for one socket alone.

use crate::engineio::Sid;
use crate::shard::store::keys::NamespaceKey;

/// The only receiver of a message: a socket of this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::shard) struct Recipient {
    pub(in crate::shard) namespace: NamespaceKey,
    pub(in crate::shard) sid: Sid,
}
