//! Answers to a broadcast: collected from the clients of all shards and servers, or sent to the server that asked.

use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::cluster::message::Answer;
use crate::metrics::Limit;
use crate::shard::Shard;
use crate::shard::shared::answer_budget::AnswerBudget;
use crate::shard::store::waits::Wait;
use crate::socketio::Arguments;

/// What is called with the answers, and with how many receivers gave none, or `None` if every one has answered. Whoever was
/// too busy to ask its receivers in time leaves them uncounted.
type Finish = Box<dyn FnOnce(&Rc<Shard>, Vec<Arguments>, Option<usize>) + Send>;

/// What an answer, and each of its attachments, counts beside its bytes.
const COST: usize = 128;

/// The answers to one broadcast. It ends when every receiver has answered or cannot any more, or when its time is up.
pub(crate) struct Collection {
    answer_budget: Arc<AnswerBudget>,
    state: Mutex<State>,
}

struct State {
    answers: Vec<Arguments>,
    /// What they take of the answer budget.
    bytes: usize,
    /// Answers that there was no room for.
    dropped: usize,
    /// Receivers that have left, or were asked too much else.
    lost: usize,
    receivers: usize,
    /// Shards and other servers that have yet to say how many clients they have sent the broadcast to. Servers may say it
    /// before they are counted.
    parts: isize,
    others: Others,
    /// Whether some server did not send it to all its clients, or may not have.
    doubtful: bool,
    /// The id of the request by which other servers are asked, whose answers are listened for.
    request: Option<Box<str>>,
    /// What ends it when its time is up.
    wait: Option<Wait>,
    /// `None` when it has ended.
    finish: Option<Finish>,
}

/// The other servers of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Others {
    /// There are none, or they are among the parts.
    Counted,
    /// Nobody has said how many there are.
    Uncounted,
}

impl State {
    fn is_complete(&self) -> bool {
        self.parts == 0
            && self.others == Others::Counted
            && self.answers.len().saturating_add(self.dropped).saturating_add(self.lost) >= self.receivers
    }

    /// How many receivers gave no answer that was kept, or `None` if every one did.
    fn missing(&self) -> Option<usize> {
        let all = self.is_complete() && self.dropped == 0 && self.lost == 0 && !self.doubtful;
        (!all).then(|| self.receivers.saturating_sub(self.answers.len()))
    }
}

