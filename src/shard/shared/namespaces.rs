//! References to namespaces: to declared ones, and to children, which are made at run time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::shard::shared::Shared;
use crate::shard::store::keys::NamespaceKey;

/// A namespace that was made at run time. Its key is never used again.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) key: NamespaceKey,
    pub(crate) name: Arc<str>,
    /// The place of its parent in the application.
    pub(crate) parent: usize,
    ack_ids: AtomicU64,
    /// Whether a socket was ever let in.
    joined: AtomicBool,
}

/// Why there is no namespace with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoNamespace {
    /// It was not declared, and no predicate accepts it.
    Invalid,
    /// The limit of children is reached.
    TooMany,
    /// The name is too long for one that a client chose.
    TooLong,
}

/// A reference to a namespace.
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

    /// Whether a socket was ever let in.
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
