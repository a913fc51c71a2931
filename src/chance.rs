//! Random bits. In tests a thread may draw them from a seed, so that what happens can be repeated.

/// Fills `bytes` with random bits of the system.
///
/// # Errors
/// If the system has none.
pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), getrandom::Error> {
    #[cfg(test)]
    if simulated::fill(bytes) {
        return Ok(());
    }
    getrandom::fill(bytes)
}

/// Seeds of hash tables whose keys clients choose.
#[cfg(not(test))]
pub(crate) use foldhash::fast::RandomState;

#[cfg(test)]
pub(crate) use self::simulated::RandomState;

/// Bits that follow from a seed.
#[cfg(test)]
pub(crate) mod simulated {
    use std::cell::RefCell;
    use std::hash::BuildHasher;

    use foldhash::fast::{FixedState, FoldHasher};

    thread_local! {
        static RANDOM: RefCell<Option<Random>> = const { RefCell::new(None) };
    }

    /// A sequence of numbers that look random (splitmix64).
    #[derive(Debug, Clone)]
    pub(crate) struct Random(u64);

    impl Random {
        pub(crate) const fn new(seed: u64) -> Self {
            Self(seed)
        }

        pub(crate) const fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut bits = self.0;
            bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            bits ^ (bits >> 31)
        }

        /// A number below `bound`, which is above 0.
        pub(crate) const fn below(&mut self, bound: u64) -> u64 {
            self.next() % bound
        }

        /// True once in so many times.
        pub(crate) const fn once_in(&mut self, times: u64) -> bool {
            self.below(times) == 0
        }
    }

    /// From now on this thread draws from this seed, as long as the guard lives.
    pub(crate) fn seed(seed: u64) -> Seeded {
        RANDOM.set(Some(Random::new(seed)));
        Seeded
    }

    /// The thread draws the system's bits again when this is dropped.
    pub(crate) struct Seeded;

    impl Drop for Seeded {
        fn drop(&mut self) {
            RANDOM.set(None);
        }
    }

    /// Seeds of hash tables that follow from the thread's seed, so that the order of what they hold does, too.
    #[derive(Debug, Clone)]
    pub(crate) struct RandomState(FixedState);

    impl Default for RandomState {
        fn default() -> Self {
            Self(FixedState::with_seed(RANDOM.with_borrow(|random| random.as_ref().map_or(0, |Random(state)| *state))))
        }
    }

    impl BuildHasher for RandomState {
        type Hasher = FoldHasher<'static>;

        fn build_hasher(&self) -> Self::Hasher {
            self.0.build_hasher()
        }
    }

    pub(super) fn fill(bytes: &mut [u8]) -> bool {
        RANDOM.with_borrow_mut(|random| {
            let Some(random) = random else { return false };
            for part in bytes.chunks_mut(8) {
                part.copy_from_slice(&random.next().to_ne_bytes()[..part.len()]);
            }
            true
        })
    }
}