impl Collection {
    pub(crate) fn new(answer_budget: &Arc<AnswerBudget>, shards: usize, others: Others, finish: Finish) -> Arc<Self> {
        let parts = isize::try_from(shards).unwrap_or(isize::MAX);
        let state = State {
            answers: Vec::new(),
            bytes: 0,
            dropped: 0,
            lost: 0,
            receivers: 0,
            parts,
            others,
            doubtful: false,
            request: None,
            wait: None,
            finish: Some(finish),
        };
        Arc::new(Self { answer_budget: Arc::clone(answer_budget), state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        self.state().finish.is_none()
    }

    /// Other servers are asked by the request of that id, which is forgotten when the collection ends.
    pub(crate) fn asks_by(&self, request: Box<str>) {
        self.state().request = Some(request);
    }

    /// Has `shard` end the collection after so much time, if it has not ended before.
    pub(crate) fn end_in(self: &Arc<Self>, shard: &Shard, time: Duration) {
        let mut state = self.state();
        if state.finish.is_some() && !state.is_complete() {
            let this = Arc::clone(self);
            state.wait = Some(shard.wait(time, move |shard| this.end(shard)));
        }
    }

    /// The other servers have been counted. Says whether no answer is missing.
    pub(crate) fn expect_others(&self, servers: usize) -> bool {
        let mut state = self.state();
        state.parts = state.parts.saturating_add_unsigned(servers);
        state.others = Others::Counted;
        state.is_complete()
    }

    /// Some server has clients that did not get the broadcast, or may have: it is waited for what is known, and never complete.
    pub(crate) fn doubt(&self) {
        self.state().doubtful = true;
    }

    /// A shard or another server has sent the broadcast to so many clients. Says whether no answer is missing.
    pub(crate) fn asked(&self, receivers: usize) -> bool {
        let mut state = self.state();
        state.receivers = state.receivers.saturating_add(receivers);
        state.parts = state.parts.saturating_sub(1);
        state.is_complete()
    }

    /// An answer came: it is kept if there is room. Says whether it was the last.
    pub(crate) fn answered(&self, answer: Arguments) -> bool {
        let bytes = answer.attachments().iter().fold(COST + answer.json().len(), |sum, one| sum + COST + one.len());
        let mut state = self.state();
        if state.finish.is_some() {
            if self.answer_budget.take(bytes) {
                state.bytes += bytes;
                // It is a part of a message that may be much longer.
                state.answers.push(answer.copied());
            } else {
                state.dropped = state.dropped.saturating_add(1);
            }
        }
        state.is_complete()
    }

    /// A receiver that was asked will not answer. Says whether no answer is missing that may still come.
    fn lost(&self) -> bool {
        let mut state = self.state();
        state.lost = state.lost.saturating_add(1);
        state.is_complete()
    }

    /// Hands the answers over, unless that was done before.
    pub(crate) fn end(&self, shard: &Rc<Shard>) {
        let mut state = self.state();
        let Some(finish) = state.finish.take() else { return };
        let (missing, dropped) = (state.missing(), state.dropped);
        let answers = std::mem::take(&mut state.answers);
        self.answer_budget.give_back(std::mem::take(&mut state.bytes));
        let (wait, request) = (state.wait.take(), state.request.take());
        drop(state);
        if let Some(wait) = wait {
            shard.wait_no_more(wait);
        }
        if let (Some(cluster), Some(request)) = (&shard.shared.cluster, request) {
            cluster.forget(&request);
        }
        if dropped > 0 {
            shard.core.borrow().metrics().hit(Limit::CollectedAnswers);
        }
        finish(shard, answers, missing);
    }
}

impl Drop for Collection {
    fn drop(&mut self) {
        // What the server's end has kept from ending.
        let bytes = self.state().bytes;
        self.answer_budget.give_back(bytes);
    }
}

/// Answers to a broadcast of another server: each is sent there as it comes.
pub(crate) struct Relay {
    /// Shards that have not sent the broadcast to their clients yet, and how many clients got it.
    asked: Mutex<(usize, u64)>,
    send: Box<dyn Fn(Answer) + Send + Sync>,
}

impl Relay {
    pub(crate) fn new(shards: usize, send: Box<dyn Fn(Answer) + Send + Sync>) -> Arc<Self> {
        Arc::new(Self { asked: Mutex::new((shards, 0)), send })
    }

    fn asked(&self, receivers: usize) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.0 = asked.0.saturating_sub(1);
        asked.1 += receivers as u64;
        let (shards, receivers) = *asked;
        drop(asked);
        if shards == 0 {
            (self.send)(Answer::ClientCount(receivers));
        }
    }
}

/// The receiver of the answers to a broadcast.
#[derive(Clone)]
pub(crate) enum Asker {
    Collection(Arc<Collection>),
    Relay(Arc<Relay>),
}

impl Asker {
    pub(super) fn is_over(&self) -> bool {
        match self {
            Self::Collection(collection) => collection.is_over(),
            Self::Relay(_) => false,
        }
    }

    /// So many clients of a shard are asked. Gives the collection if it is complete by that.
    pub(super) fn asked(&self, receivers: usize) -> Option<Arc<Collection>> {
        match self {
            Self::Collection(collection) => collection.asked(receivers).then(|| Arc::clone(collection)),
            Self::Relay(relay) => {
                relay.asked(receivers);
                None
            }
        }
    }

    /// An answer came. Gives the collection if it is complete by that.
    pub(super) fn answered(self, answer: Arguments) -> Option<Arc<Collection>> {
        match self {
            Self::Collection(collection) => collection.answered(answer).then_some(collection),
            Self::Relay(relay) => {
                (relay.send)(Answer::Ack(answer));
                None
            }
        }
    }

