//! Instances that are not known, and were greeted because a client has named them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::instance::Instance;

/// An instance is greeted at most once in this time.
const PAUSE: Duration = Duration::from_secs(5);

/// Greetings in a second.
const MOST: usize = 10;

const SECOND: Duration = Duration::from_secs(1);

/// The greetings of the last seconds: clients may name any instance, so there are few.
#[derive(Debug, Default)]
pub(super) struct Seeking(VecDeque<Greeting>);

#[derive(Debug)]
struct Greeting {
    instance: Instance,
    /// This instance's epoch in it.
    epoch: u32,
    at: Instant,
    /// Whether Redis knew of nobody who received it.
    is_uncounted: bool,
}

impl Seeking {
    /// Whether an instance may be greeted now.
    pub(super) fn may(&mut self, instance: Instance, now: Instant) -> bool {
        let age = |greeting: &Greeting| now.saturating_duration_since(greeting.at);
        while self.0.front().is_some_and(|oldest| age(oldest) >= PAUSE) {
            self.0.pop_front();
        }
        let lately = self.0.iter().rev().take_while(|greeting| age(greeting) < SECOND).count();
        lately < MOST && self.epoch(instance).is_none()
    }

    pub(super) fn note(&mut self, instance: Instance, epoch: u32, now: Instant) {
        self.0.push_back(Greeting { instance, epoch, at: now, is_uncounted: false });
    }

    /// Redis knew of nobody who received a greeting.
    pub(super) fn note_uncounted(&mut self, instance: Instance, epoch: u32) {
        let of_this = |greeting: &&mut Greeting| (greeting.instance, greeting.epoch) == (instance, epoch);
        self.0.iter_mut().filter(of_this).for_each(|greeting| greeting.is_uncounted = true);
    }

    /// Whether Redis knew of nobody who received a greeting of an instance.
    pub(super) fn is_uncounted(&self, instance: Instance) -> bool {
        self.0.iter().any(|greeting| greeting.instance == instance && greeting.is_uncounted)
    }

    /// This instance's epoch in the last greeting.
    pub(super) fn epoch(&self, instance: Instance) -> Option<u32> {
        self.0.iter().rev().find(|greeting| greeting.instance == instance).map(|greeting| greeting.epoch)
    }

    /// Forgets the greetings.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const fn instance(number: u8) -> Instance {
        Instance([0, 0, number])
    }

    #[test]
    fn each_is_greeted_once_in_five_seconds_and_ten_in_one() {
        let (mut seeking, begin) = (Seeking::default(), clock::now());
        let mut greeted = |number, millis| {
            let now = begin + Duration::from_millis(millis);
            let may = seeking.may(instance(number), now);
            if may {
                seeking.note(instance(number), 7, now);
            }
            may
        };
        for number in 0..10 {
            assert!(greeted(number, 0));
        }
        assert!(!greeted(10, 999));
        assert!(greeted(10, 1000) && !greeted(0, 4999) && greeted(0, 5000) && !greeted(10, 5999));
        assert!(seeking.0.len() < 10 * 5);
    }

    #[test]
    fn the_last_greeting_tells_its_epoch() {
        let (mut seeking, now) = (Seeking::default(), clock::now());
        seeking.note(instance(1), 3, now);
        assert_eq!((seeking.epoch(instance(1)), seeking.epoch(instance(2))), (Some(3), None));
        seeking.clear();
        assert_eq!(seeking.epoch(instance(1)), None);
    }
}
