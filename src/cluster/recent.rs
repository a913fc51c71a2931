//! How many others a server has counted lately. A server that is away from Redis for the moment is not counted, but it
//! exists; one that has said goodbye does not.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::redis::Connection;

/// Goodbyes that are remembered. If more come without a count in between, the senders of the first ones are reported as
/// missing as if they had said nothing.
const GOODBYES: usize = 64;

/// Counts of the others that still say who may exist.
///
/// Counts are only numbers: if one server leaves while another comes, that does not show.
///
/// A goodbye is sent after Redis has confirmed that its sender is not counted any more, and it comes by another
/// connection than counts do. So the sender is certainly not in a count that was asked for after the goodbye came, nor
/// in one that was made before the sender came. Of the counts in between, the first is taken to include it and to be
/// one too high. Later ones stay as they are, because the sender may have been gone by then; so do all of them when a
/// count is noted that was asked for before the goodbye came. In doubt a server is reported as missing that is not,
/// never the other way round, with one exception: a count that is made and noted between the end of the sender's
/// subscription and the arrival of its goodbye is taken to include the sender if no earlier one does, or if another
/// server has come since and hides that the sender is not in it.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// The last count, and before it higher ones, the highest first.
    counts: VecDeque<Count>,
    /// The connection of the last count.
    connection: u64,
    /// Until then others may exist that were never counted.
    unsure_until: Option<Instant>,
    /// The last ones, in order.
    goodbyes: VecDeque<Goodbye>,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    others: usize,
    /// When it was asked for, or earlier.
    asked: Instant,
    counted: Instant,
    /// Until then servers that are not counted any more may come back; `None` for the last count.
    until: Option<Instant>,
}

impl Count {
    /// Whether the servers that are not counted any more will not come back.
    fn is_over(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

/// That another server has left for good.
#[derive(Debug)]
struct Goodbye {
    uid: Box<str>,
    /// The server was counted without a break from then on, at the latest.
    since: Instant,
    came: Instant,
    taken: Taken,
}

/// Whether a goodbye has been taken into account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    NotYet,
    Already,
}

impl Recent {
    /// Notes a count that was asked for at this time, or later, by the server whose connection is `connection`. Returns
    /// how many more exist, away from Redis or gone for no longer than `return_time` without a goodbye; `None` if
    /// unknown. Counts are noted in the order in which Redis made them.
    pub(super) fn note(
        &mut self,
        others: usize,
        connection: Connection,
        asked: Instant,
        now: Instant,
        return_time: Duration,
    ) -> Option<usize> {
        if self.connection != connection.number {
            self.connect(connection, return_time);
        }
        if let Some(last) = self.counts.back_mut() {
            last.until = Some(now + return_time);
        }
        self.take_goodbyes(asked, now);
        self.counts.retain(|count| count.others > others && !count.is_over(now));
        self.counts.push_back(Count { others, asked, counted: now, until: None });
        let highest = self.counts.front().map_or(others, |count| count.others);
        self.unsure_until.is_none_or(|until| now >= until).then(|| highest - others)
    }

    /// A server has said goodbye; it was counted without a break for this long. An earlier goodbye for the same time is
    /// ignored, and so is one of a server that left before anybody was counted.
    pub(super) fn goodbye(&mut self, uid: &str, stayed: Duration, now: Instant) {
        let since = now.checked_sub(stayed).unwrap_or(now);
        let mut of_this = self.goodbyes.iter().filter(|goodbye| *goodbye.uid == *uid);
        if self.counts.is_empty() || of_this.any(|before| since <= before.came) {
            return;
        }
        if self.goodbyes.len() == GOODBYES {
            self.goodbyes.pop_front();
        }
        self.goodbyes.push_back(Goodbye { uid: uid.into(), since, came: now, taken: Taken::NotYet });
    }

    /// Lowers the counts by the servers that said goodbye before the count was asked for that is noted now.
    fn take_goodbyes(&mut self, asked: Instant, now: Instant) {
        for goodbye in self.goodbyes.iter_mut().filter(|goodbye| goodbye.taken == Taken::NotYet) {
            let has_it = |count: &Count| count.asked >= goodbye.since && count.counted <= goodbye.came;
            let place = self.counts.iter().position(has_it);
            let count = place.and_then(|place| self.counts.get_mut(place));
            if goodbye.came < asked {
                goodbye.taken = Taken::Already;
                if let (Some(count), Some(place)) = (count, place) {
                    count.others = count.others.saturating_sub(1);
                    let others = count.others;
                    if self.counts.get(place + 1).is_some_and(|next| next.others >= others) {
                        self.counts.remove(place);
                    }
                }
            } else if count.is_some_and(|count| count.is_over(now)) {
                // The sender was reported as missing until its time was up.
                goodbye.taken = Taken::Already;
            }
        }
    }

