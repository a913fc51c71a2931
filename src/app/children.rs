//! Namespaces that come into being at the first CONNECT whose name fits a predicate.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock};

use foldhash::fast::RandomState;

use super::namespace::Namespace;
use crate::shard::{Child, NamespaceKey, NoNamespace};

type Predicate = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// A namespace by predicate: what those that come into being have in common.
pub(super) struct Parent {
    fits: Predicate,
    pub(super) namespace: Namespace,
}

/// The parents, and the children that clients brought into being.
#[derive(Default)]
pub(super) struct Children {
    pub(super) parents: Vec<Parent>,
    /// Looked at when a shard's first socket enters a child and when its last leaves, and by handles; never for a message.
    table: RwLock<Table>,
}

#[derive(Default)]
struct Table {
    by_name: HashMap<Arc<str>, Known, RandomState>,
    /// Children that ever were. Their keys follow those of the declared namespaces.
    made: u32,
}

struct Known {
    child: Arc<Child>,
    /// Shards that have sockets in it.
    shards: usize,
}

impl Children {
    pub(super) fn add_parent(&mut self, fits: Predicate, namespace: Namespace) -> &mut Namespace {
        let place = self.parents.len();
        self.parents.push(Parent { fits, namespace });
        &mut self.parents[place].namespace
    }

    /// The child of that name, if it is there now.
    pub(super) fn find(&self, name: &str) -> Option<Arc<Child>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.by_name.get(name).map(|known| Arc::clone(&known.child))
    }

    /// Lets a shard into the child of that name, which comes into being if need be: there are at most `most`, with keys
    /// from `first` on. `panicked` hears of predicates that panic; they fit nothing. `came` hears of a child that has come into
    /// being, before anybody can find it.
    pub(super) fn enter(
        &self,
        name: &str,
        most: usize,
        first: u32,
        panicked: impl Fn(&Namespace),
        came: impl FnOnce(),
    ) -> Result<Arc<Child>, NoNamespace> {
        // The program's code: nothing is locked.
        let fits = |parent: &Parent| {
            catch_unwind(AssertUnwindSafe(|| (parent.fits)(name))).unwrap_or_else(|_| {
                panicked(&parent.namespace);
                false
            })
        };
        let known = self.find(name).map(|child| child.parent);
        let parent = known.or_else(|| self.parents.iter().position(fits)).ok_or(NoNamespace::Invalid)?;
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let Table { by_name, made } = &mut *table;
        if let Some(known) = by_name.get_mut(name) {
            known.shards += 1;
            return Ok(Arc::clone(&known.child));
        }
        if by_name.len() >= most {
            return Err(NoNamespace::TooMany);
        }
        let key = first.checked_add(*made).ok_or(NoNamespace::TooMany)?;
        *made += 1;
        let child = Arc::new(Child::new(NamespaceKey(key), name, parent));
        by_name.insert(Arc::clone(&child.name), Known { child: Arc::clone(&child), shards: 1 });
        came();
        Ok(child)
    }

    /// A shard has no sockets in a child any more. The child goes with its last socket if `cleanup`, and `gone` hears of it,
    /// before anybody can bring it into being again.
    pub(super) fn exit(&self, child: &Child, cleanup: bool, gone: impl FnOnce()) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = table.by_name.get_mut(&child.name) else { return };
        known.shards -= 1;
        if known.shards == 0 && cleanup {
            table.by_name.remove(&child.name);
            gone();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn children() -> Children {
        let mut children = Children::default();
        children.add_parent(Box::new(|name| name.starts_with("/a")), Namespace::new("/_0".into(), &Arc::default()));
        children.add_parent(Box::new(|name| panic!("{name}")), Namespace::new("/_1".into(), &Arc::default()));
        children
    }

    fn enter(children: &Children, name: &str, most: usize) -> Result<Arc<Child>, NoNamespace> {
        children.enter(name, most, 10, |namespace| assert_eq!(namespace.name(), "/_1"), || {})
    }

    #[test]
    fn a_name_that_fits_comes_into_being_once() {
        let children = children();
        let child = enter(&children, "/a1", 2).unwrap();
        assert_eq!((child.key, child.parent), (NamespaceKey(10), 0));
        assert_eq!(enter(&children, "/a1", 2).unwrap().key, child.key);
        assert_eq!(enter(&children, "/a2", 2).unwrap().key, NamespaceKey(11));
        assert_eq!(enter(&children, "/a3", 2).unwrap_err(), NoNamespace::TooMany);
        assert_eq!(enter(&children, "/b", 2).unwrap_err(), NoNamespace::Invalid);
    }

    #[test]
    fn it_goes_with_the_last_shard_if_so_set_and_its_key_is_not_used_again() {
        let children = children();
        let child = enter(&children, "/a1", 1).unwrap();
        enter(&children, "/a1", 1).unwrap();
        children.exit(&child, true, || {});
        assert!(children.find("/a1").is_some());
        children.exit(&child, true, || {});
        assert!(children.find("/a1").is_none());
        let next = enter(&children, "/a1", 1).unwrap();
        assert_eq!(next.key, NamespaceKey(11));
        children.exit(&next, false, || {});
        assert!(children.find("/a1").is_some());
    }
}
