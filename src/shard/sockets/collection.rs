//! Answers that are collected: of clients to a broadcast, of shards and other servers to a question.

use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::cluster::message::Extent;
use crate::metrics::Limit;
use crate::shard::Shard;
use crate::shard::shared::Shared;
use crate::shard::shared::answer_budget::{AnswerBudget, Taken};
use crate::shard::store::waits::Wait;
use crate::socketio::Arguments;

/// What is called with the answers, and with what is missing of them.
type Finish<T> = Box<dyn FnOnce(&Rc<Shard>, Vec<T>, Shortfall) + Send>;

/// What a client's answer, and each of its attachments, counts beside its bytes.
const COST: usize = 128;

/// The answers to one broadcast or question, as they come.
///
/// Its parts are what the shards and the other servers say, each once: how many answers will come from clients (to a
/// broadcast), and answers of their own (to a question). It is complete when nothing more is waited for. Then it ends,
/// or when its time is up. From then on nothing is noted.
pub(crate) struct Collection<T> {
    /// `None` when it has ended.
    tally: Mutex<Option<Tally<T>>>,
}

/// What has come, and what is waited for.
struct Tally<T> {
    answers: Vec<T>,
    /// What they take of the answer budget.
    taken: Taken,
    /// Clients' answers that the parts announced.
    announced: usize,
    /// Answers that there was no room for.
    dropped: usize,
    /// Announced answers of clients that have left, or were asked too much else.
    lost: usize,
    /// Shards that have yet to speak.
    shards: usize,
    /// Other servers that have yet to speak. Below zero if more have spoken than were counted, as while they are being
    /// counted.
    servers: isize,
    others: Others,
    /// Other servers that have spoken, and did not give all that they have.
    lacking: usize,
    /// The id of the request by which other servers are asked, whose answers are listened for.
    request: Option<Box<str>>,
    /// What ends it when its time is up.
    wait: Option<Wait>,
    finish: Finish<T>,
}

/// The other servers of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Others {
    /// Nobody has said how many there are.
    Awaited,
    /// They are waited for, except those that may be on their way back to Redis; `None` if nobody knows how many these
    /// are.
    Counted { absent: Option<usize> },
    /// They were not asked, and are not waited for.
    Unknown,
}

/// What is missing of the answers when a collection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shortfall {
    /// Announced answers that did not come, or were not kept.
    pub(crate) answers: usize,
    /// Servers that said nothing or less than they have, or were not asked. `None` if nobody knows.
    pub(crate) servers: Option<usize>,
    pub(crate) ended: Ended,
}

/// Why a collection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Nothing more was waited for.
    Complete,
    /// Its time was up.
    Overdue,
}

impl Shortfall {
    /// Whether nothing is missing.
    pub(crate) fn is_none(&self) -> bool {
        self.answers == 0 && self.servers == Some(0)
    }
}

impl Others {
    /// No other server is asked.
    pub(crate) const NONE: Self = Self::Counted { absent: Some(0) };
}

impl<T> Tally<T> {
    fn is_complete(&self) -> bool {
        let others_have_spoken = match self.others {
            Others::Awaited => false,
            Others::Counted { .. } => self.servers <= 0,
            Others::Unknown => true,
        };
        self.shards == 0
            && others_have_spoken
            && self.answers.len().saturating_add(self.dropped).saturating_add(self.lost) >= self.announced
    }

    fn shortfall(&self) -> Shortfall {
        let silent = usize::try_from(self.servers).unwrap_or(0) + usize::from(self.shards > 0);
        let servers = match self.others {
            Others::Counted { absent: Some(absent) } => {
                Some(silent.saturating_add(absent).saturating_add(self.lacking))
            }
            Others::Counted { absent: None } | Others::Awaited | Others::Unknown => None,
        };
        let ended = if self.is_complete() { Ended::Complete } else { Ended::Overdue };
        Shortfall { answers: self.announced.saturating_sub(self.answers.len()), servers, ended }
    }

    /// Takes room for answers of so many bytes; false if there is none.
    fn take(&mut self, bytes: usize) -> bool {
        let room = self.taken.take(bytes);
        if !room {
            self.dropped = self.dropped.saturating_add(1);
        }
        room
    }
}

