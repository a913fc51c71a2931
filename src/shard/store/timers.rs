//! A coarse hashed timer wheel for the deadlines of a shard.
//!
//! Deadlines of a server move far more often than they pass, so timers are not cancelled: an entry is a hint to look at its
//! owner again. The owner keeps its own deadline and the instant for which it is armed. When its key comes up it compares them
//! with the clock, and arms again only for an earlier instant than an existing entry. So one or two entries per owner are
//! enough. Where a client or the program chooses deadlines, they may move to and fro, and replaced entries may lie far ahead:
//! [`is_crowded`](Timers::is_crowded) says when it pays to look for them.
//!
//! Far deadlines are rounded up, by a few hundredths of a percent of the time until then: the heartbeats of many clients
//! come up together, and the loop wakes less often.

use crate::engineio::Millis;

/// A deadline that never comes.
pub(in crate::shard) const NEVER: Millis = Millis(u64::MAX);

/// Buckets of the wheel, one for each of the next 65 536 milliseconds. The memory of unused buckets is never touched.
const BUCKETS: u64 = 1 << 16;

/// Words of 64 bits that mark the buckets in use.
const WORDS: u64 = BUCKETS / 64;

/// The part of the time until a deadline by which it may be rounded up: 48 ms of a ping interval of 25 s.
const SLACK: u64 = 512;

/// Ends a list of entries. Links are places plus one, so that a wheel of zeros is empty.
const NONE: u32 = 0;

/// Entries for which memory is kept while there are none.
const KEPT: usize = 1024;

/// Keys with the instants at which they are to come up.
#[derive(Debug)]
pub(in crate::shard) struct Timers<K> {
    /// The link to the first entry of each bucket.
    buckets: Box<[u32]>,
    occupied: Occupied,
    entries: Vec<Entry<K>>,
    /// The link to the first of the entries that are not in use.
    free: u32,
    len: usize,
    /// How many entries are many: twice as many as were kept at the last look.
    many: usize,
    /// All milliseconds before this one have been expired; its bucket and the ones after it, once around, lie ahead.
    cursor: u64,
}

#[derive(Debug, Clone, Copy)]
struct Entry<K> {
    at: Millis,
    key: K,
    next: u32,
}

impl<K: Copy + Eq> Timers<K> {
    /// An empty wheel.
    pub(in crate::shard) fn new() -> Self {
        Self {
            buckets: vec![NONE; BUCKETS as usize].into(),
            occupied: Occupied { words: [0; WORDS as usize], summary: [0; WORDS as usize / 64] },
            entries: Vec::new(),
            free: NONE,
            len: 0,
            many: KEPT,
            cursor: 0,
        }
    }

    /// How many entries wait.
    #[cfg(test)]
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Whether no entry waits.
    #[cfg(test)]
    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Each entry with its instant; one whose instant has passed comes up next.
    #[cfg(test)]
    pub(in crate::shard) fn entries(&self) -> Vec<(Millis, K)> {
        let mut entries = Vec::with_capacity(self.len);
        let (mut bucket, mut span) = (self.cursor % BUCKETS, BUCKETS);
        while let Some(ahead) = self.occupied.next(bucket).filter(|ahead| *ahead < span) {
            bucket = (bucket + ahead) % BUCKETS;
            let mut link = self.buckets[bucket as usize];
            while let Some(entry) = self.entry(link) {
                entries.push((Millis(entry.at.0.max(self.cursor)), entry.key));
                link = entry.next;
            }
            (bucket, span) = ((bucket + 1) % BUCKETS, span - ahead - 1);
        }
        entries
    }

    /// Has `key` come up at `at` or a little later, or in the next millisecond if `at` has passed. Entries cannot be taken
    /// back.
    pub(in crate::shard) fn arm(&mut self, at: Millis, key: K) {
        self.insert(self.rounded(at), key);
    }

    /// The same for an instant that is [`rounded`](Self::rounded) already.
    pub(in crate::shard) fn insert(&mut self, at: Millis, key: K) {
        let link = match self.entry(self.free).map(|free| free.next) {
            Some(next) => std::mem::replace(&mut self.free, next),
            None => {
                self.entries.push(Entry { at, key, next: NONE });
                self.entries.len() as u32
            }
        };
        if let Some(entry) = self.entry_mut(link) {
            (entry.at, entry.key) = (at, key);
        }
        self.len += 1;
        self.link(link, at);
    }