    /// An answer will not come. Gives the collection if it is complete by that.
    pub(super) fn lost(self) -> Option<Arc<Collection>> {
        match self {
            Self::Collection(collection) => collection.lost().then_some(collection),
            Self::Relay(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use bytestring::ByteString;

    use super::*;

    fn collection(answer_budget: &Arc<AnswerBudget>, shards: usize, others: Others) -> Arc<Collection> {
        Collection::new(answer_budget, shards, others, Box::new(|_, _, _| ()))
    }

    fn answer(json: &'static str) -> Arguments {
        Arguments::unnamed(json.into(), Box::default())
    }

    fn room_for(answers: usize) -> Arc<AnswerBudget> {
        AnswerBudget::new(answers * (COST + "[1]".len()))
    }

    #[test]
    fn a_collection_is_complete_with_the_last_answer_of_the_last_part() {
        let collection = collection(&room_for(9), 2, Others::Counted);
        assert!(!collection.asked(1));
        assert!(!collection.answered(answer("[1]")), "a shard has yet to ask");
        assert!(!collection.asked(1));
        assert!(collection.answered(answer("[1]")));
        assert_eq!(collection.state().missing(), None);
    }

    #[test]
    fn nobody_asked_is_complete_when_all_parts_have_said_so() {
        let collection = collection(&room_for(9), 1, Others::Uncounted);
        assert!(!collection.asked(0), "the others are not counted");
        assert!(!collection.expect_others(1));
        assert!(collection.asked(0));
    }

    #[test]
    fn other_servers_may_speak_before_they_are_counted() {
        let collection = collection(&room_for(9), 1, Others::Uncounted);
        assert!(!collection.asked(1));
        assert!(!collection.asked(2));
        for _ in 0..3 {
            assert!(!collection.answered(answer("[1]")));
        }
        assert!(collection.expect_others(1));
    }

    #[test]
    fn uncounted_others_leave_it_incomplete() {
        let collection = collection(&room_for(9), 1, Others::Uncounted);
        assert!(!collection.asked(1));
        assert!(!collection.answered(answer("[1]")));
        assert_eq!(collection.state().missing(), Some(0));
    }

    #[test]
    fn doubt_leaves_it_incomplete_and_is_not_waited_for() {
        let collection = collection(&room_for(9), 1, Others::Counted);
        collection.doubt();
        assert!(collection.asked(0));
        assert_eq!(collection.state().missing(), Some(0));
    }

    #[test]
    fn counts_beyond_all_reason_neither_overflow_nor_complete() {
        let collection = collection(&room_for(9), 1, Others::Counted);
        assert!(!collection.asked(usize::MAX));
        assert!(!collection.asked(usize::MAX));
        assert!(!collection.answered(answer("[1]")));
        assert_eq!(collection.state().missing(), Some(usize::MAX - 1));
    }

    #[test]
    fn answers_without_end_take_no_more_than_the_bound() {
        let answer_budget = room_for(2);
        let one = collection(&answer_budget, 1, Others::Uncounted);
        let other = collection(&answer_budget, 1, Others::Counted);
        for _ in 0..10_000 {
            assert!(!one.answered(answer("[1]")));
        }
        assert_eq!(one.state().answers.len(), 2);
        assert_eq!(one.state().dropped, 9_998);
        assert!(!other.asked(1));
        assert!(other.answered(answer("[1]")), "who has answered need not be waited for");
        assert_eq!(other.state().missing(), Some(1), "but the answer is missing");
        drop(one);
        assert!(answer_budget.take(2 * (COST + "[1]".len())), "all is given back");
    }

    #[test]
    fn nobody_is_waited_for_who_cannot_answer_any_more() {
        let collection = collection(&room_for(9), 1, Others::Counted);
        let asker = Asker::Collection(Arc::clone(&collection));
        assert!(!collection.asked(2));
        assert!(asker.clone().lost().is_none());
        assert!(asker.answered(answer("[1]")).is_some());
        assert_eq!(collection.state().missing(), Some(1));
    }

    #[test]
    fn an_answer_that_is_kept_keeps_nothing_else_of_its_message() {
        let collection = collection(&room_for(9), 1, Others::Counted);
        let message = Bytes::from(vec![b'1'; 1_000_000]);
        let json = ByteString::try_from(message.slice(..3)).unwrap();
        assert!(!collection.answered(Arguments::unnamed(json, [message.slice(3..4)].into())));
        assert_eq!(collection.state().answers.len(), 1);
        assert!(message.is_unique());
    }

    #[test]
    fn a_relay_tells_the_count_once_when_all_shards_have_asked() {
        let told = Arc::<Mutex<Vec<Answer>>>::default();
        let teller = Arc::clone(&told);
        let relay = Relay::new(2, Box::new(move |answer| teller.lock().unwrap().push(answer)));
        let asker = Asker::Relay(relay);
        assert!(asker.asked(2).is_none());
        assert!(told.lock().unwrap().is_empty());
        assert!(asker.asked(1).is_none());
        assert!(matches!(told.lock().unwrap()[..], [Answer::ClientCount(3)]));
        assert!(asker.answered(answer("[1]")).is_none());
        assert!(matches!(&told.lock().unwrap()[..], [_, Answer::Ack(told)] if told.json() == "[1]"));
    }
}
