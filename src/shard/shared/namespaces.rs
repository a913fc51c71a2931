//! Namespaces, wherever they are spoken of: declared ones, and children, which came into being at run time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::shard::shared::Shared;
use crate::shard::store::keys::NamespaceKey;

/// A namespace that came into being at run time. Its key is never used again.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) key: NamespaceKey,
    pub(crate) name: Arc<str>,
    /// The place of its parent among the application's.
    pub(crate) parent: usize,
    ack_ids: AtomicU64,
    /// Whether a socket was ever let in.
    joined: AtomicBool,
}

/// Why there is no namespace of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoNamespace {
    /// It was not declared, and no predicate fits.
    Invalid,
    /// There are as many dynamic namespaces as there may be.
    TooMany,
    /// The name is longer than a client may choose it.
    TooLong,
}

/// A namespace, wherever it is spoken of.
#[derive(Debug, Clone)]
pub(crate) enum NamespaceRef {
    Declared(NamespaceKey),
    Child(Arc<Child>),
}

impl Child {
    pub(crate) fn new(key: NamespaceKey, name: &str, parent: usize) -> Self {
        Self { key, name: name.into(), parent, ack_ids: AtomicU64::new(0), joined: AtomicBool::new(false) }
    }

    /// A socket was let in.
    pub(crate) fn joined(&self) {
        self.joined.store(true, Ordering::Relaxed);
    }

    /// Whether one ever was.
    pub(crate) fn was_joined(&self) -> bool {
        self.joined.load(Ordering::Relaxed)
    }
}

impl NoNamespace {
    /// What the client is told.
    pub(in crate::shard) const fn message(self) -> &'static str {
        match self {
            Self::Invalid => "Invalid namespace",
            Self::TooMany => "no more namespaces can be made",
            Self::TooLong => "the name of the namespace is too long",
        }
    }
}

impl NamespaceRef {
    pub(crate) fn key(&self) -> NamespaceKey {
        match self {
            Self::Declared(key) => *key,
            Self::Child(child) => child.key,
        }
    }

    pub(crate) fn name<'a>(&'a self, shared: &'a Shared) -> &'a str {
        match self {
            Self::Declared(key) => shared.directory.namespace_name(*key),
            Self::Child(child) => &child.name,
        }
    }

    /// The next id of an event that wants an acknowledgement: one sequence for each namespace, over all shards.
    pub(crate) fn next_ack_id(&self, shared: &Shared) -> u64 {
        match self {
            Self::Declared(key) => shared.next_ack_id(*key),
            Self::Child(child) => child.ack_ids.fetch_add(1, Ordering::Relaxed),
        }
    }
}
