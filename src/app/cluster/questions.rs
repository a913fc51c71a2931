//! What is asked of all servers: this one's part, the others' answers, and what to make of both when all are there or the
//! time is up.

use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::super::everywhere::gather;
use super::super::handlers::guard;
use super::super::subject::Subject;
use super::on_any_shard;
use crate::cluster::{Answer, Operation, Wants};
use crate::log_line::no_random_numbers;
use crate::metrics::Limit;
use crate::shard::{Collection, Shard, Shared};

/// Some servers of the cluster did not answer in time ([`Limits::requests_timeout`](crate::Limits::requests_timeout)), or
/// Redis could not be asked how many there are: what the others answered, this one among them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", complaint(*missing))]
pub struct MissingServers<T> {
    /// The answers that came in time.
    pub answers: T,
    /// How many servers are missing. `None` if nobody knows, and so none was asked: Redis is away, forbids `PUBSUB`
    /// to this server's user, or did not answer in time.
    pub missing: Option<usize>,
}

impl<T> MissingServers<T> {
    /// The answers as they are if no server is missing.
    pub(in crate::app) fn check(answers: T, missing: Option<usize>) -> Result<T, Self> {
        if missing == Some(0) { Ok(answers) } else { Err(Self { answers, missing }) }
    }
}

fn complaint(missing: Option<usize>) -> String {
    match missing {
        Some(missing) => format!("{missing} server(s) of the cluster did not answer in time"),
        None => "the other servers of the cluster were not asked, as Redis does not say how many there are".to_owned(),
    }
}

/// What the other servers are asked.
pub(in crate::app) struct Question<T> {
    /// The request, given its id.
    pub(in crate::app) request: Box<dyn FnOnce(Box<str>) -> Operation + Send>,
    /// What an answer says. `None` if it is no answer to this.
    pub(in crate::app) read: fn(Answer) -> Option<Vec<T>>,
}

/// Gathers what the shards have, and if there is a question, what the other servers answer to it. `finish` is called on one of
/// the server's threads, with everything and with how many servers are missing, if that is known. `carried`: bytes that `ask`
/// holds beside itself.
pub(in crate::app) fn gather_all<T: Send + 'static>(
    shared: &Arc<Shared>,
    namespace: &str,
    carried: usize,
    ask: impl Fn(&Rc<Shard>) -> Vec<T> + Send + Sync + 'static,
    question: Option<Question<T>>,
    finish: impl FnOnce(Vec<T>, Option<usize>) + Send + 'static,
) {
    let own = |parts: Vec<Vec<T>>| parts.into_iter().flatten().collect();
    let Some(question) = question.filter(|_| shared.cluster.is_some()) else {
        return gather(shared, carried, ask, move |parts| finish(own(parts), Some(0)));
    };
    let gathering = Gathering::new(shared, Box::new(finish));
    let of_shards = Arc::clone(&gathering);
    gather(shared, carried, ask, move |parts| of_shards.part(own(parts)));
    gathering.ask_others(namespace, question);
}

type Finish<T> = Box<dyn FnOnce(Vec<T>, Option<usize>) + Send>;

/// Answers of several servers.
struct Gathering<T> {
    shared: Arc<Shared>,
    state: Mutex<State<T>>,
}

struct State<T> {
    gathered: Vec<T>,
    /// Bytes of the hoard that the others' parts take.
    bytes: usize,
    /// Parts that are missing: this server's, the count of the others, and theirs.
    missing: usize,
    /// Those of them that have come when there was no room for them.
    dropped: usize,
    /// Whether the others could be counted.
    counted: bool,
    /// `None` when it is over.
    finish: Option<Finish<T>>,
}