impl<T: Send + 'static> Collection<T> {
    /// So many shards have a part in it.
    pub(crate) fn new(
        shared: &Shared,
        shards: usize,
        others: Others,
        finish: impl FnOnce(&Rc<Shard>, Vec<T>, Shortfall) + Send + 'static,
    ) -> Arc<Self> {
        Self::within(&shared.answer_budget, shards, others, Box::new(finish))
    }

    fn within(answer_budget: &Arc<AnswerBudget>, shards: usize, others: Others, finish: Finish<T>) -> Arc<Self> {
        let tally = Tally {
            answers: Vec::new(),
            taken: Taken::nothing_of(answer_budget),
            announced: 0,
            dropped: 0,
            lost: 0,
            shards,
            servers: 0,
            others,
            lacking: 0,
            request: None,
            wait: None,
            finish,
        };
        Arc::new(Self { tally: Mutex::new(Some(tally)) })
    }

    fn tally(&self) -> MutexGuard<'_, Option<Tally<T>>> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing more is noted.
    pub(super) fn is_over(&self) -> bool {
        self.tally().as_ref().is_none_or(Tally::is_complete)
    }

    /// Notes something, unless it is over. Says whether it is complete by that: then it is to be ended.
    fn note(&self, note: impl FnOnce(&mut Tally<T>)) -> bool {
        let mut tally = self.tally();
        let Some(tally) = tally.as_mut().filter(|tally| !tally.is_complete()) else { return false };
        note(tally);
        tally.is_complete()
    }

    /// Other servers are asked by the request of that id, which is forgotten when the collection ends.
    pub(crate) fn asks_by(&self, request: Box<str>) {
        self.note(|tally| tally.request = Some(request));
    }

    /// Has `shard` end it after so much time, if it has not ended before.
    pub(crate) fn end_in(self: &Arc<Self>, shard: &Shard, time: Duration) {
        let this = Arc::clone(self);
        self.note(|tally| tally.wait = Some(shard.wait(time, move |shard| this.end(shard))));
    }

    /// So many other servers are waited for, and so many are absent: see [`Others::Counted`]. Says whether it is
    /// complete by that.
    pub(crate) fn count_others(&self, servers: usize, absent: Option<usize>) -> bool {
        self.note(|tally| {
            tally.servers = tally.servers.saturating_add_unsigned(servers);
            tally.others = Others::Counted { absent };
        })
    }

    /// No other server is waited for, as they were not asked. Says whether it is complete by that.
    pub(crate) fn give_up_others(&self) -> bool {
        self.note(|tally| tally.others = Others::Unknown)
    }

    /// A shard's part: so many answers will come from its clients, and it has these itself, which are as good as sent
    /// and cost nothing. Says whether it is complete by that.
    pub(crate) fn shard_spoke(&self, announced: usize, answers: Vec<T>) -> bool {
        self.note(|tally| {
            tally.shards = tally.shards.saturating_sub(1);
            tally.announced = tally.announced.saturating_add(announced);
            tally.answers.extend(answers);
        })
    }

    /// Another server's part: so many answers will come from its clients, and it has these itself, which take so many
    /// bytes; they are kept if there is room. Says whether it is complete by that.
    pub(crate) fn server_spoke(&self, announced: usize, answers: Vec<T>, bytes: usize, extent: Extent) -> bool {
        self.note(|tally| {
            tally.servers = tally.servers.saturating_sub(1);
            tally.announced = tally.announced.saturating_add(announced);
            let kept = tally.take(bytes);
            if kept {
                tally.answers.extend(answers);
            }
            tally.lacking += usize::from(!kept || extent == Extent::Part);
        })
    }

    /// A client that was asked will not answer. Says whether it is complete by that.
    pub(super) fn lost(&self) -> bool {
        self.note(|tally| tally.lost = tally.lost.saturating_add(1))
    }

    /// Hands the answers over, unless that was done before.
    pub(crate) fn end(&self, shard: &Rc<Shard>) {
        let Some(tally) = self.tally().take() else { return };
        let shortfall = tally.shortfall();
        let Tally { answers, taken, dropped, request, wait, finish, .. } = tally;
        drop(taken);
        if let Some(wait) = wait {
            shard.wait_no_more(wait);
        }
        if let (Some(cluster), Some(request)) = (&shard.shared.cluster, request) {
            cluster.forget(&request);
        }
        if dropped > 0 {
            shard.core.borrow().metrics().hit(Limit::CollectedAnswers);
        }
        finish(shard, answers, shortfall);
    }
}

