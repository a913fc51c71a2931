//! A question to the whole cluster: who is here? An answer that calls itself complete names everybody who was here all the time,
//! and no answer names anybody who was not here at all.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::application::{Guestbook, Outcome};
use super::credentials::Credentials;
use crate::app::{Event, Handle, MissingServers, RemoteSocket, Socket};
use crate::clock;

/// How long an answer may take: as long as the servers wait for each other, and a little.
const PATIENCE: Duration = Duration::from_secs(8);

/// How many questions of each server are under way, by its number.
#[derive(Debug, Default)]
pub(super) struct Survey(BTreeMap<u8, u64>);

impl Survey {
    pub(super) fn is_done(&self) -> bool {
        self.0.values().all(|questions| *questions == 0)
    }

    /// A server has ended: nobody waits for its answers.
    pub(super) fn forget(&mut self, server: u8) {
        self.0.remove(&server);
    }

    fn asks(&mut self, server: u8) {
        *self.0.entry(server).or_default() += 1;
    }

    fn has_answer(&mut self, server: u8) {
        if let Some(questions) = self.0.get_mut(&server) {
            *questions -= 1;
        }
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
        let complaint = complaint(&guestbook, &namespace, &before, asked, &answer, sure);
        let mut entries = guestbook.entries();
        entries.survey.has_answer(server);
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

/// What is wrong with an answer.
fn complaint(
    guestbook: &Guestbook,
    namespace: &str,
    before: &BTreeSet<u64>,
    asked: Instant,
    answer: &Answer,
    sure: Sure,
) -> Option<String> {
    let (found, is_complete) = match answer {
        Ok(found) => (found, true),
        Err(partial) => (&partial.answers, false),
    };
    let tags: BTreeSet<u64> = found.iter().filter_map(tag).collect();
    let stayed: BTreeSet<u64> = before.intersection(&present(guestbook, namespace)).copied().collect();
    let missing: Vec<_> = stayed.difference(&tags).collect();
    let took = clock::now() - asked;
    if tags.len() != found.len() {
        return Some(format!("an answer names somebody twice: {tags:?}, {} in all", found.len()));
    }
    if took > PATIENCE {
        return Some(format!("an answer took {took:?}"));
    }
    if sure == Sure::Complete && !is_complete {
        return Some(format!("an answer is not complete: {:?}", answer.as_ref().err().map(|partial| partial.missing)));
    }
    (is_complete && sure != Sure::Nothing && !missing.is_empty())
        .then(|| format!("a complete answer lacks {missing:?}: {tags:?}"))
}

fn tag(socket: &RemoteSocket) -> Option<u64> {
    Credentials::of(socket.auth::<Value>().as_ref(), Some(socket.handshake())).map(|it| it.tag)
}
