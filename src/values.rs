//! Values of the program, kept by their types with what has a key.
//!
//! Their destructors are code of the program, which may do anything: whoever drops values may hold locks, so they are handed
//! to a function that drops them at a better time.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::FixedState;

use crate::memory::allocated;

/// The number of keys for which memory is kept while there are no values.
const KEPT: usize = 64;

type Value = Arc<dyn Any + Send + Sync>;

/// Drops values, now or later.
type End = fn(Ended);

/// Values that nobody keeps any more, unless the program does.
pub(crate) struct Ended(Vec<(TypeId, Value)>);

impl Ended {
    /// The values, to be dropped one by one: each may panic.
    pub(crate) fn values(mut self) -> impl Iterator<Item = impl Send> {
        std::mem::take(&mut self.0).into_iter().map(|(_, value)| value)
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        // Nobody has asked for them: the server ends.
        std::mem::take(&mut self.0).into_iter().for_each(|(_, value)| drop_caught(value));
    }
}

/// Changes a value behind a lock. A change that has panicked is told by its handler: what it has left is not for others to judge.
pub(crate) fn change_locked<T, R>(value: &Mutex<T>, change: impl FnOnce(&mut T) -> R) -> R {
    change(&mut value.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Drops something whose destructor is code of the program, where nothing is prepared for its panic. Rust's hook reports that.
pub(crate) fn drop_caught<T>(what: T) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(what)));
}

/// Values of different types. A clone shares them.
#[derive(Clone)]
pub(crate) struct Values {
    list: Vec<(TypeId, Value)>,
    end: End,
}

impl Values {
    fn place<T: Any>(&self) -> Option<usize> {
        self.list.iter().position(|(of, _)| *of == TypeId::of::<T>())
    }

    fn get<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        Arc::clone(&self.list.get(self.place::<T>()?)?.1).downcast().ok()
    }

    fn insert<T: Any + Send + Sync>(&mut self, value: T) -> Option<Arc<T>> {
        let before = self.remove::<T>();
        self.list.push((TypeId::of::<T>(), Arc::new(value)));
        before
    }

    fn remove<T: Any + Send + Sync>(&mut self) -> Option<Arc<T>> {
        self.list.swap_remove(self.place::<T>()?).1.downcast().ok()
    }

    /// Bytes that they take, without what they point to.
    pub(crate) fn bytes(&self) -> usize {
        let value = |value: &Value| allocated(2 * size_of::<usize>() + size_of_val(&**value));
        size_of::<Self>() + self.list.iter().map(|(_, of)| size_of::<(TypeId, Value)>() + value(of)).sum::<usize>()
    }
}

impl Drop for Values {
    fn drop(&mut self) {
        if !self.list.is_empty() {
            (self.end)(Ended(std::mem::take(&mut self.list)));
        }
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Values").field(&self.list.len()).finish()
    }
}

/// The values of everything of one kind, for any thread. It is locked for as long as a look-up takes.
pub(crate) struct Store<K> {
    /// Whether there ever were values. While there were none, nothing is locked.
    used: AtomicBool,
    of: Mutex<HashMap<K, Values, FixedState>>,
    end: End,
}

impl<K: Hash + Eq> Store<K> {
    /// `end` drops values.
    pub(crate) fn new(end: End) -> Self {
        Self { used: AtomicBool::new(false), of: Mutex::default(), end }
    }

    /// Keeps a value, in place of another of its type, which is returned. Also returns whether it is the only value there.
    pub(crate) fn insert<T: Any + Send + Sync>(&self, key: K, value: T) -> (Option<Arc<T>>, bool) {
        self.used.store(true, Ordering::Relaxed);
        let mut all = self.lock();
        let values = all.entry(key).or_insert_with(|| Values { list: Vec::new(), end: self.end });
        let before = values.insert(value);
        (before, values.list.len() == 1)
    }

