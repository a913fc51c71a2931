//! How many others a server has counted lately. Who is away from Redis for the moment is not counted, and yet there.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::redis::Connection;

/// Counts of the others, as far as they still say who may be there.
///
/// Counts are numbers: one that leaves while another comes does not show.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// The last, and before it those that were higher, the highest first.
    counts: VecDeque<Count>,
    /// The connection of the last.
    connection: u64,
    /// Until then there may be others that were never counted.
    unsure_until: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    others: usize,
    counted: Instant,
    /// Until then those who are not counted any more may come back; `None` for the last, which none has followed.
    until: Option<Instant>,
}

impl Recent {
    /// Notes a count by the server that hears by `connection`. Gives how many more there are, away from Redis or gone since no
    /// longer than `return_time`; `None` if nobody knows.
    pub(super) fn note(
        &mut self,
        others: usize,
        connection: Connection,
        now: Instant,
        return_time: Duration,
    ) -> Option<usize> {
        if self.connection != connection.number {
            self.connect(connection, return_time);
        }
        if let Some(last) = self.counts.back_mut() {
            last.until = Some(now + return_time);
        }
        self.counts.retain(|count| count.others > others && count.until.is_none_or(|until| now < until));
        self.counts.push_back(Count { others, counted: now, until: None });
        let highest = self.counts.front().map_or(others, |count| count.others);
        self.unsure_until.is_none_or(|until| now >= until).then(|| highest - others)
    }

    /// This server counts by another connection than before. If it was without Redis, others may have been, too: they need as
    /// long to come back as this one's `return_time`. What it counted shortly before tells how many they are.
    fn connect(&mut self, connection: Connection, return_time: Duration) {
        self.connection = connection.number;
        if !connection.after_outage {
            return;
        }
        let back = connection.since + return_time;
        self.counts.retain(|count| count.until.is_none_or(|until| connection.since < until));
        for until in self.counts.iter_mut().filter_map(|count| count.until.as_mut()) {
            *until = back.max(*until);
        }
        let known = self.counts.back().is_some_and(|last| connection.since < last.counted + return_time);
        let sure = known && self.unsure_until.is_none_or(|until| connection.since >= until);
        self.unsure_until = (!sure).then_some(back);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETURN: Duration = Duration::from_secs(7);

    /// A server's counts, at seconds of a test.
    struct Counting {
        recent: Recent,
        begin: Instant,
        connection: Connection,
    }

    impl Counting {
        fn new() -> Self {
            let begin = Instant::now();
            let connection = Connection { number: 1, since: begin, after_outage: false };
            Self { recent: Recent::default(), begin, connection }
        }

        fn reconnect(&mut self, second: u64) {
            let since = self.begin + Duration::from_secs(second);
            self.connection = Connection { number: self.connection.number + 1, since, after_outage: true };
        }

        fn absent(&mut self, second: u64, others: usize) -> Option<usize> {
            self.recent.note(others, self.connection, self.begin + Duration::from_secs(second), RETURN)
        }
    }

    #[test]
    fn who_is_counted_no_more_is_missing_for_the_time_that_it_needs_to_come_back() {
        let mut counting = Counting::new();
        assert_eq!(counting.absent(0, 3), Some(0));
        assert_eq!(counting.absent(100, 2), Some(1), "noticed now");
        assert_eq!(counting.absent(106, 2), Some(1));
        assert_eq!(counting.absent(107, 2), Some(0), "gone");
        assert_eq!(counting.absent(108, 3), Some(0));
    }

    #[test]
    fn the_first_that_comes_back_does_not_stand_for_all() {
        let mut counting = Counting::new();
        assert_eq!(counting.absent(0, 3), Some(0));
        assert_eq!(counting.absent(1, 1), Some(2));
        assert_eq!(counting.absent(2, 2), Some(1));
        assert_eq!(counting.absent(3, 1), Some(2));
        assert_eq!(counting.absent(8, 1), Some(1), "of the first time");
        assert_eq!(counting.absent(10, 1), Some(0));
        assert_eq!(counting.absent(11, 3), Some(0));
    }

    #[test]
    fn after_an_outage_the_others_are_those_of_shortly_before() {
        let mut counting = Counting::new();
        assert_eq!(counting.absent(0, 2), Some(0));
        counting.reconnect(5);
        assert_eq!(counting.absent(6, 0), Some(2));
        assert_eq!(counting.absent(7, 2), Some(0));
        counting.reconnect(8);
        assert_eq!(counting.absent(8, 1), Some(1));
        counting.reconnect(14);
        assert_eq!(counting.absent(20, 1), Some(1), "they need their time from then on");
        assert_eq!(counting.absent(21, 1), Some(0));
    }

    #[test]
    fn after_an_outage_nobody_knows_the_others_that_were_not_counted_shortly_before() {
        let mut counting = Counting::new();
        counting.reconnect(1);
        assert_eq!(counting.absent(1, 1), None);
        counting.reconnect(3);
        assert_eq!(counting.absent(9, 1), None, "a count in doubt makes no certainty");
        assert_eq!(counting.absent(10, 1), Some(0));
        counting.reconnect(100);
        assert_eq!(counting.absent(101, 1), None, "who has come meanwhile was not counted");
        assert_eq!(counting.absent(107, 1), Some(0));
    }

    #[test]
    fn who_was_never_without_redis_believes_its_first_count() {
        assert_eq!(Counting::new().absent(0, 0), Some(0));
        let mut late = Counting::new();
        late.reconnect(1);
        assert_eq!(late.absent(8, 1), Some(0), "all are back by then");
    }
}