    /// The instant at which a key armed now comes up: `at`, rounded up to a power of two of milliseconds. The rounding is small
    /// compared with the time until then.
    pub(in crate::shard) fn rounded(&self, at: Millis) -> Millis {
        let until = at.0.saturating_sub(self.cursor);
        let grain = (until / SLACK).checked_ilog2().map_or(1, |exponent| 1 << exponent);
        Millis(at.0.checked_next_multiple_of(grain).unwrap_or(at.0))
    }

    /// Whether there are many more entries than the last look kept.
    pub(in crate::shard) const fn is_crowded(&self) -> bool {
        self.len > self.many
    }

    /// Forgets the entries that `keep`, given their instants and keys, refuses. It looks at each entry, so call it only when
    /// most may be useless.
    pub(in crate::shard) fn retain(&mut self, keep: impl Fn(Millis, &K) -> bool) {
        let mut kept = Vec::new();
        while let Some(ahead) = self.occupied.next(self.cursor % BUCKETS) {
            let bucket = (self.cursor + ahead) % BUCKETS;
            self.occupied.clear(bucket);
            let mut link = self.buckets.get_mut(bucket as usize).map_or(NONE, |first| std::mem::replace(first, NONE));
            while let Some(entry) = self.entry(link) {
                if keep(entry.at, &entry.key) {
                    kept.push((entry.at, entry.key));
                }
                link = entry.next;
            }
        }
        self.empty();
        self.many = KEPT + 2 * kept.len();
        kept.into_iter().for_each(|(at, key)| self.insert(at, key));
    }

    fn empty(&mut self) {
        self.len = 0;
        self.entries.clear();
        self.entries.shrink_to(KEPT);
        self.free = NONE;
    }

    fn entry(&self, link: u32) -> Option<&Entry<K>> {
        self.entries.get((link as usize).wrapping_sub(1))
    }

    fn entry_mut(&mut self, link: u32) -> Option<&mut Entry<K>> {
        self.entries.get_mut((link as usize).wrapping_sub(1))
    }

    /// The instant at which [`expire`](Self::expire) has something to do: give keys out, or move an entry from beyond the
    /// wheel's horizon to its bucket.
    pub(in crate::shard) fn next_due(&self) -> Option<Millis> {
        let ahead = self.occupied.next(self.cursor % BUCKETS)?;
        Some(Millis(self.cursor.saturating_add(ahead)))
    }

    /// Appends all keys due at `now` to `due`. Keys of one millisecond come in no particular order. No key comes early, or
    /// later than its rounded instant.
    pub(in crate::shard) fn expire(&mut self, now: Millis, due: &mut Vec<K>) {
        let end = now.0.saturating_add(1);
        // After a long sleep once around the wheel is enough.
        let mut span = end.saturating_sub(self.cursor).min(BUCKETS);
        let mut bucket = self.cursor % BUCKETS;
        self.cursor = self.cursor.max(end);
        let mut beyond = NONE;
        while let Some(ahead) = self.occupied.next(bucket).filter(|ahead| *ahead < span) {
            bucket = (bucket + ahead) % BUCKETS;
            span -= ahead;
            self.occupied.clear(bucket);
            let mut link = self.buckets.get_mut(bucket as usize).map_or(NONE, |first| std::mem::replace(first, NONE));
            while let Some(entry) = self.entries.get_mut((link as usize).wrapping_sub(1)) {
                let list = if entry.at <= now {
                    due.push(entry.key);
                    self.len -= 1;
                    &mut self.free
                } else {
                    &mut beyond
                };
                let next = std::mem::replace(&mut entry.next, *list);
                *list = std::mem::replace(&mut link, next);
            }
        }
        while let Some(&Entry { at, next, .. }) = self.entry(beyond) {
            self.link(beyond, at);
            beyond = next;
        }
        if self.len == 0 {
            self.empty();
        }
    }

    /// Puts an entry in the bucket of `at`, or in the last bucket within reach.
    fn link(&mut self, link: u32, at: Millis) {
        let bucket = at.0.clamp(self.cursor, self.cursor.saturating_add(BUCKETS - 1)) % BUCKETS;
        let Some(first) = self.buckets.get_mut(bucket as usize).map(|first| std::mem::replace(first, link)) else {
            return;
        };
        if let Some(entry) = self.entry_mut(link) {
            entry.next = first;
        }
        self.occupied.set(bucket);
    }
}