impl<T: Send + 'static> Gathering<T> {
    fn new(shared: &Arc<Shared>, finish: Finish<T>) -> Arc<Self> {
        let state =
            State { gathered: Vec::new(), bytes: 0, missing: 2, dropped: 0, counted: true, finish: Some(finish) };
        Arc::new(Self { shared: Arc::clone(shared), state: Mutex::new(state) })
    }

    /// Counts the others, and asks them if there are any.
    fn ask_others(self: &Arc<Self>, namespace: &str, question: Question<T>) {
        let Some(cluster) = &self.shared.cluster else { return };
        let timeout = self.shared.config.limits.requests_timeout;
        let (this, namespace) = (Arc::clone(self), namespace.to_owned());
        let name = namespace.clone();
        cluster.count_others(&namespace, timeout, move |servers| match servers {
            Ok(0) => this.part(Vec::new()),
            Ok(servers) => this.ask(&name, servers, question, timeout),
            Err(_) => {
                // This server's part is all there is.
                this.state().counted = false;
                this.part(Vec::new());
            }
        });
    }

    /// Asks so many others.
    fn ask(self: &Arc<Self>, namespace: &str, servers: usize, question: Question<T>, timeout: Duration) {
        let Some(cluster) = &self.shared.cluster else { return };
        let mut state = self.state();
        state.missing = state.missing.saturating_add(servers);
        drop(state);
        let this = Arc::clone(self);
        let read = question.read;
        let listener = move |answer, bytes| {
            if let Some(part) = read(answer) {
                this.part_of_another(part, bytes);
            }
            if this.state().finish.is_some() { Wants::More } else { Wants::NoMore }
        };
        match cluster.listen(Arc::new(listener)) {
            Ok(id) => {
                self.end_after(timeout, id.clone());
                cluster.request(namespace, (question.request)(id));
            }
            Err(error) => {
                no_random_numbers(&error);
                self.end();
            }
        }
        // The count itself.
        self.part(Vec::new());
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A part of another server has come, which takes so many bytes. One that there is no room for is missing.
    fn part_of_another(&self, part: Vec<T>, bytes: usize) {
        let mut state = self.state();
        if state.finish.is_none() {
            return;
        }
        if self.shared.hoard.take(bytes) {
            state.bytes += bytes;
            drop(state);
            self.part(part);
        } else {
            state.dropped += 1;
            self.end_if_complete(state);
        }
    }

    /// A part has come.
    fn part(&self, part: Vec<T>) {
        let mut state = self.state();
        if state.finish.is_none() {
            return;
        }
        state.gathered.extend(part);
        state.missing = state.missing.saturating_sub(1);
        self.end_if_complete(state);
    }

    fn end_if_complete(&self, state: MutexGuard<'_, State<T>>) {
        let complete = state.missing == state.dropped;
        drop(state);
        if complete {
            self.end();
        }
    }

    /// Hands over what is there, unless that was done before.
    fn end(&self) {
        let mut state = self.state();
        let Some(finish) = state.finish.take() else { return };
        let (gathered, missing, dropped) = (std::mem::take(&mut state.gathered), state.missing, state.dropped);
        let known = state.counted.then_some(missing);
        let bytes = std::mem::take(&mut state.bytes);
        self.shared.hoard.give_back(bytes);
        drop(state);
        if missing > dropped
            && let Some(cluster) = &self.shared.cluster
        {
            cluster.counters.timeouts.one();
        }
        on_any_shard(&self.shared, bytes, move |shard| {
            if dropped > 0 {
                shard.core.borrow().metrics.hit(Limit::CollectedAnswers);
            }
            guard(shard, Subject::Nobody, "what was asked of all servers", || {
                finish(gathered, known);
                None
            });
        });
    }

    fn end_after(self: &Arc<Self>, timeout: Duration, request_id: Box<str>) {
        let this = Arc::clone(self);
        on_any_shard(&self.shared, 0, move |shard| {
            let mut core = shard.core.borrow_mut();
            let deadline = core.now + timeout;
            core.arm_alarm(deadline, move |_| {
                if let Some(cluster) = &this.shared.cluster {
                    cluster.forget(&request_id);
                }
                this.end();
            });
        });
    }
}

impl<T> Drop for Gathering<T> {
    fn drop(&mut self) {
        // What the server's end has kept from ending.
        let bytes = self.state.get_mut().unwrap_or_else(PoisonError::into_inner).bytes;
        self.shared.hoard.give_back(bytes);
    }
}

/// Has the answers of the other servers' clients collected with those of this one's: gives the id of the request. Whoever
/// calls this publishes the request, and forgets it when the time is up.
pub(in crate::app) fn listen_for_acks(
    shared: &Arc<Shared>,
    namespace: &str,
    timeout: Duration,
    collection: &Arc<Collection>,
) -> Option<Box<str>> {
    let cluster = shared.cluster.as_ref()?;
    let (server, of_listener) = (Arc::clone(shared), Arc::clone(collection));
    let listener = move |answer, _| {
        let complete = match answer {
            Answer::ClientCount(clients) => of_listener.asked(usize::try_from(clients).unwrap_or(usize::MAX)),
            Answer::Ack(arguments) => of_listener.answered(arguments),
            _ => false,
        };
        if !complete {
            return Wants::More;
        }
        end(&server, &of_listener);
        Wants::NoMore
    };
    let id = cluster.listen(Arc::new(listener));
    let id = id.inspect_err(no_random_numbers).ok();
    if id.is_none() && collection.expect_others(0) {
        end(shared, collection);
        return None;
    }
    let (server, of_count) = (Arc::clone(shared), Arc::clone(collection));
    cluster.count_others(namespace, timeout, move |servers| {
        // Others that cannot be counted now may hear of it yet: then the time ends it.
        if servers.is_ok_and(|servers| of_count.expect_others(servers)) {
            end(&server, &of_count);
        }
    });
    id
}

fn end(shared: &Arc<Shared>, collection: &Arc<Collection>) {
    let collection = Arc::clone(collection);
    // What it has collected is counted by the hoard until then.
    on_any_shard(shared, 0, move |shard| collection.end(shard));
}
