//! Sockets that wait until the program decides whether they may join.
//!
//! The client of such a socket has no answer to its CONNECT yet. What it sends to the namespace meanwhile ends its session, as
//! it does on Node. The wait ends with the decision, with the socket, or when its time is over.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use crate::metrics::Limit;
use crate::shard::shared::admissions::{Applicant, ApplicantName};
use crate::shard::sockets::Sockets;
use crate::shard::sockets::costs::ADMISSION;
use crate::shard::store::keys::{SessionKey, SocketKey, SocketRef, TimerKey};
use crate::shard::store::waits::{Ticket, Waits};

/// The sockets that wait for the program's decision.
pub(in crate::shard) struct Applicants {
    by_socket: HashMap<SocketKey, Application, FixedState>,
    /// When each has waited for as long as it may.
    deadlines: Waits<SocketRef>,
}

/// A socket's wait.
struct Application {
    /// Each middleware that decides later has its own.
    applicant: Applicant,
    /// The end of the whole wait.
    deadline: Ticket,
}

impl Applicants {
    pub(super) fn new() -> Self {
        Self { by_socket: HashMap::default(), deadlines: Waits::new(TimerKey::Admission) }
    }

    /// Whether a socket waits.
    pub(super) fn has(&self, key: SocketKey) -> bool {
        // Hardly any socket waits, and the others are not even looked up.
        !self.by_socket.is_empty() && self.by_socket.contains_key(&key)
    }

    /// The instants at which they have waited for as long as they may.
    pub(in crate::shard) const fn deadlines(&self) -> &Waits<SocketRef> {
        &self.deadlines
    }
}

impl Sockets {
    /// The sockets that wait for the program's decision.
    pub(in crate::shard) const fn applicants(&self) -> &Applicants {
        &self.applicants
    }

    /// No client is left, and no timer for one.
    pub(in crate::shard) fn applicants_disarmed(&mut self) {
        self.applicants.deadlines.disarmed();
    }

    /// A socket waits for the next decision about it. `None` if it is gone.
    pub(in crate::shard) fn apply(&mut self, socket: SocketRef) -> Option<ApplicantName> {
        let session = self.socket(socket)?.session;
        let applicant = Applicant::new(self.own_metrics());
        let name = applicant.name();
        match self.applicants.by_socket.get_mut(&socket.key) {
            Some(application) => application.applicant = applicant,
            None => {
                let deadline = self.now() + self.shared().config.connect_timeout;
                let deadline = self.applicants.deadlines.begin(deadline, socket);
                self.applicants.deadlines.arm(self.sessions.timers());
                self.applicants.by_socket.insert(socket.key, Application { applicant, deadline });
                self.note_kept(session, ADMISSION);
            }
        }
        Some(name)
    }

    /// Whether a socket waits under that name, so that a decision is about it.
    pub(in crate::shard) fn applies_as(&self, socket: SocketRef, name: &ApplicantName) -> bool {
        self.applicants.by_socket.get(&socket.key).is_some_and(|application| application.applicant.is(name))
    }

    /// A socket waits no more.
    pub(super) fn withdraw(&mut self, socket: SocketRef) {
        if !self.applicants.has(socket.key) {
            return;
        }
        if let Some(Application { deadline, .. }) = self.applicants.by_socket.remove(&socket.key) {
            self.applicants.deadlines.end(deadline);
        }
        if let Some(session) = self.socket(socket).map(|state| state.session) {
            self.let_go_of(session, ADMISSION);
        }
    }

    /// Whether a session has sockets that wait.
    pub(in crate::shard) fn has_applicants(&self, session: SessionKey) -> bool {
        !self.applicants.by_socket.is_empty()
            && self.sockets_of(session).into_iter().any(|socket| self.applicants.has(socket.key))
    }

    /// The timer of the waits came up: sockets that have waited for as long as they may are given up.
    pub(in crate::shard) fn applicants_due(&mut self) {
        let now = self.now();
        if !self.applicants.deadlines.is_due(now) {
            return;
        }
        while let Some(socket) = self.applicants.deadlines.overdue(now) {
            self.metrics().hit(Limit::ConnectTimeout);
            self.shut_out(socket);
        }
        self.applicants.deadlines.arm(self.sessions.timers());
    }

    /// Closes the session of a socket that the program has no time for. Official clients come back by themselves after that, and
    /// never after a refusal.
    pub(in crate::shard) fn shut_out(&mut self, socket: SocketRef) {
        if let Some(session) = self.socket(socket).map(|state| state.session) {
            log::debug!("{}: closed, as the program has no time for it", self.name_session(session));
            self.close_and_leave(session);
        }
    }
}
