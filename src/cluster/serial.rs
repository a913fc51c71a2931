//! Numbers of events, by which other servers notice that one is missing.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::chance::{self, RandomState};

/// The number of an event among those of its publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Serial {
    /// The publisher: a process, from its start to its end.
    pub boot: u64,
    /// The event loop of the publisher that sent the event, or 255 for its other threads.
    pub lane: u8,
    /// One more than that of the event before, in the same namespace and lane.
    pub number: u64,
}

impl Serial {
    /// Bytes of a serial.
    pub(crate) const LENGTH: usize = 17;

    /// Its bytes in messages: the publisher, the lane and the number, most significant byte first.
    pub(crate) const fn to_bytes(self) -> [u8; Self::LENGTH] {
        let [b0, b1, b2, b3, b4, b5, b6, b7] = self.boot.to_be_bytes();
        let [n0, n1, n2, n3, n4, n5, n6, n7] = self.number.to_be_bytes();
        [b0, b1, b2, b3, b4, b5, b6, b7, self.lane, n0, n1, n2, n3, n4, n5, n6, n7]
    }

    /// How many events are missing between this one and the last before it in its lane, which had that number.
    pub(crate) const fn missing_after(self, last: u64) -> u64 {
        self.number.saturating_sub(last.saturating_add(1))
    }

    /// The serial of these bytes.
    pub(crate) const fn from_bytes(bytes: &[u8; Self::LENGTH]) -> Self {
        let [b0, b1, b2, b3, b4, b5, b6, b7, lane, number @ ..] = *bytes;
        let boot = u64::from_be_bytes([b0, b1, b2, b3, b4, b5, b6, b7]);
        Self { boot, lane, number: u64::from_be_bytes(number) }
    }
}

/// Most namespaces whose last numbers are known. Beyond that all begin anew; for other servers that is a gap.
const MOST: usize = 4096;

/// Gives this server's events their numbers.
pub(super) struct Numbering {
    boot: u64,
    given: Mutex<Given>,
}

/// The numbers that were given.
#[derive(Default)]
struct Given {
    /// The last number of each lane in each namespace.
    last: HashMap<Box<str>, Vec<(u8, u64)>, RandomState>,
    /// New lanes begin beyond this.
    floor: u64,
}

impl Numbering {
    /// The numbering of a process that starts now.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub(super) fn new() -> Result<Self, getrandom::Error> {
        let mut boot = [0; 8];
        chance::fill(&mut boot)?;
        Ok(Self { boot: u64::from_ne_bytes(boot), given: Mutex::default() })
    }

    /// The serial of an event whose number is not known yet.
    pub(super) const fn unnumbered(&self, lane: u8) -> Serial {
        Serial { boot: self.boot, lane, number: 0 }
    }

    /// The number of the next event in a namespace and lane.
    pub(super) fn next(&self, namespace: &str, lane: u8) -> u64 {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.next(namespace, lane)
    }
}

impl Given {
    fn next(&mut self, namespace: &str, lane: u8) -> u64 {
        if !self.last.contains_key(namespace) {
            if self.last.len() >= MOST {
                self.begin_anew();
            }
            self.last.insert(namespace.into(), Vec::new());
        }
        let first = self.floor + 1;
        let Some(lanes) = self.last.get_mut(namespace) else { return first };
        match lanes.iter_mut().find(|(other, _)| *other == lane) {
            Some((_, last)) => {
                *last += 1;
                *last
            }
            None => {
                lanes.push((lane, first));
                first
            }
        }
    }

    /// Forgets all numbers. The next ones leave a gap in each lane, so no number comes twice, and nobody takes them for
    /// consecutive.
    fn begin_anew(&mut self) {
        let last = self.last.values().flatten().map(|(_, last)| *last).max();
        self.floor = last.map_or(self.floor, |last| last + 1);
        self.last.clear();
    }
}

impl fmt::Debug for Numbering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Numbering").field("boot", &self.boot).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_consecutive_in_each_namespace_and_lane() {
        let numbering = Numbering::new().unwrap();
        let next = |namespace: &str, lane| numbering.next(namespace, lane);
        assert_eq!([next("/", 0), next("/", 0), next("/", 255), next("/a", 0), next("/", 0)], [1, 2, 1, 1, 3]);
        assert_ne!(Numbering::new().unwrap().boot, numbering.boot);
    }

    #[test]
    fn the_bytes_of_a_serial_end_with_its_number() {
        let serial = Serial { boot: u64::MAX - 1, lane: 7, number: 0x0102_0304_0506_0708 };
        let bytes = serial.to_bytes();
        assert_eq!((bytes[8], &bytes[9..]), (7, &[1, 2, 3, 4, 5, 6, 7, 8][..]));
        assert_eq!(Serial::from_bytes(&bytes), serial);
    }

    #[test]
    fn numbers_that_begin_anew_leave_a_gap_and_do_not_repeat() {
        let mut given = Given::default();
        assert_eq!((0..10).map(|_| given.next("/", 0)).last(), Some(10));
        (1..MOST).for_each(|number| assert_eq!(given.next(&format!("/{number}"), 0), 1));
        assert_eq!(given.next("/", 0), 11);
        assert_eq!(given.next("/one more", 0), 13);
        assert_eq!((given.next("/", 0), given.next("/", 0), given.last.len()), (13, 14, 2));
    }
}
