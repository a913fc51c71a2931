//! Questions to all servers: this one's part, the others' answers, and the result when all are there or the time is up.

use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::app::base::{Subject, gather, guard, on_any_shard};
use crate::cluster::message::{Answer, Ask, Extent};
use crate::cluster::redis::{Connection, Standing, Uncounted};
use crate::cluster::{Asking, Census, Wants};
use crate::log_line::no_random_numbers;
use crate::metrics::Limit;
use crate::shard::{Shard, Shared, Wait};

/// What the other servers are asked.
pub(in crate::app) struct Question<T> {
    pub(in crate::app) ask: Ask,
    /// What an answer says. `None` if it is no answer to this.
    pub(in crate::app) read: fn(Answer, Extent) -> Option<Vec<T>>,
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
    gather(shared, carried, ask, move |parts| of_shards.own_part(own(parts)));
    gathering.ask_others(namespace, question);
}

type Finish<T> = Box<dyn FnOnce(Vec<T>, Option<usize>) + Send>;

/// Answers of several servers.
struct Gathering<T> {
    shared: Arc<Shared>,
    /// The question, once it is listened for answers.
    asking: OnceLock<Asking>,
    gathered: Mutex<Gathered<T>>,
}

/// What has come, and what is waited for.
struct Gathered<T> {
    parts: Vec<T>,
    /// Bytes of the answer budget that the others' parts take.
    bytes: usize,
    own: Own,
    others: OtherServers,
    /// Other servers that were not asked, as they may be on their way back to Redis; `None` if nobody knows.
    absent: Option<usize>,
    /// Other servers that have answered. They may do so before they are counted.
    answered: usize,
    /// Other servers that have not given all that they have, and are not waited for.
    lacking: usize,
    /// Those of them whose parts there was no room for.
    dropped: usize,
    /// What ends it when its time is up.
    wait: Option<Wait>,
    /// `None` when it is over.
    finish: Option<Finish<T>>,
}

/// This server's own part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Own {
    Awaited,
    Here,
}

/// The other servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OtherServers {
    /// They are being counted.
    Awaited,
    Counted(usize),
    /// They cannot be counted, or not heard.
    Unknown,
}

impl<T> Gathered<T> {
    /// Whether nothing more is waited for.
    fn is_complete(&self) -> bool {
        self.own == Own::Here
            && match self.others {
                OtherServers::Awaited => false,
                OtherServers::Counted(others) => self.answered >= others,
                OtherServers::Unknown => true,
            }
    }

    /// How many servers are missing, if that is known.
    fn missing(&self) -> Option<usize> {
        let (OtherServers::Counted(others), Some(absent)) = (self.others, self.absent) else { return None };
        Some(others.saturating_sub(self.answered) + absent + self.lacking + usize::from(self.own == Own::Awaited))
    }
}

