//! Whether the program lets a handshake go on. If it decides later, the handshake waits as bytes, and its connection with it.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use crate::engineio::Code;
use crate::http::{self, Head};
use crate::metrics::Limit;
use crate::shard::Shard;
use crate::shard::input::Intake;
use crate::shard::input::http::Step;
use crate::shard::net::connection::{Connection, HttpState, Stage};
use crate::shard::sessions::handshake::Handshake;
use crate::shard::shared::admissions::{Admission, Applicant, ApplicantName, Asked, Decided, Verdict};
use crate::shard::shared::refusal::Refusal;
use crate::shard::store::keys::ConnectionKey;

impl Shard {
    /// Whether a handshake may go on. If not, it has been answered, or waits.
    pub(in crate::shard::input) fn permission(
        self: &Rc<Self>,
        key: ConnectionKey,
        head: &Head<'_>,
        handshake: &Arc<Handshake>,
        decided: Option<Box<Decided>>,
    ) -> Result<(), Step> {
        let first = match decided.map(|decided| *decided) {
            None => 0,
            Some(Decided { decision: Ok(()), next }) => next,
            Some(Decided { decision: Err(refusal), .. }) => return Err(self.forbid(key, head, &refusal)),
        };
        match self.callbacks.allow(self, handshake, first) {
            Verdict::Admitted => Ok(()),
            Verdict::Refused(refusal) => Err(self.forbid(key, head, &refusal)),
            Verdict::Asks { next, question } => {
                let asked = self.await_decision(key, next).map(question);
                if asked == Some(Asked::Yes) {
                    return Err(Step::Wait);
                }
                self.core.borrow_mut().turn_away(key);
                Err(Step::Over)
            }
        }
    }

    fn forbid(&self, key: ConnectionKey, head: &Head<'_>, refusal: &Refusal) -> Step {
        let message = Some(&*refusal.message).filter(|message| !message.is_empty());
        self.core.borrow_mut().refuse(key, head, Code::Forbidden, message)
    }

    /// The right to decide about a handshake, which waits from now on; the hook with the number `next` is asked then. `None` at
    /// the limit.
    fn await_decision(self: &Rc<Self>, key: ConnectionKey, next: usize) -> Option<Admission> {
        let mut core = self.core.borrow_mut();
        let applicant = Applicant::new(core.own_metrics());
        let then = move |shard: &Rc<Self>, name: &ApplicantName, decision| {
            shard.core.borrow_mut().handshake_decided(key, name, Decided { decision, next });
        };
        let admission = Admission::new(&self.shared, self.index(), applicant.name(), then);
        match admission {
            Some(_) => {
                core.set_state(key, HttpState::Asked(applicant));
                let deadline = core.now() + self.shared.config.connect_timeout;
                core.set_deadline(key, deadline);
            }
            None => core.metrics().hit(Limit::PendingAdmissions),
        }
        admission
    }
}

impl Intake {
    /// The program has decided about a handshake, whose connection may be gone: it goes on when its turn comes.
    fn handshake_decided(&mut self, key: ConnectionKey, name: &ApplicantName, decided: Decided) {
        let http = self.connection_mut(key).and_then(Connection::http);
        if http.is_some_and(|http| matches!(&http.state, HttpState::Asked(applicant) if applicant.is(name))) {
            self.defer_decided(key, decided);
        }
    }

    /// Closes a connection about whose handshake the program does not decide in time. It is not refused, so that its client
    /// comes back.
    pub(in crate::shard) fn turn_away(&mut self, key: ConnectionKey) {
        self.set_state(key, HttpState::Head);
        self.last_answer(key, &Bytes::from_static(http::BUSY));
    }

    /// The same for every connection that waits for a decision: the server stops.
    pub(in crate::shard) fn turn_away_all(&mut self) {
        let waits = |connection: &Connection| matches!(&connection.stage, Stage::Http(http) if matches!(http.state, HttpState::Asked(_)));
        let waiting: Vec<_> = self.connections().filter(|(_, it)| waits(it)).map(|(key, _)| key).collect();
        waiting.into_iter().for_each(|key| self.turn_away(key));
    }
}