/// Which buckets hold entries.
#[derive(Debug)]
struct Occupied {
    words: [u64; WORDS as usize],
    /// One bit for each word that is not zero.
    summary: [u64; WORDS as usize / 64],
}

impl Occupied {
    fn set(&mut self, bucket: u64) {
        mark(&mut self.words, bucket);
        mark(&mut self.summary, bucket / 64);
    }

    fn clear(&mut self, bucket: u64) {
        if let Some(word) = self.words.get_mut((bucket / 64) as usize) {
            *word &= !(1 << (bucket % 64));
            if *word == 0
                && let Some(summary) = self.summary.get_mut((bucket / 64 / 64) as usize)
            {
                *summary &= !(1 << (bucket / 64 % 64));
            }
        }
    }

    /// How many buckets after `bucket`, going around, the first occupied one is; 0 if it is `bucket`.
    fn next(&self, bucket: u64) -> Option<u64> {
        let (word, bit) = (bucket / 64, bucket % 64);
        let here = self.words.get(word as usize)? >> bit;
        if here != 0 {
            return Some(u64::from(here.trailing_zeros()));
        }
        // The words after this one come first, and this one again last, for the bits before `bit`.
        let found = self.next_word((word + 1) % WORDS)?;
        let words = (found + WORDS - word - 1) % WORDS + 1;
        let bits = self.words.get(found as usize)?.trailing_zeros();
        Some(words * 64 + u64::from(bits) - bit)
    }

    /// The first word from `word` on, going around, that is not zero.
    fn next_word(&self, word: u64) -> Option<u64> {
        let (place, bit) = (word as usize / 64, word % 64);
        let around = (place..self.summary.len()).chain(0..=place);
        around.enumerate().find_map(|(turn, place)| {
            // In the word where the search began, the bits before `bit` come last.
            let from = if turn == 0 { u64::MAX << bit } else { u64::MAX };
            let marks = self.summary.get(place)? & from;
            (marks != 0).then(|| place as u64 * 64 + u64::from(marks.trailing_zeros()))
        })
    }
}

