//! A question to the whole cluster: who is here? An answer that calls itself complete names everybody who was here all the time,
//! and no answer names anybody who was not here at all.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::application::{Guestbook, Outcome, Visit};
use super::credentials::Credentials;
use crate::app::{Event, Handle, MissingServers, RemoteSocket, Socket};
use crate::clock;

/// How long an answer may take: as long as the servers wait for each other, and a little.
const PATIENCE: Duration = Duration::from_secs(8);

/// Who is gone for an answer may be gone for the program so much later: another shard tells it.
const MOMENT: Duration = Duration::from_millis(100);

/// A server that begins to have a namespace is asked and counted from so much earlier on, or later, than its first socket comes.
const BEGINNING: Duration = Duration::from_secs(5);

/// Somebody who seemed to be there and was in no complete answer.
#[derive(Debug, Clone)]
pub(super) struct Absent {
    tag: u64,
    namespace: String,
    asked: Instant,
    answered: Instant,
}

impl Absent {
    /// Whether that was right: it went at that moment, or another server may have answered in place of its own, which begins to
    /// have the namespace and was not counted yet. The format of the answers does not tell whose they are.
    fn is_explained(&self, visits: &BTreeMap<u64, Visit>) -> bool {
        let gone = visits.get(&self.tag).and_then(|visit| visit.gone);
        let about_then = self.asked - BEGINNING..=self.answered + BEGINNING;
        let begins = |visit: &Visit| visit.namespace == self.namespace && about_then.contains(&visit.since);
        gone.is_some_and(|gone| gone <= self.answered + MOMENT) || visits.values().any(begins)
    }
}

/// What was asked.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// How many questions of each server are under way, by its number.
    open: BTreeMap<u8, u64>,
    absent: Vec<Absent>,
}

impl Survey {
    pub(super) fn is_done(&self) -> bool {
        self.open.values().all(|questions| *questions == 0)
    }

    /// A server has ended: nobody waits for its answers.
    pub(super) fn forget(&mut self, server: u8) {
        self.open.remove(&server);
    }

    fn asks(&mut self, server: u8) {
        *self.open.entry(server).or_default() += 1;
    }

    fn has_answer(&mut self, server: u8) {
        if let Some(questions) = self.open.get_mut(&server) {
            *questions -= 1;
        }
    }

    /// Somebody whose absence from an answer nothing explains.
    pub(super) fn overlooked(&self, visits: &BTreeMap<u64, Visit>) -> Option<u64> {
        self.absent.iter().find(|absent| !absent.is_explained(visits)).map(|absent| absent.tag)
    }
}

/// A server that asks: its handle and its number.
pub(super) type Asker<'a> = (&'a Handle, u8);

/// What is sure of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sure {
    /// Nothing: Redis is in trouble, and the servers have not counted each other before.
    Nothing,
    /// If it calls itself complete, it is.
    Right,
    /// It is complete.
    Complete,
}

type Answer = Result<Vec<RemoteSocket>, MissingServers<Vec<RemoteSocket>>>;

/// A client asks; its words come back with the answer.
pub(super) fn ask(guestbook: &Guestbook, server: u8, socket: &Socket, event: &Event, sure: Sure) -> Outcome {
    let (ack, words) = (event.take_ack().ok_or("a question without an id")?, event.arguments().clone());
    ask_of(guestbook, (&socket.server(), server), socket.namespace(), sure, move || {
        // The client may have left.
        let _ = ack.send(words);
    });
    Ok(())
}

/// A server asks. `then` is called with the answer.
pub(super) fn ask_of(
    guestbook: &Guestbook,
    (handle, server): Asker<'_>,
    namespace: &str,
    sure: Sure,
    then: impl FnOnce() + Send + 'static,
) {
    let (guestbook, namespace, asked) = (guestbook.clone(), namespace.to_owned(), clock::now());
    let before = present(&guestbook, &namespace);
    guestbook.entries().survey.asks(server);
    handle.of(&namespace.clone()).fetch_sockets(move |answer| {
        let complaint = complaint(asked, &answer, sure);
        let absent = absent(&guestbook, &namespace, &before, &answer, sure);
        let mut entries = guestbook.entries();
        entries.survey.has_answer(server);
        let (namespace, answered) = (&namespace, clock::now());
        let absent = absent.into_iter().map(|tag| Absent { tag, namespace: namespace.clone(), asked, answered });
        entries.survey.absent.extend(absent);
        entries.complaints.extend(complaint);
        drop(entries);
        then();
    });
}

/// The tags of those who are in a namespace, on any server.
fn present(guestbook: &Guestbook, namespace: &str) -> BTreeSet<u64> {
    let entries = guestbook.entries();
    let here = entries.visits.iter().filter(|(_, visit)| visit.namespace == namespace && visit.went.is_empty());
    here.map(|(tag, _)| *tag).collect()
}

/// What is wrong with an answer, whoever is in it.
fn complaint(asked: Instant, answer: &Answer, sure: Sure) -> Option<String> {
    let found = found(answer);
    let tags: BTreeSet<u64> = found.iter().filter_map(tag).collect();
    let took = clock::now() - asked;
    if tags.len() != found.len() {
        return Some(format!("an answer names somebody twice: {tags:?}, {} in all", found.len()));
    }
    if took > PATIENCE {
        return Some(format!("an answer took {took:?}"));
    }
    let partial = answer.as_ref().err().filter(|_| sure == Sure::Complete)?;
    Some(format!("an answer is not complete: {:?}", partial.missing))
}

/// Those who were here `before` and are here now, and are not in an answer that calls itself complete.
fn absent(
    guestbook: &Guestbook,
    namespace: &str,
    before: &BTreeSet<u64>,
    answer: &Answer,
    sure: Sure,
) -> BTreeSet<u64> {
    if answer.is_err() || sure == Sure::Nothing {
        return BTreeSet::new();
    }
    let tags: BTreeSet<u64> = found(answer).iter().filter_map(tag).collect();
    let stayed: BTreeSet<u64> = before.intersection(&present(guestbook, namespace)).copied().collect();
    stayed.difference(&tags).copied().collect()
}

fn found(answer: &Answer) -> &[RemoteSocket] {
    answer.as_ref().unwrap_or_else(|partial| &partial.answers)
}

fn tag(socket: &RemoteSocket) -> Option<u64> {
    Credentials::of(socket.auth::<Value>().as_ref(), Some(socket.handshake())).map(|it| it.tag)
}
