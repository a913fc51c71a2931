//! Complete POSTs: their packets are handled, and they are answered, at once or later.
//!
//! The answer is delayed if the client has sent more than it may for now, if much waits for it that it has not fetched, or if
//! the packets take longer than one turn has for one client. Meanwhile the rest of the packets is kept with the connection.

use std::rc::Rc;

use crate::engineio::{Millis, Route};
use crate::shard::Shard;
use crate::shard::input::Intake;
use crate::shard::net::connection::{Connection, DelayedPost, HttpState};
use crate::shard::net::packets::Packets;
use crate::shard::sessions::allowance::Verdict;
use crate::shard::store::keys::{ConnectionKey, SessionKey, SessionRef, TimerKey};
use crate::shard::store::timers::NEVER;

/// Why a POST is not answered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pause {
    /// Its time in this turn is over: it goes on in the next turn.
    Turn,
    /// Its client has sent more than it may, and goes on at this instant.
    Rate(Millis),
    /// Much waits for its client.
    Queue,
}

impl Shard {
    /// Handles the body of a POST.
    pub(in crate::shard::input) fn post_body(self: &Rc<Self>, key: ConnectionKey, body: &[u8]) {
        let Some((session, kind)) = self.core.borrow_mut().post_being_read(key) else { return };
        let mut core = self.core.borrow_mut();
        core.session(session, |session, _, _, _| session.post_read(key));
        core.charge(session, 0, body.len());
        let (encoding, session) = (core.encoding(session), core.session_ref(session));
        drop(core);
        let Some(session) = session else { return self.core.borrow_mut().answer_post(key) };
        self.post_packets(key, session, Some(Packets::of(body, encoding, kind)), None);
    }

    /// Handles as many packets of a POST as its client may send now. The rest, and the answer, wait. From `patience` on, the
    /// client's queue does not hold it up any more.
    fn post_packets(
        self: &Rc<Self>,
        key: ConnectionKey,
        session: SessionRef,
        packets: Option<Packets>,
        patience: Option<Millis>,
    ) {
        let mut pause = None;
        let rest = packets.and_then(|packets| {
            packets.walk(|packet, whole| {
                self.post_packet(session.key, key, packet, whole);
                pause = self.core.borrow_mut().pause(session.key, patience);
                if pause.is_none() && self.has_had_its_turn() {
                    pause = Some(Pause::Turn);
                }
                pause.is_none()
            })
        });
        self.core.borrow_mut().post_judged(key, session, pause, rest, patience);
    }

    /// Goes on with a waiting POST, if it is due. A session that has ended has answered it already.
    pub(in crate::shard) fn resume_post(self: &Rc<Self>, key: ConnectionKey) {
        let Some((session, rest, patience)) = self.core.borrow_mut().take_waiting(key) else { return };
        self.served(key, |shard| shard.post_packets(key, session, rest, patience));
        self.run_calls();
    }
}

impl Intake {
    /// What holds a session's POST up, if anything does.
    fn pause(&mut self, session: SessionKey, patience: Option<Millis>) -> Option<Pause> {
        // The packets of a closing session reach no handler, so nothing holds them up.
        if matches!(self.client(session)?.session.route(), Route::Gone) {
            return None;
        }
        match self.charge(session, 1, 0) {
            Verdict::HoldUp(until, _) => Some(Pause::Rate(until)),
            Verdict::GoOn => {
                let client = self.client(session)?;
                // A client sends its upgrade packet only once its POST is answered.
                let holds = client.session.queued_bytes() > self.shared().config.limits.hold_up
                    && !client.session.is_probed()
                    && patience.is_none_or(|until| self.now() < until);
                holds.then_some(Pause::Queue)
            }
        }
    }

    fn post_judged(
        &mut self,
        key: ConnectionKey,
        session: SessionRef,
        pause: Option<Pause>,
        rest: Option<Packets>,
        patience: Option<Millis>,
    ) {
        self.note_unfinished(rest.as_ref().map_or(0, Packets::len));
        match pause {
            Some(Pause::Rate(until)) => {
                self.wait_with_post(key, DelayedPost { session, rest, until, patience });
                self.timers().arm(until, TimerKey::Post(key));
            }
            Some(Pause::Queue) => {
                let until = patience.unwrap_or(self.now() + DelayedPost::PATIENCE);
                self.metrics().held_up.one();
                self.wait_with_post(key, DelayedPost { session, rest, until, patience: Some(until) });
                self.timers().arm(until, TimerKey::Post(key));
            }
            Some(Pause::Turn) if rest.is_some() => {
                self.wait_with_post(key, DelayedPost { session, rest, until: self.now(), patience });
                self.line_up(key);
            }
            Some(Pause::Turn) | None => self.accept_post(key, session),
        }
    }

    /// All packets are handled: answers the POST, unless its session does that later.
    fn accept_post(&mut self, key: ConnectionKey, session: SessionRef) {
        let later = self.session(session.key, |session, _, _, effects| session.post_accept(key, effects));
        if later == Some(true) {
            self.wait_with_post(key, DelayedPost { session, rest: None, until: NEVER, patience: None });
        } else {
            self.answer_post(key);
        }
    }

    fn wait_with_post(&mut self, key: ConnectionKey, waiting: DelayedPost) {
        let Some(http) = self.connection_mut(key).and_then(Connection::http) else { return };
        // The packets may have ended the session, which has then answered.
        if matches!(http.state, HttpState::Post(_) | HttpState::Waiting(_)) {
            http.state = HttpState::Waiting(Box::new(waiting));
            self.set_deadline(key, NEVER);
        }
    }

    /// The rest of a waiting POST, if it is due.
    fn take_waiting(&mut self, key: ConnectionKey) -> Option<(SessionRef, Option<Packets>, Option<Millis>)> {
        let now = self.now();
        match &mut self.connection_mut(key).and_then(Connection::http)?.state {
            HttpState::Waiting(waiting) if waiting.until <= now => {
                Some((waiting.session, waiting.rest.take(), waiting.patience))
            }
            _ => None,
        }
    }
}
