//! Values by key, in pages that are given back: a shard's connections and sessions.
//!
//! A plain slab keeps the memory of its busiest hour forever. Here 64 neighbouring keys share one allocation, which is
//! freed after its last value; the lowest page with room is always filled first, so that after a peak the upper pages
//! empty one by one and their memory goes back.

/// Keys of one page: the bits of its mask.
const PAGE: u32 = u64::BITS;

/// The most keys [`Pages`] can have: a key fits in the three bytes that a sid has for it.
pub(in crate::shard) const MAX_KEYS: u32 = 1 << 24;

/// A slab in pages of 64 values.
#[derive(Debug)]
pub(in crate::shard) struct Pages<T> {
    /// Keys divided by 64 index this; the last page is never empty.
    pages: Vec<Page<T>>,
    /// One bit for each page: whether it has room.
    room: Vec<u64>,
    /// No word of `room` before this one has a bit set.
    lowest: usize,
    len: usize,
    limit: u32,
    /// The slots of a page that emptied, for the next one: clients that come and go one by one cost no page each.
    spare: Box<[Option<T>]>,
}

/// An empty page has no slots and no allocation.
#[derive(Debug)]
struct Page<T> {
    used: u64,
    slots: Box<[Option<T>]>,
}

impl<T> Pages<T> {
    /// No values; keys will stay below `limit` (and below [`MAX_KEYS`]).
    pub(in crate::shard) fn new(limit: u32) -> Self {
        let limit = limit.min(MAX_KEYS);
        Self { pages: Vec::new(), room: Vec::new(), lowest: 0, len: 0, limit, spare: Box::default() }
    }

    /// How many values there are.
    pub(in crate::shard) const fn len(&self) -> usize {
        self.len
    }

    /// The key the next [`insert`](Self::insert) uses; `None` at the limit.
    pub(in crate::shard) fn vacant_key(&self) -> Option<u32> {
        let index = self.lowest_with_room();
        let used = self.pages.get(index).map_or(0, |page| page.used);
        let key = u32::try_from(index).ok()?.checked_mul(PAGE)? + used.trailing_ones();
        (key < self.limit).then_some(key)
    }

    /// Puts a value under the lowest vacant key; gives it back at the limit.
    pub(in crate::shard) fn insert(&mut self, value: T) -> Result<u32, T> {
        let Some(key) = self.vacant_key() else { return Err(value) };
        let (index, slot) = split(key);
        if index == self.pages.len() {
            self.pages.push(Page { used: 0, slots: Box::default() });
        }
        let Some(page) = self.pages.get_mut(index) else { return Err(value) };
        if page.used == 0 {
            page.slots = std::mem::take(&mut self.spare);
            if page.slots.is_empty() {
                page.slots = (0..PAGE).map(|_| None).collect();
            }
        }
        let Some(place) = page.slots.get_mut(slot) else { return Err(value) };
        *place = Some(value);
        page.used |= 1 << slot;
        let full = page.used == u64::MAX;
        self.lowest = index / 64;
        self.set_room(index, !full);
        self.len += 1;
        Ok(key)
    }

    /// The value under `key`.
    pub(in crate::shard) fn get(&self, key: u32) -> Option<&T> {
        let (index, slot) = split(key);
        self.pages.get(index)?.slots.get(slot)?.as_ref()
    }

    /// The value under `key`, to change.
    pub(in crate::shard) fn get_mut(&mut self, key: u32) -> Option<&mut T> {
        let (index, slot) = split(key);
        self.pages.get_mut(index)?.slots.get_mut(slot)?.as_mut()
    }

    /// Whether there is a value under `key`.
    #[cfg(test)]
    pub(super) fn contains(&self, key: u32) -> bool {
        self.get(key).is_some()
    }

    /// Takes the value under `key` out, and its page with it if that was the last one.
    pub(in crate::shard) fn remove(&mut self, key: u32) -> Option<T> {
        let (index, slot) = split(key);
        let page = self.pages.get_mut(index)?;
        let value = page.slots.get_mut(slot)?.take()?;
        page.used &= !(1 << slot);
        self.len -= 1;
        if page.used == 0 {
            self.spare = std::mem::take(&mut page.slots);
        }
        self.set_room(index, true);
        self.lowest = self.lowest.min(index / 64);
        self.shrink();
        Some(value)
    }

