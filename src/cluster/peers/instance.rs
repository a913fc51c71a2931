//! The names of instances.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::chance;

/// The name of an instance, as it stands in [`Sid`](crate::engineio::Sid)s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Instance(pub(crate) [u8; 3]);

impl Instance {
    /// A random name.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub(super) fn draw() -> Result<Self, getrandom::Error> {
        let mut name = [0; 3];
        chance::fill(&mut name)?;
        Ok(Self(name))
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c] = self.0;
        write!(f, "{a:02x}{b:02x}{c:02x}")
    }
}

/// The name of this instance. It may change until it is in the first sid.
#[derive(Debug)]
pub(crate) struct OwnInstance(AtomicU32);

/// Set once the name is in a sid.
const SETTLED: u32 = 1 << 24;

impl OwnInstance {
    pub(crate) const fn new(instance: Instance) -> Self {
        Self(AtomicU32::new(number(instance)))
    }

    /// A random name.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub(crate) fn draw() -> Result<Self, getrandom::Error> {
        Instance::draw().map(Self::new)
    }

    /// The name now.
    pub(crate) fn get(&self) -> Instance {
        name(self.0.load(Ordering::Relaxed))
    }

    /// The name for a sid; from now on it does not change.
    pub(crate) fn settle(&self) -> Instance {
        let now = self.0.load(Ordering::Relaxed);
        name(if now & SETTLED == 0 { self.0.fetch_or(SETTLED, Ordering::Relaxed) } else { now })
    }

    /// Changes the name, unless it is in a sid. Returns whether it did.
    pub(super) fn change(&self, to: Instance) -> bool {
        let change = |now: u32| (now & SETTLED == 0).then_some(number(to));
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change).is_ok()
    }
}

const fn number(Instance([a, b, c]): Instance) -> u32 {
    u32::from_be_bytes([0, a, b, c])
}

const fn name(number: u32) -> Instance {
    let [_, a, b, c] = number.to_be_bytes();
    Instance([a, b, c])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_changes_until_it_is_in_a_sid() {
        let (one, other) = (Instance([0xff, 0, 1]), Instance([0, 0xff, 0xff]));
        let own = OwnInstance::new(one);
        assert!(own.change(other));
        assert_eq!((own.get(), own.settle()), (other, other));
        assert!(!own.change(one));
        assert_eq!((own.get(), own.settle()), (other, other));
        assert_eq!(one.to_string(), "ff0001");
    }
}