impl<T: Send + 'static> Gathering<T> {
    fn new(shared: &Arc<Shared>, finish: Finish<T>) -> Arc<Self> {
        let gathered = Gathered {
            parts: Vec::new(),
            bytes: 0,
            own: Own::Awaited,
            others: OtherServers::Awaited,
            absent: Some(0),
            answered: 0,
            lacking: 0,
            dropped: 0,
            wait: None,
            finish: Some(finish),
        };
        Arc::new(Self { shared: Arc::clone(shared), asking: OnceLock::new(), gathered: Mutex::new(gathered) })
    }

    /// Asks the others, as soon as this server can hear what they answer.
    fn ask_others(self: &Arc<Self>, namespace: &str, question: Question<T>) {
        let Some(cluster) = &self.shared.cluster else { return };
        let (this, read) = (Arc::clone(self), question.read);
        let listener = move |answer, extent, bytes| {
            if let Some(part) = read(answer, extent) {
                this.part_of_another(part, extent, bytes);
            }
            if this.gathered().finish.is_some() { Wants::More } else { Wants::NoMore }
        };
        match cluster.listen(namespace, Arc::new(listener)) {
            Ok(asking) => {
                let asking = self.asking.get_or_init(|| asking);
                self.end_in_time();
                let this = Arc::clone(self);
                cluster.when_in_effect(&asking.place, Box::new(move |standing| this.heard(standing, question)));
            }
            Err(error) => {
                no_random_numbers(&error);
                self.counted(None);
            }
        }
    }

    /// The answers can be heard, or not.
    fn heard(self: &Arc<Self>, standing: Standing, question: Question<T>) {
        match standing {
            Standing::InEffect(connection) => self.ask(connection, question),
            Standing::Pending | Standing::Away => self.counted(None),
        }
    }

    fn ask(self: &Arc<Self>, connection: Connection, question: Question<T>) {
        let (Some(cluster), Some(asking)) = (&self.shared.cluster, self.asking.get()) else { return };
        let this = Arc::clone(self);
        let receive = move |census| this.counted(census);
        let timeout = self.shared.config.limits.requests_timeout;
        cluster.ask(asking, question.ask, Uncounted::Dropped, Some(connection), timeout, receive);
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered<T>> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of the others; `None` if nothing is.
    fn counted(&self, census: Option<Census>) {
        self.change(|gathered| match census {
            Some(Census { others, absent }) => {
                gathered.others = OtherServers::Counted(others);
                gathered.absent = absent;
            }
            None => gathered.others = OtherServers::Unknown,
        });
    }

    fn own_part(&self, part: Vec<T>) {
        self.change(|gathered| {
            gathered.parts.extend(part);
            gathered.own = Own::Here;
        });
    }

    /// A part of another server has come, which takes so many bytes. One that there is no room for is missing.
    fn part_of_another(&self, part: Vec<T>, extent: Extent, bytes: usize) {
        self.change(|gathered| {
            gathered.answered += 1;
            if self.shared.answer_budget.take(bytes) {
                gathered.bytes += bytes;
                gathered.lacking += usize::from(extent == Extent::Part);
                gathered.parts.extend(part);
            } else {
                gathered.dropped += 1;
                gathered.lacking += 1;
            }
        });
    }

    /// Notes what has come, and ends when that was the last. When it is over, nothing is noted.
    fn change(&self, change: impl FnOnce(&mut Gathered<T>)) {
        let mut gathered = self.gathered();
        if gathered.finish.is_none() {
            return;
        }
        change(&mut gathered);
        let complete = gathered.is_complete();
        drop(gathered);
        if complete {
            self.end();
        }
    }

    /// Hands over what is there, unless that was done before.
    fn end(&self) {
        let mut gathered = self.gathered();
        let Some(finish) = gathered.finish.take() else { return };
        let (parts, missing, dropped) = (std::mem::take(&mut gathered.parts), gathered.missing(), gathered.dropped);
        let in_time = gathered.is_complete();
        let bytes = std::mem::take(&mut gathered.bytes);
        let wait = gathered.wait.take();
        self.shared.answer_budget.give_back(bytes);
        drop(gathered);
        if let (Some(cluster), Some(asking)) = (&self.shared.cluster, self.asking.get()) {
            cluster.forget(&asking.id);
            if !in_time {
                cluster.counters.timeouts.one();
            }
        }
        on_any_shard(&self.shared, bytes, move |shard| {
            if let Some(wait) = wait {
                shard.wait_no_more(wait);
            }
            if dropped > 0 {
                shard.with(|core| core.metrics().hit(Limit::CollectedAnswers));
            }
            guard(shard, Subject::Nobody, "what was asked of all servers", || {
                finish(parts, missing);
                None
            });
        });
    }

    fn end_in_time(self: &Arc<Self>) {
        let this = Arc::clone(self);
        on_any_shard(&self.shared, 0, move |shard| {
            let mut gathered = this.gathered();
            if gathered.finish.is_some() {
                let timeout = shard.shared.config.limits.requests_timeout;
                let of_wait = Arc::clone(&this);
                gathered.wait = Some(shard.wait(timeout, move |_| of_wait.end()));
            }
        });
    }
}

impl<T> Drop for Gathering<T> {
    fn drop(&mut self) {
        // What the server's end has kept from ending.
        let bytes = self.gathered.get_mut().unwrap_or_else(PoisonError::into_inner).bytes;
        self.shared.answer_budget.give_back(bytes);
    }
}
