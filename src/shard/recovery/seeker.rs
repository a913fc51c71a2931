//! A client claims a socket that this server does not have: the seeker's part.
//!
//! All other servers are asked. The answer of the holder is a letter that comes behind the events before it; so is the
//! question itself, which comes back from Redis and marks where it stood among them. Nothing waits meanwhile but the
//! client's CONNECT.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;

use crate::cluster::Hearing;
use crate::cluster::peers::Body;
use crate::cluster::peers::message::recovery::{HandOver, Recover, Recovery, Taken, Ticket};
use crate::cluster::peers::record::Record;
use crate::engineio::Sid;
use crate::metrics::RecoveryOutcome;
use crate::shard::Shard;
use crate::shard::recovery::Recovering;
use crate::shard::recovery::holder::form;
use crate::shard::recovery::inquiry::Asked;
use crate::shard::recovery::way_back::{Abroad, CatchingUp, Claim, Giver, Way, peers};
use crate::shard::shared::end_later;
use crate::shard::shared::mailbox::Letter;
use crate::shard::shared::recovery::{ELSEWHERE, Lost, Mark, RecoveryLogs, Restoration, Sought};
use crate::shard::store::keys::{NamespaceKey, SocketRef};

/// How long others may take to answer, and how long Redis may take afterwards to say whether there is a record.
const ANSWER: Duration = Duration::from_millis(500);

/// How long this server may take to come as far as the holder was.
const CATCH_UP: Duration = Duration::from_secs(2);

/// A question to all other servers.
#[derive(Debug)]
pub(super) struct Search {
    number: u64,
    socket: SocketRef,
    claim: Claim,
    /// Where it was sent, and where it came back.
    sent: Mark,
    echo: Option<Mark>,
    /// The connection to Redis by which the namespace is heard.
    connection: u64,
    /// Answers of holders that doubt that they are, and those that came before the question came back.
    answers: Vec<(Giver, HandOver)>,
    stage: Stage,
    /// How often Redis was asked for a record and has yet to reply.
    looks: u32,
    record: Option<Box<Record>>,
}

/// How far a question is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Other servers may answer.
    Asked,
    /// There are no others: only a record can help.
    Alone,
    /// The time to answer is up. What Redis says of a record ends the question, or an alarm.
    Late,
}

impl Shard {
    /// Asks all other servers for the socket that a client claims.
    pub(super) fn seek(self: &Rc<Self>, recovery: &RecoveryLogs, socket: SocketRef, claim: Claim) {
        let question = self.core.borrow_mut().begin_search(recovery, socket, claim);
        let recover = match question {
            Ok(recover) => recover,
            Err(outcome) => return self.connect_asked(recovery, socket, Asked::NoServer(outcome)),
        };
        let (index, number) = (self.index(), recover.seeker.number);
        self.core.borrow_mut().alarm_in(ANSWER, move |shard| shard.answer_is_late(number));
        self.look_for_record(number, claim.pid);
        let Some(peers) = peers(&self.shared) else { return };
        let shared = Arc::clone(&self.shared);
        peers.send_to_all(Body::Recovery(Recovery::Recover(recover)), move |_| {
            if let Some(mailbox) = shared.mailboxes.get(index) {
                mailbox.send(Letter::run(0, move |shard| shard.answer_is_late(number)));
            }
        });
    }

    /// Nobody has answered in time. A server that was about to end may have left a record meanwhile.
    fn answer_is_late(self: &Rc<Self>, number: u64) {
        let pid = {
            let mut core = self.core.borrow_mut();
            let Some(search) = core.search_mut(number) else { return };
            if std::mem::replace(&mut search.stage, Stage::Late) == Stage::Late {
                return;
            }
            search.answers.is_empty().then_some(search.claim.pid)
        };
        match pid {
            Some(pid) => {
                self.core.borrow_mut().alarm_in(ANSWER, move |shard| shard.end_search(number));
                self.look_for_record(number, pid);
            }
            None => self.end_search(number),
        }
    }

    /// Takes the record of a lost socket out of Redis, if there is one.
    fn look_for_record(&self, number: u64, pid: Sid) {
        let Some(cluster) = &self.shared.cluster else { return };
        if let Some(search) = self.core.borrow_mut().search_mut(number) {
            search.looks += 1;
        }
        let (shared, index) = (Arc::clone(&self.shared), self.index());
        cluster.take_record(&pid.to_text(), move |record| {
            if let Some(mailbox) = shared.mailboxes.get(index) {
                mailbox.send(Letter::run(0, move |shard| shard.record_came(number, pid, record)));
            }
        });
    }