impl Collection<Arguments> {
    /// A client's answer came: it is kept if there is room. Says whether it is complete by that.
    pub(crate) fn client_answered(&self, answer: &Arguments) -> bool {
        let bytes = answer.attachments().iter().fold(COST + answer.json().len(), |sum, one| sum + COST + one.len());
        self.note(|tally| {
            if tally.take(bytes) {
                // It is a part of a message that may be much longer.
                tally.answers.push(answer.copied());
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use bytestring::ByteString;

    use super::*;

    type Acks = Arc<Collection<Arguments>>;

    fn collection<T: Send + 'static>(
        answer_budget: &Arc<AnswerBudget>,
        shards: usize,
        others: Others,
    ) -> Arc<Collection<T>> {
        Collection::within(answer_budget, shards, others, Box::new(|_, _, _| ()))
    }

    fn answer(json: &'static str) -> Arguments {
        Arguments::unnamed(json.into(), Box::default())
    }

    fn room_for(answers: usize) -> Arc<AnswerBudget> {
        AnswerBudget::new(answers * (COST + "[1]".len()))
    }

    impl<T> Collection<T> {
        fn shortfall(&self) -> Shortfall {
            self.tally.lock().unwrap().as_ref().unwrap().shortfall()
        }

        fn kept(&self) -> usize {
            self.tally.lock().unwrap().as_ref().unwrap().answers.len()
        }
    }

    #[test]
    fn a_collection_is_complete_with_the_last_answer_of_the_last_part() {
        let collection: Acks = collection(&room_for(9), 2, Others::NONE);
        assert!(!collection.shard_spoke(1, Vec::new()));
        assert!(!collection.client_answered(&answer("[1]")), "a shard has yet to ask");
        assert!(!collection.shard_spoke(1, Vec::new()));
        assert!(collection.client_answered(&answer("[1]")));
        assert!(collection.shortfall().is_none());
    }

    #[test]
    fn nobody_asked_is_complete_when_all_parts_have_said_so() {
        let collection: Acks = collection(&room_for(9), 1, Others::Awaited);
        assert!(!collection.shard_spoke(0, Vec::new()), "the others are not counted");
        assert!(!collection.count_others(1, Some(0)));
        assert!(collection.server_spoke(0, Vec::new(), 0, Extent::Whole));
        assert!(collection.shortfall().is_none());
    }

    #[test]
    fn other_servers_may_speak_before_they_are_counted() {
        let collection: Acks = collection(&room_for(9), 1, Others::Awaited);
        assert!(!collection.shard_spoke(1, Vec::new()));
        assert!(!collection.server_spoke(2, Vec::new(), 0, Extent::Whole));
        for _ in 0..3 {
            assert!(!collection.client_answered(&answer("[1]")));
        }
        assert!(collection.count_others(1, Some(0)));
    }

    #[test]
    fn servers_that_nobody_counted_make_up_for_no_shard() {
        let collection: Acks = collection(&room_for(9), 2, Others::Awaited);
        assert!(!collection.server_spoke(0, Vec::new(), 0, Extent::Whole));
        assert!(!collection.count_others(0, Some(0)));
        assert!(!collection.shard_spoke(0, Vec::new()));
        assert!(collection.shard_spoke(0, Vec::new()));
    }

    #[test]
    fn uncounted_others_leave_it_incomplete() {
        let collection: Acks = collection(&room_for(9), 1, Others::Awaited);
        assert!(!collection.shard_spoke(1, Vec::new()));
        assert!(!collection.client_answered(&answer("[1]")));
        assert_eq!(collection.shortfall(), Shortfall { answers: 0, servers: None, ended: Ended::Overdue });
    }

    #[test]
    fn others_that_were_not_asked_are_not_waited_for() {
        let collection = collection(&room_for(9), 1, Others::Awaited);
        assert!(!collection.give_up_others());
        assert!(collection.shard_spoke(0, vec!["own"]));
        assert_eq!(collection.shortfall(), Shortfall { answers: 0, servers: None, ended: Ended::Complete });
    }

    #[test]
    fn servers_that_are_absent_leave_it_incomplete_and_are_not_waited_for() {
        for absent in [Some(1), None] {
            let collection: Acks = collection(&room_for(9), 1, Others::Counted { absent });
            assert!(collection.shard_spoke(0, Vec::new()));
            assert_eq!(collection.shortfall(), Shortfall { answers: 0, servers: absent, ended: Ended::Complete });
            assert!(!collection.shortfall().is_none());
        }
    }

    #[test]
    fn servers_that_are_silent_absent_or_lack_something_add_up() {
        let collection = collection(&room_for(9), 1, Others::Awaited);
        assert!(!collection.count_others(3, Some(4)));
        assert!(!collection.server_spoke(0, vec!["all"], 1, Extent::Whole));
        assert!(!collection.server_spoke(0, vec!["some"], 1, Extent::Part));
        // One is silent, one gave a part, and four are absent; then there is this one, which has yet to speak.
        assert_eq!(collection.shortfall(), Shortfall { answers: 0, servers: Some(7), ended: Ended::Overdue });
        assert!(!collection.shard_spoke(0, vec!["own"]));
        assert!(collection.server_spoke(0, vec!["too long"], usize::MAX, Extent::Part));
        assert_eq!(collection.shortfall(), Shortfall { answers: 0, servers: Some(6), ended: Ended::Complete });
        assert_eq!(collection.kept(), 3);
    }

    #[test]
    fn counts_beyond_all_reason_neither_overflow_nor_complete() {
        let collection: Acks = collection(&room_for(9), 1, Others::NONE);
        assert!(!collection.shard_spoke(usize::MAX, Vec::new()));
        assert!(!collection.server_spoke(usize::MAX, Vec::new(), 0, Extent::Whole));
        assert!(!collection.client_answered(&answer("[1]")));
        assert_eq!(collection.shortfall().answers, usize::MAX - 1);
    }

    #[test]
    fn answers_without_end_take_no_more_than_the_bound() {
        let answer_budget = room_for(2);
        let one: Acks = collection(&answer_budget, 1, Others::Awaited);
        let other: Acks = collection(&answer_budget, 1, Others::NONE);
        for _ in 0..10_000 {
            assert!(!one.client_answered(&answer("[1]")));
        }
        assert_eq!(one.kept(), 2);
        assert_eq!(one.tally().as_ref().unwrap().dropped, 9_998);
        assert!(!other.shard_spoke(1, Vec::new()));
        assert!(other.client_answered(&answer("[1]")), "clients that have answered need not be waited for");
        assert_eq!(other.shortfall().answers, 1, "but the answer is missing");
        drop(one);
        assert!(Taken::nothing_of(&answer_budget).take(2 * (COST + "[1]".len())), "all is given back");
    }

    #[test]
    fn clients_that_cannot_answer_any_more_are_not_waited_for() {
        let collection: Acks = collection(&room_for(9), 1, Others::NONE);
        assert!(!collection.shard_spoke(2, Vec::new()));
        assert!(!collection.lost());
        assert!(collection.client_answered(&answer("[1]")));
        assert_eq!(collection.shortfall().answers, 1);
    }

    #[test]
    fn what_comes_when_it_is_complete_is_not_noted() {
        let collection: Acks = collection(&room_for(9), 1, Others::NONE);
        assert!(collection.shard_spoke(0, Vec::new()));
        assert!(collection.is_over());
        assert!(!collection.server_spoke(7, Vec::new(), 0, Extent::Part));
        assert!(!collection.client_answered(&answer("[1]")));
        assert_eq!(collection.kept(), 0);
        assert!(collection.shortfall().is_none());
    }

    #[test]
    fn an_answer_that_is_kept_keeps_nothing_else_of_its_message() {
        let collection: Acks = collection(&room_for(9), 1, Others::NONE);
        let message = Bytes::from(vec![b'1'; 1_000_000]);
        let json = ByteString::try_from(message.slice(..3)).unwrap();
        assert!(!collection.client_answered(&Arguments::unnamed(json, [message.slice(3..4)].into())));
        assert_eq!(collection.kept(), 1);
        assert!(message.is_unique());
    }
}
