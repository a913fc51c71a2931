//! Gaps in the numbers of other servers' events.

use std::collections::HashMap;

use super::serial::Serial;
use crate::chance::RandomState;

/// Most lanes of publishers that are known. Beyond that all are new.
const MOST: usize = 4096;

/// The last numbers that came, of each lane of each publisher, in one namespace.
#[derive(Debug, Default)]
pub(super) struct Gaps(HashMap<(u64, u8), u64, RandomState>);

impl Gaps {
    /// Notes an event that came. Returns how many are missing between the one before it, in its lane, and this one.
    pub(super) fn note(&mut self, serial: Serial) -> u64 {
        let Serial { boot, lane, number } = serial;
        if let Some(last) = self.0.get_mut(&(boot, lane)) {
            return serial.missing_after(std::mem::replace(last, number.max(*last)));
        }
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.insert((boot, lane), number);
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(gaps: &mut Gaps, lane: u8, numbers: &[u64]) -> Vec<u64> {
        numbers.iter().map(|number| gaps.note(Serial { boot: 1, lane, number: *number })).collect()
    }

    #[test]
    fn what_is_missing_between_two_numbers_of_a_lane_is_a_gap() {
        let mut gaps = Gaps::default();
        assert_eq!(missing(&mut gaps, 0, &[7, 8, 11, 12]), [0, 0, 2, 0], "the first may be any");
        assert_eq!(missing(&mut gaps, 1, &[1, 2]), [0, 0]);
        assert_eq!(gaps.note(Serial { boot: 2, lane: 0, number: 1 }), 0, "another process");
        // Numbers that no server gives.
        assert_eq!(missing(&mut gaps, 0, &[3, 13, u64::MAX, u64::MAX, 0]), [0, 0, u64::MAX - 14, 0, 0]);
    }

    #[test]
    fn lanes_without_end_take_no_memory_without_end() {
        let mut gaps = Gaps::default();
        for boot in 0..3 * MOST as u64 {
            assert_eq!(gaps.note(Serial { boot, lane: 0, number: 1 }), 0);
        }
        assert!(gaps.0.len() <= MOST);
    }
}