    /// A question has come back from Redis.
    pub(super) fn search_came_back(self: &Rc<Self>, recovery: &RecoveryLogs, number: u64) {
        let mark = recovery.log(self.index()).map(|log| log.mark(self.core.borrow().now()));
        let is_answered = {
            let mut core = self.core.borrow_mut();
            let Some(search) = core.search_mut(number) else { return };
            search.echo = mark;
            search.is_answered()
        };
        if is_answered {
            self.end_search(number);
        }
    }

    /// Another server hands a socket over.
    pub(super) fn handed_over(self: &Rc<Self>, pid: Sid, number: u64, giver: Giver, hand_over: HandOver) {
        let is_answered = {
            let mut core = self.core.borrow_mut();
            core.search_mut(number).map(|search| {
                search.answers.push((giver, hand_over));
                search.is_answered()
            })
        };
        match is_answered {
            Some(true) => self.end_search(number),
            Some(false) => {}
            // It comes too late.
            None => Abroad { way: Way::HandedOver, givers: vec![giver], ..Abroad::default() }.tell(
                &self.shared,
                pid,
                Taken::No,
            ),
        }
    }

    /// A question has its answer, or its time is up.
    pub(super) fn end_search(self: &Rc<Self>, number: u64) {
        let Some(recovery) = &self.shared.recovery else { return };
        let Some(search) = self.core.borrow_mut().take_search(number) else { return };
        let socket = search.socket;
        // A question that has not come back from Redis has not come to the others either.
        let was_asked = search.echo.is_some() || peers(&self.shared).is_none();
        let found = self.core.borrow_mut().found(recovery, search);
        if found.is_ok() {
            let give_up = move |shard: &Rc<Self>| shard.give_up_catching_up(socket);
            self.core.borrow_mut().alarm_in(CATCH_UP, give_up);
        }
        // One that was found is counted where it joins.
        let outcome = found.err().unwrap_or(RecoveryOutcome::Doubtful);
        let asked = if was_asked { Asked::InVain(outcome) } else { Asked::NoServer(outcome) };
        self.connect_asked(recovery, socket, asked);
    }

    /// A socket has waited for as long as it may.
    fn give_up_catching_up(self: &Rc<Self>, socket: SocketRef) {
        let Some(recovery) = &self.shared.recovery else { return };
        let Some(pending) = self.core.borrow_mut().take_pending(socket) else { return };
        pending.abroad.tell(&self.shared, pending.pid, Taken::No);
        self.connect_asked(recovery, socket, Asked::InVain(RecoveryOutcome::Doubtful));
    }
}

impl Search {
    /// Redis has a record, or none. Returns whether that ends the question.
    pub(super) fn note_record(&mut self, record: Option<Record>) -> bool {
        self.looks = self.looks.saturating_sub(1);
        self.record = record.map(Box::new);
        self.record.is_some() || self.looks == 0 && self.stage != Stage::Asked
    }

    /// Whether an answer leaves no doubt.
    fn is_answered(&self) -> bool {
        self.echo.is_some() && self.answers.iter().any(|(_, hand_over)| !hand_over.is_doubtful)
    }
}

impl Recovering {
    /// Begins a question, if others may be asked.
    fn begin_search(
        &mut self,
        recovery: &RecoveryLogs,
        socket: SocketRef,
        claim: Claim,
    ) -> Result<Recover, RecoveryOutcome> {
        let shared = Arc::clone(self.shared());
        let asked = || {
            let state = self.socket(socket)?;
            let namespace: Box<str> = self.namespace_ref(state.namespace).name(&shared).into();
            let hearing = shared.cluster.as_ref()?.hearing(&namespace)?;
            Some((namespace, hearing, self.client(state.session)?.handshake.address().ip()))
        };
        let (namespace, hearing, address) = asked().ok_or(RecoveryOutcome::Unknown)?;
        if !recovery.questions().may_ask(self.now(), address) {
            return Err(RecoveryOutcome::Limited);
        }
        let (sent, heard) = {
            let log = recovery.log(self.index()).ok_or(RecoveryOutcome::Unknown)?;
            (log.mark(self.now()), log.reach(self.now(), hearing.prompt()))
        };
        self.last_search += 1;
        let number = self.last_search;
        let connection = hearing.connection;
        let stage = if peers(&shared).is_some() { Stage::Asked } else { Stage::Alone };
        let (echo, answers, looks, record) = (None, Vec::new(), 0, None);
        self.searches.push(Search { number, socket, claim, sent, echo, connection, answers, stage, looks, record });
        let seeker = Ticket { shard: self.shard_of_sids(), number };
        let Claim { pid, offset } = claim;
        Ok(Recover { seeker, namespace, pid, offset, heard, form: form(&shared) })
    }