    /// This server counts by another connection than before. If it was without Redis, others may have been, too; they
    /// need as long to come back as this one's `return_time`. A count shortly before tells how many they are.
    fn connect(&mut self, connection: Connection, return_time: Duration) {
        self.connection = connection.number;
        if !connection.after_outage {
            return;
        }
        let back = connection.since + return_time;
        self.counts.retain(|count| !count.is_over(connection.since));
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
    use proptest::prelude::*;

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
            self.absent_of_before(second, second, others)
        }

        /// The same for a count that was asked for at another second than it came.
        fn absent_of_before(&mut self, asked: u64, second: u64, others: usize) -> Option<usize> {
            let [asked, now] = [asked, second].map(|second| self.begin + Duration::from_secs(second));
            self.recent.note(others, self.connection, asked, now, RETURN)
        }

        /// One says goodbye that has stayed so long.
        fn goodbye(&mut self, second: u64, uid: &str, stayed: u64) {
            self.recent.goodbye(uid, Duration::from_secs(stayed), self.begin + Duration::from_secs(second));
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

    #[test]
    fn who_has_said_goodbye_is_not_missing() {
        let mut counting = Counting::new();
        assert_eq!(counting.absent(10, 3), Some(0));
        counting.goodbye(11, "one", 5);
        assert_eq!(counting.absent(12, 2), Some(0));
        assert_eq!(counting.absent(13, 2), Some(0));
        counting.goodbye(14, "two", 5);
        counting.goodbye(15, "three", 60);
        assert_eq!(counting.absent(16, 0), Some(0));
    }

    #[test]
    fn a_goodbye_may_come_after_its_sender_was_missed() {
        let mut counting = Counting::new();
        assert_eq!(counting.absent(10, 3), Some(0));
        assert_eq!(counting.absent(11, 2), Some(1));
        counting.goodbye(12, "one", 5);
        assert_eq!(counting.absent(13, 2), Some(0));
    }

    #[test]
    fn a_goodbye_stands_for_its_sender_alone() {
        let mut counting = Counting::new();
        assert_eq!(counting.absent(10, 3), Some(0));
        counting.goodbye(11, "one", 5);
        assert_eq!(counting.absent(12, 1), Some(1), "another has gone without a word");
        assert_eq!(counting.absent(13, 2), Some(0), "and is back");
        assert_eq!(counting.absent(14, 1), Some(1));
    }

    #[test]
    fn who_was_missing_before_another_said_goodbye_still_is() {
        let mut counting = Counting::new();
        assert_eq!(counting.absent(10, 3), Some(0));
        assert_eq!(counting.absent(11, 2), Some(1), "away");
        counting.goodbye(12, "another", 10);
        assert_eq!(counting.absent(13, 1), Some(1));
    }

    #[test]
    fn a_count_that_was_asked_for_before_the_goodbye_came_may_have_its_sender() {
        let mut counting = Counting::new();
        assert_eq!(counting.absent(10, 3), Some(0));
        counting.goodbye(12, "one", 5);
        assert_eq!(counting.absent_of_before(11, 13, 2), Some(1), "the sender, or another that is away");
        assert_eq!(counting.absent(14, 1), Some(1), "another has gone");
        assert_eq!(counting.absent(15, 2), Some(0));
    }

    #[test]
    fn a_goodbye_of_one_that_came_after_the_count_explains_nothing() {
        let mut counting = Counting::new();
        assert_eq!(counting.absent(10, 3), Some(0));
        counting.goodbye(20, "late", 5);
        assert_eq!(counting.absent(21, 2), Some(1), "of the three");
    }

    #[test]
    fn a_goodbye_is_said_once_each_stay() {
        let mut counting = Counting::new();
        assert_eq!(counting.absent(10, 3), Some(0));
        counting.goodbye(11, "one", 5);
        counting.goodbye(11, "one", 5);
        assert_eq!(counting.absent(12, 1), Some(1));
        counting.goodbye(13, "one", 7);
        assert_eq!(counting.absent(14, 1), Some(1), "the same stay");
        assert_eq!(counting.absent(15, 2), Some(0), "back");
        counting.goodbye(20, "one", 5);
        assert_eq!(counting.absent(21, 1), Some(0), "another stay");
    }

    #[test]
    fn a_goodbye_is_remembered_over_an_outage() {
        let mut counting = Counting::new();
        assert_eq!(counting.absent(10, 3), Some(0));
        counting.goodbye(11, "one", 5);
        counting.reconnect(13);
        assert_eq!(counting.absent(13, 1), Some(1), "the other of those that are left is not back");
        assert_eq!(counting.absent(14, 2), Some(0));
    }

    #[test]
    fn goodbyes_that_nobody_counts_after_take_no_more_than_a_few_places() {
        let mut counting = Counting::new();
        counting.goodbye(0, "nobody was counted", 0);
        assert!(counting.recent.goodbyes.is_empty());
        assert_eq!(counting.absent(1, 1000), Some(0));
        for server in 0..1000 {
            counting.goodbye(2, &format!("{server}"), 2);
        }
        assert_eq!(counting.recent.goodbyes.len(), GOODBYES);
        assert_eq!(counting.absent(3, 0), Some(1000 - GOODBYES));
    }

    /// What happens to a server that counts others.
    #[derive(Debug, Clone, Copy)]
    enum Step {
        /// A server comes that will never say goodbye.
        Come,
        /// A server's connection ends.
        Vanish,
        /// The one that vanished last is back.
        Return,
        /// Redis has confirmed that one of those who say goodbye is gone.
        Leave,
        /// The oldest goodbye that is on its way comes.
        Hear,
        Ask,
        /// Redis answers the oldest question.
        Count,
        /// Its oldest answer comes.
        Note,
        Wait,
    }

    /// A server that counts a cluster, and another that counts one that those who say goodbye were never in.
    struct Model {
        now: Instant,
        counting: [Recent; 2],
        connection: Connection,
        there: usize,
        away: usize,
        leavers: usize,
        left: usize,
        heard: usize,
        asked: VecDeque<Instant>,
        answers: VecDeque<(Instant, [usize; 2])>,
        /// Whether one has come since the last count, or nobody was counted yet.
        unseen: bool,
    }

    impl Model {
        fn new(there: usize, leavers: usize) -> Self {
            let now = Instant::now();
            Self {
                now,
                counting: Default::default(),
                connection: Connection { number: 1, since: now, after_outage: false },
                there,
                away: 0,
                leavers,
                left: 0,
                heard: 0,
                asked: VecDeque::new(),
                answers: VecDeque::new(),
                unseen: true,
            }
        }

        fn step(&mut self, step: Step) {
            self.now += Duration::from_millis(1);
            match step {
                Step::Come => {
                    self.there += 1;
                    self.unseen = true;
                }
                Step::Vanish if self.there > 0 => {
                    self.there -= 1;
                    self.away += 1;
                }
                Step::Return if self.away > 0 => {
                    self.away -= 1;
                    self.step(Step::Come);
                }
                Step::Leave if self.left < self.leavers => self.left += 1,
                Step::Hear if self.heard < self.left => {
                    self.heard += 1;
                    let uid = self.heard.to_string();
                    self.counting[0].goodbye(&uid, Duration::from_secs(3600), self.now);
                }
                Step::Ask => self.asked.push_back(self.now),
                Step::Count => self.count(),
                Step::Note => self.note(),
                // A goodbye comes soon, or never.
                Step::Wait if self.left == self.heard => self.now += Duration::from_secs(3),
                Step::Wait | Step::Vanish | Step::Return | Step::Leave | Step::Hear => {}
            }
        }

        /// Leaves out the one moment of doubt: a count between the leaving of one and its goodbye, if it is the first, or if who has
        /// come hides that somebody has gone.
        fn count(&mut self) {
            let Some(asked) = self.asked.pop_front() else { return };
            if self.left > self.heard && self.unseen {
                return;
            }
            self.unseen = false;
            self.answers.push_back((asked, [self.there + self.leavers - self.left, self.there]));
        }

        fn note(&mut self) {
            let Some((asked, counts)) = self.answers.pop_front() else { return };
            let mut absent = [None; 2];
            for ((absent, recent), others) in absent.iter_mut().zip(&mut self.counting).zip(counts) {
                *absent = recent.note(others, self.connection, asked, self.now, RETURN);
            }
            let [with, without] = absent;
            assert!(with >= without, "{with:?} are missing instead of {without:?}");
        }
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        use Step::{Ask, Come, Count, Hear, Leave, Note, Return, Vanish, Wait};
        let step =
            prop::sample::select(vec![Come, Vanish, Return, Leave, Hear, Ask, Count, Note, Ask, Count, Note, Wait]);
        prop::collection::vec(step, 0..60)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]
        #[test]
        fn a_goodbye_never_hides_that_another_is_missing(there in 0..4_usize, leavers in 1..4_usize, steps in steps()) {
            let mut model = Model::new(there, leavers);
            steps.into_iter().for_each(|step| model.step(step));
        }
    }
}