    /// All keys with their values, in the order of the keys.
    pub(in crate::shard) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.pages.iter().zip((0..).step_by(PAGE as usize)).flat_map(|(page, first)| {
            page.slots.iter().zip(first..).filter_map(|(slot, key)| Some((key, slot.as_ref()?)))
        })
    }

    /// The lowest page with room, which may be the one after the last.
    fn lowest_with_room(&self) -> usize {
        let words = self.room.iter().enumerate().skip(self.lowest);
        let found = words.into_iter().find(|(_, bits)| **bits != 0);
        found.map_or(self.pages.len(), |(word, bits)| word * 64 + bits.trailing_zeros() as usize)
    }

    fn set_room(&mut self, index: usize, room: bool) {
        if self.room.len() <= index / 64 {
            self.room.resize(index / 64 + 1, 0);
        }
        if let Some(bits) = self.room.get_mut(index / 64) {
            *bits = *bits & !(1 << (index % 64)) | u64::from(room) << (index % 64);
        }
    }

    /// Forgets the empty pages at the end; the vectors keep at most four times what they need.
    fn shrink(&mut self) {
        while self.pages.pop_if(|page| page.used == 0).is_some() {
            self.set_room(self.pages.len(), false);
        }
        self.room.truncate(self.pages.len().div_ceil(64));
        if self.pages.capacity() > 4 * self.pages.len() {
            self.pages.shrink_to(2 * self.pages.len());
            self.room.shrink_to(2 * self.room.len());
        }
    }
}

/// The page of a key and the slot in it.
const fn split(key: u32) -> (usize, usize) {
    ((key / PAGE) as usize, (key % PAGE) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn allocated<T>(pages: &Pages<T>) -> usize {
        pages.pages.iter().filter(|page| !page.slots.is_empty()).count()
    }

    #[test]
    fn keys_are_given_from_the_lowest() {
        let mut pages = Pages::new(MAX_KEYS);
        let keys: Vec<_> = (0..200).map(|n| pages.insert(n).unwrap()).collect();
        assert_eq!(keys, (0..200).collect::<Vec<u32>>());
        for key in [150, 70, 71] {
            pages.remove(key);
        }
        assert_eq!([pages.insert(0), pages.insert(0), pages.insert(0)], [Ok(70), Ok(71), Ok(150)]);
        assert_eq!(pages.vacant_key(), Some(200));
    }

    #[test]
    fn an_empty_page_is_freed_at_once() {
        let mut pages = Pages::new(MAX_KEYS);
        (0..192).for_each(|n| _ = pages.insert(n));
        (64..128).for_each(|key| _ = pages.remove(key));
        assert_eq!((allocated(&pages), pages.pages.len()), (2, 3));
        (128..192).for_each(|key| _ = pages.remove(key));
        assert_eq!((allocated(&pages), pages.pages.len()), (1, 1));
    }

    #[test]
    fn nothing_is_allocated_once_all_values_are_gone() {
        let mut pages = Pages::new(MAX_KEYS);
        (0..100_000).for_each(|n| _ = pages.insert(n));
        (0..100_000).for_each(|key| assert_eq!(pages.remove(key), Some(key)));
        assert_eq!((pages.pages.capacity(), pages.room.capacity(), pages.len()), (0, 0, 0));
        assert!((pages.len() == 0));
    }

    #[test]
    fn the_limit_gives_the_value_back() {
        let mut pages = Pages::new(70);
        (0..70).for_each(|n| assert_eq!(pages.insert(n), Ok(n)));
        assert_eq!((pages.vacant_key(), pages.insert(70)), (None, Err(70)));
        pages.remove(3);
        assert_eq!((pages.vacant_key(), pages.insert(71)), (Some(3), Ok(3)));
        assert_eq!(Pages::<()>::new(u32::MAX).limit, MAX_KEYS);
    }

    proptest! {
        #[test]
        fn behaves_as_a_map(steps in proptest::collection::vec((0..100u8, 0..700u32), 0..2000), grow in 20..80u8) {
            let mut pages = Pages::new(600);
            let mut model = HashMap::new();
            for (step, (choice, value)) in steps.into_iter().enumerate() {
                // Long runs of growth and of decline, so that whole pages fill and empty.
                let grow = if step / 600 % 2 == 0 { grow.max(60) } else { grow.min(30) };
                if choice < grow {
                    let vacant = pages.vacant_key();
                    let lowest = (0..600).find(|key| !model.contains_key(key));
                    prop_assert_eq!(vacant, lowest);
                    prop_assert_eq!(pages.insert(value).ok(), vacant);
                    vacant.map(|key| model.insert(key, value));
                } else if choice == 99 {
                    prop_assert_eq!(pages.get_mut(value).map(|slot| *slot += 1), model.get_mut(&value).map(|slot| *slot += 1));
                } else {
                    let key = pages.iter().map(|(key, _)| key).nth(value as usize % pages.len().max(1)).unwrap_or(value);
                    prop_assert_eq!(pages.remove(key), model.remove(&key));
                }
                prop_assert_eq!(pages.len(), model.len());
                prop_assert_eq!(pages.get(value), model.get(&value));
                prop_assert_eq!(pages.contains(value), model.contains_key(&value));
            }
            let mut expected: Vec<_> = model.iter().map(|(key, value)| (*key, value)).collect();
            expected.sort_unstable();
            prop_assert_eq!(pages.iter().collect::<Vec<_>>(), expected);
            for (key, value) in model {
                prop_assert_eq!(pages.remove(key), Some(value));
            }
            prop_assert_eq!((pages.pages.capacity(), pages.room.capacity()), (0, 0));
        }
    }
}