    pub(super) fn search_mut(&mut self, number: u64) -> Option<&mut Search> {
        self.searches.iter_mut().find(|search| search.number == number)
    }

    fn take_search(&mut self, number: u64) -> Option<Search> {
        let place = self.searches.iter().position(|search| search.number == number)?;
        Some(self.searches.swap_remove(place))
    }

    /// Takes the best answer: a socket that was handed over more often is the later one. Gives what becomes of the client if there
    /// is none.
    fn found(&mut self, recovery: &RecoveryLogs, search: Search) -> Result<(), RecoveryOutcome> {
        let Search { socket, claim, sent, echo, connection, mut answers, record, .. } = search;
        let without = match (&answers[..], &record) {
            ([], None) => RecoveryOutcome::Unknown,
            _ => RecoveryOutcome::Doubtful,
        };
        answers.sort_by_key(|(_, hand_over)| (hand_over.generation, !hand_over.is_doubtful));
        let givers = answers.iter().map(|(giver, _)| *giver).collect();
        let own = recovery.lost().generation(claim.pid);
        let is_later = |generation| own.is_none_or(|own| own < generation);
        let best = answers.pop().map(|(_, best)| best).filter(|best| is_later(best.generation));
        let used = record.clone().filter(|record| is_later(record.hand_over.generation));
        let way = if used.is_some() { Way::Record } else { Way::HandedOver };
        let given = used.as_ref().map(|record| &record.hand_over).or(best.as_ref());
        let (later, had_values) = (given.map(|given| given.generation), given.is_some_and(|given| given.had_values));
        let abroad = Abroad { way, givers, record, connection: Some(connection), had_values };
        // This server's own, if it had one, was an earlier one, even if the later one is of no use here.
        if let Some(later) = later {
            let outdated = recovery.lost().take_outdated(claim.pid, later);
            outdated.into_iter().for_each(|outdated| end_later(outdated, |_, outdated| drop(outdated)));
        }
        let found = match used {
            Some(record) => self.left_behind(recovery, socket, claim, *record),
            None => best
                .zip(echo)
                .and_then(|(best, echo)| self.restoration(socket, claim, best, Sought { sent, echo }))
                .ok_or(without),
        };
        let restoration = match found {
            Ok(restoration) => restoration,
            Err(outcome) => {
                abroad.tell(self.shared(), claim.pid, Taken::No);
                return Err(outcome);
            }
        };
        recovery.note_taken_over();
        self.pending.push(CatchingUp { socket, pid: claim.pid, restoration, abroad });
        Ok(())
    }

    /// The way back of a socket that another server has had.
    pub(super) fn restoration(
        &self,
        socket: SocketRef,
        claim: Claim,
        given: HandOver,
        sought: Sought,
    ) -> Option<Restoration> {
        let HandOver { generation, sid, rooms, data, missed, progress, .. } = given;
        let data = data.map(|data| RawValue::from_string(data.into())).transpose().ok()?;
        let lost = Lost {
            namespace: self.socket(socket)?.namespace,
            sid,
            rooms: rooms.into(),
            data,
            values: None,
            shard: ELSEWHERE,
            generation: generation.saturating_add(1),
            doubt: None,
            at: self.now(),
        };
        let restoration = Restoration::from_elsewhere(lost, claim.offset, missed, progress, sought);
        self.has_room_for(&restoration).then_some(restoration)
    }

    /// Whether the namespace was heard without a break since the way back began.
    pub(super) fn has_heard_all(&self, namespace: NamespaceKey, abroad: &Abroad) -> bool {
        let Some(connection) = abroad.connection else { return true };
        self.hearing(namespace).is_some_and(|hearing| hearing.connection == connection)
    }

    /// How a namespace is heard, if it is.
    pub(super) fn hearing(&self, namespace: NamespaceKey) -> Option<Hearing> {
        let shared = self.shared();
        shared.cluster.as_ref()?.hearing(self.namespace_ref(namespace).name(shared))
    }
}
