//! The namespaces of a shard: those that the program declared, and those that came into being at run time.
//!
//! A declared namespace is its place in a table that never changes. The others (*children*, each with the handlers of the
//! parent whose predicate its name fits) are made by the application for all shards alike; a shard keeps one as long as
//! it has sockets in it, so that nothing here is locked.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use foldhash::fast::{FixedState, RandomState};

use crate::shard::event_loop::core::Core;
use crate::shard::event_loop::shared::Shared;
use crate::shard::sockets::members::Members;
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

/// The namespaces of a shard, and their members.
#[derive(Debug)]
pub(crate) struct Namespaces {
    declared: Vec<Members>,
    children: HashMap<NamespaceKey, Entry, FixedState>,
    by_name: HashMap<Arc<str>, NamespaceKey, RandomState>,
    /// Rooms of all namespaces.
    pub(crate) rooms: usize,
}

/// A child with sockets in this shard.
#[derive(Debug)]
struct Entry {
    child: Arc<Child>,
    members: Members,
    /// Its sockets, those that the middlewares have not let in yet among them.
    sockets: usize,
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
    pub(crate) const fn message(self) -> &'static str {
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

impl Namespaces {
    /// As many declared namespaces, without members.
    pub(crate) fn new(declared: usize) -> Self {
        Self {
            declared: (0..declared).map(|_| Members::default()).collect(),
            children: HashMap::default(),
            by_name: HashMap::default(),
            rooms: 0,
        }
    }

    pub(crate) fn get(&self, key: NamespaceKey) -> Option<&Members> {
        self.declared.get(key.0 as usize).or_else(|| self.children.get(&key).map(|entry| &entry.members))
    }

    pub(crate) fn get_mut(&mut self, key: NamespaceKey) -> Option<&mut Members> {
        match self.declared.get_mut(key.0 as usize) {
            Some(members) => Some(members),
            None => self.children.get_mut(&key).map(|entry| &mut entry.members),
        }
    }

    /// Each namespace, by name, with how many are in it. `name` tells those of the declared.
    pub(crate) fn populations(&self, name: impl Fn(NamespaceKey) -> String) -> impl Iterator<Item = (String, usize)> {
        let declared = (0..).map(NamespaceKey).zip(&self.declared);
        let declared = declared.map(move |(key, members)| (name(key), members.everyone().len()));
        let child = |entry: &Entry| (entry.child.name.to_string(), entry.members.everyone().len());
        declared.chain(self.children.values().map(child))
    }

    /// The child of that name, if this shard has it.
    pub(crate) fn named(&self, name: &str) -> Option<NamespaceKey> {
        self.by_name.get(name).copied()
    }

    /// The child of that key, if this shard has it.
    pub(crate) fn child(&self, key: NamespaceKey) -> Option<&Arc<Child>> {
        if (key.0 as usize) < self.declared.len() {
            return None;
        }
        self.children.get(&key).map(|entry| &entry.child)
    }

    /// Adds a child without sockets. Says whether it was not there.
    pub(crate) fn add(&mut self, child: Arc<Child>) -> bool {
        let (key, name) = (child.key, Arc::clone(&child.name));
        let added = self.by_name.insert(name, key).is_none();
        if added {
            self.children.insert(key, Entry { child, members: Members::default(), sockets: 0 });
        }
        added
    }

    /// A socket was made in a namespace.
    pub(crate) fn entered(&mut self, key: NamespaceKey) {
        if let Some(entry) = self.children.get_mut(&key) {
            entry.sockets += 1;
        }
    }

    /// A socket of a namespace is no more.
    pub(crate) fn left(&mut self, key: NamespaceKey) {
        if let Some(entry) = self.children.get_mut(&key) {
            entry.sockets = entry.sockets.saturating_sub(1);
        }
    }

    /// Takes out a child that has no sockets here.
    pub(crate) fn take_empty(&mut self, key: NamespaceKey) -> Option<Arc<Child>> {
        self.children.get(&key).filter(|entry| entry.sockets == 0)?;
        let entry = self.children.remove(&key)?;
        self.by_name.remove(&entry.child.name);
        Some(entry.child)
    }
}

impl Core {
    /// The members of a namespace.
    pub(crate) fn members(&mut self, namespace: NamespaceKey) -> Option<&mut Members> {
        self.namespaces.get_mut(namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_kept_as_long_as_it_has_sockets() {
        let mut namespaces = Namespaces::new(1);
        let key = NamespaceKey(7);
        assert!(namespaces.add(Arc::new(Child::new(key, "/a", 0))));
        assert!(!namespaces.add(Arc::new(Child::new(key, "/a", 0))));
        namespaces.entered(key);
        assert!(namespaces.take_empty(key).is_none());
        assert_eq!(namespaces.named("/a"), Some(key));
        namespaces.left(key);
        assert!(namespaces.take_empty(key).is_some());
        assert!(namespaces.get(key).is_none() && namespaces.named("/a").is_none());
        assert!(namespaces.get(NamespaceKey(0)).is_some());
    }
}
