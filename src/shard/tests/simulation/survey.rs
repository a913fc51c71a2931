//! A question to the whole cluster: who is here? An answer that calls itself complete names everybody who was here all the time,
//! and no answer names anybody who was not here at all.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::application::{Guestbook, Outcome};
use crate::app::{Event, Handle, MissingServers, RemoteSocket, Socket};
use crate::clock;

/// How long an answer may take: as long as the servers wait for each other, and a little.
const PATIENCE: Duration = Duration::from_secs(8);

/// Questions under way.
#[derive(Debug, Default)]
pub(super) struct Survey {
    asked: u64,
    answered: u64,
}

impl Survey {
    pub(super) const fn is_done(&self) -> bool {
        self.asked == self.answered
    }
}

type Answer = Result<Vec<RemoteSocket>, MissingServers<Vec<RemoteSocket>>>;

/// A client asks; its words come back with the answer. `is_certain`: whether a complete answer must be right although Redis is
/// in trouble, because the servers have counted each other before.
pub(super) fn ask(guestbook: &Guestbook, socket: &Socket, event: &Event, may_miss: bool) -> Outcome {
    let (ack, words) = (event.take_ack().ok_or("a question without an id")?, event.arguments().clone());
    let is_certain = !may_miss || socket.namespace() == "/";
    ask_of(guestbook, &socket.server(), socket.namespace(), is_certain, move || {
        // The client may have left.
        let _ = ack.send(words);
    });
    Ok(())
}

/// A server asks. `then` is called with the answer.
pub(super) fn ask_of(
    guestbook: &Guestbook,
    server: &Handle,
    namespace: &str,
    is_certain: bool,
    then: impl FnOnce() + Send + 'static,
) {
    let (guestbook, namespace, asked) = (guestbook.clone(), namespace.to_owned(), clock::now());
    let before = present(&guestbook, &namespace);
    guestbook.entries().survey.asked += 1;
    server.of(&namespace.clone()).fetch_sockets(move |answer| {
        let complaint = complaint(&guestbook, &namespace, &before, asked, &answer, is_certain);
        let mut entries = guestbook.entries();
        entries.survey.answered += 1;
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
    is_certain: bool,
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
    (is_complete && is_certain && !missing.is_empty()).then(|| format!("a complete answer lacks {missing:?}: {tags:?}"))
}

fn tag(socket: &RemoteSocket) -> Option<u64> {
    socket.auth::<Value>()?["tag"].as_u64()
}
