//! Children: namespaces made at run time. The first CONNECT with a name that a predicate accepts makes one.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::namespace::Namespace;
use super::pool::Pool;
use crate::chance::RandomState;
use crate::clock;
use crate::shard::{Child, NamespaceKey, NoNamespace};

type Predicate = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// A declaration with a predicate: the handlers that its children have in common.
struct Parent {
    fits: Predicate,
    namespace: Namespace,
}

/// The parents, and their children.
#[derive(Default)]
pub(in crate::app) struct Children {
    parents: Vec<Parent>,
    /// It is locked when a shard's first socket enters a child, when its last leaves, and by handles; never for a message.
    table: RwLock<Table>,
}

/// The limits of children.
#[derive(Debug, Clone, Copy)]
pub(in crate::app) struct Bounds {
    /// How many there may be.
    pub(in crate::app) most: usize,
    /// How long a child stays without sockets; `None`: as long as there is room.
    pub(in crate::app) stay: Option<Duration>,
}

/// A change of a child. It is reported before another thread can find the child, or make it anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::app) enum Change<'a> {
    /// It was made.
    Came(&'a str),
    /// It had no sockets and is removed.
    Went(&'a str),
    /// The same, to make room for another.
    MadeRoom(&'a str),
}

#[derive(Default)]
struct Table {
    by_name: HashMap<Arc<str>, Known, RandomState>,
    /// The children without sockets, the longest empty first.
    empty: BTreeMap<Emptied, Arc<str>>,
    /// The number of children made so far. Their keys follow the declared namespaces' keys.
    made: u32,
}

/// When a child lost its last socket, and which.
type Emptied = (Instant, NamespaceKey);

struct Known {
    child: Arc<Child>,
    /// Shards that have sockets in it.
    shards: usize,
    /// Its place among the empty ones.
    emptied: Option<Emptied>,
}

impl Table {
    /// Removes children that have been empty for too long.
    fn sweep(&mut self, now: Instant, stay: Option<Duration>, heard: &mut impl FnMut(Change<'_>)) {
        let Some(stay) = stay else { return };
        while let Some(entry) = self.empty.first_entry()
            && now.saturating_duration_since(entry.key().0) >= stay
        {
            let name = entry.remove();
            self.by_name.remove(&name);
            heard(Change::Went(&name));
        }
    }

    /// Removes the child that has been empty the longest. Returns false if none is empty.
    fn make_room(&mut self, heard: &mut impl FnMut(Change<'_>)) -> bool {
        let Some((_, name)) = self.empty.pop_first() else { return false };
        self.by_name.remove(&name);
        heard(Change::MadeRoom(&name));
        true
    }
}

impl Children {
    /// Whether there may be children.
    pub(in crate::app) fn may_be(&self) -> bool {
        !self.parents.is_empty()
    }

    /// Adds a parent. Its name is a placeholder.
    pub(in crate::app) fn add_parent(&mut self, fits: Predicate, pool: &Arc<Pool>) -> &mut Namespace {
        let place = self.parents.len();
        let namespace = Namespace::new(format!("/_{place}"), pool);
        self.parents.push(Parent { fits, namespace });
        &mut self.parents[place].namespace
    }

    /// The parent of a child.
    pub(in crate::app) fn parent(&self, child: &Child) -> &Namespace {
        &self.parents[child.parent].namespace
    }

    /// The child with that name, if it exists now.
    pub(in crate::app) fn find(&self, name: &str) -> Option<Arc<Child>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.by_name.get(name).map(|known| Arc::clone(&known.child))
    }

    /// Lets a shard into the child with that name. The child is made if need be, with a key from `first` on. At the limit it
    /// replaces the child that has been empty the longest. `panicked` hears of predicates that panic, which accept nothing.
    pub(in crate::app) fn enter(
        &self,
        name: &str,
        bounds: Bounds,
        first: u32,
        panicked: impl Fn(&Namespace),
        mut heard: impl FnMut(Change<'_>),
    ) -> Result<Arc<Child>, NoNamespace> {
        // Predicates are the program's code, so nothing is locked.
        let fits = |parent: &Parent| {
            catch_unwind(AssertUnwindSafe(|| (parent.fits)(name))).unwrap_or_else(|_| {
                panicked(&parent.namespace);
                false
            })
        };
        let known = self.find(name).map(|child| child.parent);
        let parent = known.or_else(|| self.parents.iter().position(fits)).ok_or(NoNamespace::Invalid)?;
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = table.by_name.get_mut(name) {
            known.shards += 1;
            let (child, emptied) = (Arc::clone(&known.child), known.emptied.take());
            emptied.and_then(|emptied| table.empty.remove(&emptied));
            return Ok(child);
        }
        table.sweep(clock::now(), bounds.stay, &mut heard);
        if table.by_name.len() >= bounds.most && !table.make_room(&mut heard) {
            return Err(NoNamespace::TooMany);
        }
        let key = first.checked_add(table.made).ok_or(NoNamespace::TooMany)?;
        table.made += 1;
        let child = Arc::new(Child::new(NamespaceKey(key), name, parent));
        let known = Known { child: Arc::clone(&child), shards: 1, emptied: None };
        table.by_name.insert(Arc::clone(&child.name), known);
        heard(Change::Came(name));
        Ok(child)
    }

    /// A shard has no sockets in a child any more. A child that no socket ever joined is removed with its last shard.
    pub(in crate::app) fn exit(&self, child: &Child, stay: Option<Duration>, mut heard: impl FnMut(Change<'_>)) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = table.by_name.get_mut(&child.name) else { return };
        known.shards -= 1;
        if known.shards > 0 {
            return;
        }
        let now = clock::now();
        if child.was_joined() {
            known.emptied = Some((now, child.key));
            table.empty.insert((now, child.key), Arc::clone(&child.name));
        } else {
            table.by_name.remove(&child.name);
            heard(Change::Went(&child.name));
        }
        table.sweep(now, stay, &mut heard);
    }

    /// Removes children that have been empty for too long. Returns how many empty ones are left.
    pub(in crate::app) fn sweep(&self, stay: Option<Duration>, mut heard: impl FnMut(Change<'_>)) -> usize {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        table.sweep(clock::now(), stay, &mut heard);
        table.empty.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GO: Option<Duration> = Some(Duration::ZERO);

    fn children() -> Children {
        let mut children = Children::default();
        children.add_parent(Box::new(|name| name.starts_with("/a")), &Arc::default());
        children.add_parent(Box::new(|name| panic!("{name}")), &Arc::default());
        children
    }

    fn enter(children: &Children, name: &str, most: usize) -> Result<Arc<Child>, NoNamespace> {
        enter_and_hear(children, name, Bounds { most, stay: None }).0
    }

    /// The same, and the reported changes.
    fn enter_and_hear(
        children: &Children,
        name: &str,
        bounds: Bounds,
    ) -> (Result<Arc<Child>, NoNamespace>, Vec<String>) {
        let mut heard = Vec::new();
        let hear = |change: Change<'_>| heard.push(format!("{change:?}"));
        let child = children.enter(name, bounds, 10, |namespace| assert_eq!(namespace.name(), "/_1"), hear);
        (child, heard)
    }

    /// Enters the child with that name, has a socket join, and leaves it empty.
    fn pass_through(children: &Children, name: &str) {
        let child = enter(children, name, 9).unwrap();
        child.joined();
        children.exit(&child, None, |_| {});
    }

    #[test]
    fn a_name_that_fits_becomes_one_child() {
        let children = children();
        let child = enter(&children, "/a1", 2).unwrap();
        assert_eq!((child.key, child.parent), (NamespaceKey(10), 0));
        assert_eq!(enter(&children, "/a1", 2).unwrap().key, child.key);
        assert_eq!(enter(&children, "/a2", 2).unwrap().key, NamespaceKey(11));
        assert_eq!(enter(&children, "/a3", 2).unwrap_err(), NoNamespace::TooMany);
        assert_eq!(enter(&children, "/b", 2).unwrap_err(), NoNamespace::Invalid);
    }

    #[test]
    fn a_child_goes_with_its_last_shard_if_so_set_and_its_key_is_not_used_again() {
        let children = children();
        let child = enter(&children, "/a1", 1).unwrap();
        enter(&children, "/a1", 1).unwrap().joined();
        children.exit(&child, GO, |_| {});
        assert!(children.find("/a1").is_some());
        children.exit(&child, GO, |_| {});
        assert!(children.find("/a1").is_none());
        let next = enter(&children, "/a1", 1).unwrap();
        next.joined();
        assert_eq!(next.key, NamespaceKey(11));
        children.exit(&next, None, |_| {});
        assert!(children.find("/a1").is_some());
    }

    #[test]
    fn a_child_that_no_socket_joined_does_not_stay() {
        let children = children();
        let child = enter(&children, "/a1", 1).unwrap();
        children.exit(&child, None, |_| {});
        assert!(children.find("/a1").is_none());
    }

    #[test]
    fn at_the_limit_the_namespace_empty_longest_makes_room() {
        let children = children();
        ["/a1", "/a2", "/a3"].iter().for_each(|name| pass_through(&children, name));
        enter(&children, "/a1", 3).unwrap();
        let bounds = Bounds { most: 3, stay: None };
        let (child, heard) = enter_and_hear(&children, "/a4", bounds);
        assert_eq!((child.is_ok(), heard), (true, vec![r#"MadeRoom("/a2")"#.to_owned(), r#"Came("/a4")"#.to_owned()]));
        assert!(children.find("/a2").is_none() && children.find("/a3").is_some());
        enter(&children, "/a3", 3).unwrap();
        assert_eq!(enter(&children, "/a5", 3).unwrap_err(), NoNamespace::TooMany);
    }

    #[test]
    fn a_child_that_waits_for_lost_sockets_goes_when_they_are_too_late() {
        let children = children();
        pass_through(&children, "/a1");
        assert_eq!(children.sweep(Some(Duration::from_secs(3600)), |_| panic!("too early")), 1);
        let mut went = 0;
        assert_eq!(children.sweep(GO, |change| went += u32::from(change == Change::Went("/a1"))), 0);
        assert_eq!((went, children.find("/a1").is_none()), (1, true));
    }
}