fn mark(words: &mut [u64], bit: u64) {
    if let Some(word) = words.get_mut((bit / 64) as usize) {
        *word |= 1 << (bit % 64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn expire<K: Copy + Eq + Ord>(timers: &mut Timers<K>, now: u64) -> Vec<K> {
        let mut due = Vec::new();
        timers.expire(Millis(now), &mut due);
        due.sort_unstable();
        due
    }

    #[test]
    fn an_entry_takes_24_bytes() {
        assert_eq!(size_of::<Entry<u64>>(), 24);
    }

    #[test]
    fn a_key_comes_up_at_its_instant() {
        let mut timers = Timers::new();
        timers.arm(Millis(100), 'a');
        assert_eq!(timers.next_due(), Some(Millis(100)));
        assert!(expire(&mut timers, 99).is_empty());
        assert_eq!(expire(&mut timers, 100), ['a']);
        assert_eq!((timers.next_due(), timers.len()), (None, 0));
    }

    #[test]
    fn far_instants_are_rounded_up_and_come_up_together() {
        let mut timers = Timers::new();
        for at in 24_961..=24_992 {
            timers.arm(Millis(at), at);
        }
        assert_eq!(timers.next_due(), Some(Millis(24_992)));
        assert_eq!(expire(&mut timers, 24_992).len(), 32);
    }

    #[test]
    fn a_passed_instant_comes_up_in_the_next_millisecond() {
        let mut timers = Timers::new();
        expire(&mut timers, 10_000);
        timers.arm(Millis(5), 'a');
        assert_eq!(timers.next_due(), Some(Millis(10_001)));
        assert_eq!(expire(&mut timers, 10_001), ['a']);
    }

    #[test]
    fn an_instant_beyond_the_horizon_is_never_early() {
        let mut timers = Timers::new();
        timers.arm(Millis(200_000), 'a');
        let mut wakes = 0;
        while let Some(due) = timers.next_due() {
            wakes += 1;
            assert_eq!(expire(&mut timers, due.0).is_empty(), due.0 < 200_000);
        }
        assert_eq!(wakes, 4);
    }

    #[test]
    fn keys_whose_owners_have_gone_are_forgotten() {
        let mut timers = Timers::new();
        expire(&mut timers, 5000);
        for at in 0..100_000 {
            timers.arm(Millis(5000 + at), at);
        }
        timers.retain(|_, key| key % 50_000 == 7);
        assert_eq!(timers.len(), 2);
        assert!(timers.entries.capacity() <= KEPT);
        assert_eq!(timers.next_due(), Some(Millis(5007)));
        assert_eq!(expire(&mut timers, 200_000), [7, 50_007]);
        assert_eq!(timers.next_due(), None);
    }

    #[test]
    fn entries_are_looked_at_when_half_of_them_may_be_useless() {
        let mut timers = Timers::new();
        let mut looks = 0;
        for at in 0..100_000 {
            timers.arm(Millis(1_000_000 + at), at);
            if timers.is_crowded() {
                looks += 1;
                timers.retain(|_, key| key % 10 == 0);
            }
        }
        // 10 000 are kept.
        assert!(timers.len() <= 2 * 10_000 + KEPT, "{}", timers.len());
        assert!(looks < 100, "{looks}");
    }

    #[test]
    fn retained_entries_come_up_on_time() {
        let mut timers = Timers::new();
        let at = timers.rounded(Millis(1_048_575));
        timers.insert(at, 'a');
        timers.retain(|kept, _| kept == at);
        timers.retain(|kept, _| kept == at);
        assert_eq!(timers.len(), 1);
    }

    #[test]
    fn hours_of_sleep_lose_nothing() {
        let mut timers = Timers::new();
        for at in (0..5000).map(|n| n * 20) {
            timers.arm(Millis(at), at);
        }
        let later = 30 * 24 * 3_600_000;
        timers.arm(Millis(later + 1), 1);
        assert_eq!(expire(&mut timers, later).len(), 5000);
        assert_eq!(expire(&mut timers, later * 2), [1]);
        assert!(timers.is_empty() && timers.entries.capacity() <= KEPT);
    }

    #[test]
    fn the_ends_of_time_are_handled() {
        let mut timers = Timers::new();
        timers.arm(Millis(u64::MAX), 'a');
        assert!(expire(&mut timers, u64::MAX - 1).is_empty());
        timers.arm(Millis(0), 'b');
        assert!(expire(&mut timers, 0).is_empty());
        assert_eq!(timers.len(), 2);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Arm(u64),
        Wait(u64),
        WaitUntilDue,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let spans = || prop_oneof![4 => 0..100u64, 3 => 0..70_000u64, 1 => 0..10_000_000u64];
        let step = prop_oneof![
            4 => spans().prop_map(Step::Arm),
            1 => spans().prop_map(Step::Wait),
            2 => Just(Step::WaitUntilDue),
        ];
        proptest::collection::vec(step, 0..300)
    }

    proptest! {
        #[test]
        fn behaves_as_a_sorted_list(start in 0..200_000u64, steps in steps()) {
            let mut timers = Timers::new();
            let mut model: Vec<(u64, usize)> = Vec::new();
            let mut now = start;
            for (key, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Arm(ahead) => {
                        timers.arm(Millis(now + ahead), key);
                        model.push((now + ahead, key));
                        continue;
                    }
                    Step::Wait(span) => now += span,
                    Step::WaitUntilDue => now = timers.next_due().map_or(now, |due| due.0.max(now)),
                }
                let mut due = Vec::new();
                timers.expire(Millis(now), &mut due);
                for key in due {
                    let place = model.iter().position(|(_, armed)| *armed == key);
                    prop_assert!(model.swap_remove(place.unwrap()).0 <= now, "early");
                }
                prop_assert!(model.iter().all(|(at, _)| at + at / SLACK + 1 > now), "late or lost");
                prop_assert_eq!(timers.len(), model.len());
            }
            // Sleeping until the next due instant again and again meets each key in time.
            while let Some(due) = timers.next_due() {
                prop_assert!(model.iter().all(|(at, _)| (*at + *at / SLACK).max(now) + 1 >= due.0));
                now = now.max(due.0);
                let mut keys = Vec::new();
                timers.expire(due, &mut keys);
                prop_assert!(model.iter().all(|(at, key)| !keys.contains(key) || *at <= due.0));
                model.retain(|(_, key)| !keys.contains(key));
            }
            prop_assert!(model.is_empty() && timers.is_empty());
        }
    }
}
