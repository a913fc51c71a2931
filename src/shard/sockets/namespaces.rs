//! The namespaces of a shard: declared ones, and children made at run time.
//!
//! A declared namespace is a place in a table that never changes. The application makes the others, the *children*, for all
//! shards alike; a child has the handlers of the parent that accepted its name. A shard keeps a child as long as it has sockets
//! in it, so nothing here is locked.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;

use crate::chance::RandomState;
use crate::shard::shared::namespaces::Child;
use crate::shard::sockets::Sockets;
use crate::shard::sockets::members::Members;
use crate::shard::store::keys::NamespaceKey;

/// The namespaces of a shard, and their members.
#[derive(Debug)]
pub(in crate::shard) struct Namespaces {
    declared: Vec<Members>,
    children: HashMap<NamespaceKey, Entry, FixedState>,
    by_name: HashMap<Arc<str>, NamespaceKey, RandomState>,
    /// Rooms of all namespaces.
    pub(in crate::shard) rooms: usize,
}

/// A child with sockets in this shard.
#[derive(Debug)]
struct Entry {
    child: Arc<Child>,
    members: Members,
    /// Its sockets, including those that the middlewares have not let in yet.
    sockets: usize,
}

impl Namespaces {
    /// `declared` namespaces without members.
    pub(super) fn new(declared: usize) -> Self {
        Self {
            declared: (0..declared).map(|_| Members::default()).collect(),
            children: HashMap::default(),
            by_name: HashMap::default(),
            rooms: 0,
        }
    }

    pub(super) fn get(&self, key: NamespaceKey) -> Option<&Members> {
        self.declared.get(key.0 as usize).or_else(|| self.children.get(&key).map(|entry| &entry.members))
    }

    pub(super) fn get_mut(&mut self, key: NamespaceKey) -> Option<&mut Members> {
        match self.declared.get_mut(key.0 as usize) {
            Some(members) => Some(members),
            None => self.children.get_mut(&key).map(|entry| &mut entry.members),
        }
    }

    /// Each namespace's name and number of members. `name` gives the names of the declared ones.
    pub(in crate::shard) fn populations(
        &self,
        name: impl Fn(NamespaceKey) -> String,
    ) -> impl Iterator<Item = (String, usize)> {
        let declared = (0..).map(NamespaceKey).zip(&self.declared);
        let declared = declared.map(move |(key, members)| (name(key), members.everyone().len()));
        let child = |entry: &Entry| (entry.child.name.to_string(), entry.members.everyone().len());
        declared.chain(self.children.values().map(child))
    }

    /// The child with that name, if this shard has it.
    pub(super) fn named(&self, name: &str) -> Option<NamespaceKey> {
        self.by_name.get(name).copied()
    }

    /// The child with that key, if this shard has it.
    pub(super) fn child(&self, key: NamespaceKey) -> Option<&Arc<Child>> {
        if (key.0 as usize) < self.declared.len() {
            return None;
        }
        self.children.get(&key).map(|entry| &entry.child)
    }

    /// Adds a child without sockets. Returns false if it was there.
    pub(super) fn add(&mut self, child: Arc<Child>) -> bool {
        let (key, name) = (child.key, Arc::clone(&child.name));
        let added = self.by_name.insert(name, key).is_none();
        if added {
            self.children.insert(key, Entry { child, members: Members::default(), sockets: 0 });
        }
        added
    }

    /// How many were declared.
    #[cfg(test)]
    pub(super) fn declared_count(&self) -> u32 {
        self.declared.len() as u32
    }

    /// The children of this shard.
    #[cfg(test)]
    pub(super) fn child_keys(&self) -> impl Iterator<Item = NamespaceKey> {
        self.children.keys().copied()
    }

    /// How many sockets a child is counted to have.
    #[cfg(test)]
    pub(super) fn counted_sockets(&self, key: NamespaceKey) -> Option<usize> {
        self.children.get(&key).map(|entry| entry.sockets)
    }

    /// A socket was made in a namespace.
    pub(super) fn entered(&mut self, key: NamespaceKey) {
        if let Some(entry) = self.children.get_mut(&key) {
            entry.sockets += 1;
        }
    }

    /// A socket of a namespace is gone.
    pub(super) fn left(&mut self, key: NamespaceKey) {
        if let Some(entry) = self.children.get_mut(&key) {
            entry.sockets = entry.sockets.saturating_sub(1);
        }
    }

    /// Takes out a child that has no sockets here.
    pub(super) fn take_empty(&mut self, key: NamespaceKey) -> Option<Arc<Child>> {
        self.children.get(&key).filter(|entry| entry.sockets == 0)?;
        let entry = self.children.remove(&key)?;
        self.by_name.remove(&entry.child.name);
        Some(entry.child)
    }
}

impl Sockets {
    /// The members of a namespace.
    pub(super) fn members(&mut self, namespace: NamespaceKey) -> Option<&mut Members> {
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