    pub(crate) fn get<T: Any + Send + Sync>(&self, key: &K) -> Option<Arc<T>> {
        if self.is_used() { self.lock().get(key)?.get() } else { None }
    }

    pub(crate) fn remove<T: Any + Send + Sync>(&self, key: &K) -> Option<Arc<T>> {
        if self.is_used() { self.lock().get_mut(key)?.remove() } else { None }
    }

    /// All values there, which stay.
    pub(crate) fn copy(&self, key: &K) -> Option<Values> {
        if self.is_used() { self.lock().get(key).cloned() } else { None }
    }

    /// Keeps these values where there are none.
    pub(crate) fn put(&self, key: K, values: Values) {
        self.used.store(true, Ordering::Relaxed);
        let before = self.lock().insert(key, values);
        drop(before);
    }

    /// Drops all values there.
    pub(crate) fn forget(&self, key: &K) {
        if self.is_used() {
            let mut all = self.lock();
            let values = all.remove(key);
            if all.is_empty() && all.capacity() > KEPT {
                all.shrink_to(KEPT);
            }
            drop(all);
            drop(values);
        }
    }

    /// How many keys have values.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn is_used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Values, FixedState>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    thread_local! {
        static ENDED: RefCell<Vec<Ended>> = const { RefCell::new(Vec::new()) };
    }

    /// A store whose values are not dropped before [`drop_ended`] is called.
    fn store() -> Store<u32> {
        Store::new(|values| ENDED.with_borrow_mut(|ended| ended.push(values)))
    }

    /// Drops values, and tells how often some were ended.
    fn drop_ended() -> usize {
        ENDED.take().len()
    }

    #[test]
    fn each_type_has_one_value() {
        let store = store();
        assert_eq!(store.get::<u8>(&1), None);
        assert_eq!(store.insert(1, 5_u8), (None, true));
        assert_eq!(store.insert(1, "text"), (None, false));
        assert_eq!(store.insert(1, 6_u8), (Some(Arc::new(5)), false));
        assert_eq!((store.get::<u8>(&1), store.get::<&str>(&1)), (Some(Arc::new(6)), Some(Arc::new("text"))));
        assert_eq!((store.get::<u16>(&1), store.get::<u8>(&2)), (None, None));
        assert_eq!((store.remove::<u8>(&1), store.remove::<u8>(&1)), (Some(Arc::new(6)), None));
        assert_eq!(drop_ended(), 0, "whoever removes a value drops it");
    }

    #[test]
    fn what_is_forgotten_is_handed_over_to_be_dropped() {
        let store = store();
        let value = Arc::new(());
        store.insert(1, Arc::clone(&value));
        let copy = store.copy(&1).unwrap();
        store.forget(&1);
        store.forget(&1);
        assert_eq!((store.get::<Arc<()>>(&1), drop_ended()), (None, 1));
        assert_eq!(Arc::strong_count(&value), 2, "the copy has it");
        let other = Store::new(store.end);
        other.put(2_u32, copy);
        assert!(other.get::<Arc<()>>(&2).is_some());
        other.forget(&2);
        assert_eq!(Arc::strong_count(&value), 2, "it is dropped later");
        assert_eq!((drop_ended(), Arc::strong_count(&value)), (1, 1));
    }

    #[test]
    fn values_count_with_their_sizes() {
        let store = store();
        store.insert(1, [0_u8; 1000]);
        let one = store.copy(&1).unwrap().bytes();
        store.insert(1, [0_u8; 2000]);
        let two = store.copy(&1).unwrap().bytes();
        assert!(one > 1000 && two > one + 2000, "{one} and {two} bytes");
    }

    #[test]
    fn an_empty_store_gives_its_memory_back() {
        let store = store();
        (0..1000).for_each(|key| drop(store.insert(key, ())));
        (0..1000).for_each(|key| store.forget(&key));
        assert!(store.lock().capacity() < 4 * KEPT);
    }
}
