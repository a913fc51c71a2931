//! How sockets are let into their namespaces, by middlewares that decide at once or later.

use std::rc::Rc;

use log::Level;

use crate::log_line::LineKind;
use crate::metrics::Limit;
use crate::shard::Shard;
use crate::shard::shared::admissions::{Admission, ApplicantName, Asked, Decision, Verdict};
use crate::shard::store::keys::SocketRef;

static OVERLOADED: LineKind = LineKind::new(
    Level::Warn,
    module_path!(),
    "clients that were closed, as the program had yet to decide about others",
);

impl Shard {
    /// Asks the middlewares whether a socket may join its namespace.
    pub(in crate::shard) fn admit(self: &Rc<Self>, socket: SocketRef) {
        self.admit_from(socket, 0);
    }

    /// The same, from the middleware with the number `first` on.
    fn admit_from(self: &Rc<Self>, socket: SocketRef, first: usize) {
        match self.callbacks.admit(self, socket, first) {
            Verdict::Admitted => self.let_in(socket),
            Verdict::Refused(refusal) => self.core.borrow_mut().refuse_socket(socket, &refusal),
            Verdict::Asks { next, question } => {
                let asked = self.admission(socket, next).map(question);
                if asked == Some(Asked::NoRoom) {
                    self.overloaded(socket);
                }
            }
        }
    }

    /// The right to decide about a socket; the middleware with the number `next` is asked then. `None` if the socket is gone,
    /// or at the limit.
    fn admission(self: &Rc<Self>, socket: SocketRef, next: usize) -> Option<Admission> {
        let name = self.core.borrow_mut().apply(socket)?;
        let then = move |shard: &Rc<Self>, name: &ApplicantName, decision| shard.decided(socket, name, next, decision);
        let admission = Admission::new(&self.shared, self.index(), name, then);
        if admission.is_none() {
            self.core.borrow().metrics().hit(Limit::PendingAdmissions);
            self.overloaded(socket);
        }
        admission
    }

    /// The program has decided about a socket, which may be gone.
    fn decided(self: &Rc<Self>, socket: SocketRef, name: &ApplicantName, next: usize, decision: Decision) {
        if !self.core.borrow().applies_as(socket, name) {
            return;
        }
        match decision {
            Ok(()) => self.admit_from(socket, next),
            Err(refusal) => self.core.borrow_mut().refuse_socket(socket, &refusal),
        }
    }

    /// A socket joins its namespace.
    pub(in crate::shard) fn let_in(self: &Rc<Self>, socket: SocketRef) {
        let admitted = match &self.shared.recovery {
            Some(recovery) => self.core.borrow_mut().admit_recoverable(recovery, socket),
            None => self.core.borrow_mut().admit_socket(socket),
        };
        if admitted && self.callbacks.connected(self, socket) == Asked::NoRoom {
            self.overloaded(socket);
        }
    }

    /// Closes the session of a socket that the program has no room for.
    fn overloaded(&self, socket: SocketRef) {
        OVERLOADED.write(|| {
            format!(
                "a client is closed, as the program is too busy to decide about it (KINGLET_PENDING_ADMISSIONS, KINGLET_BLOCKING_QUEUE): {}",
                self.core.borrow().describe_socket(socket)
            )
        });
        self.core.borrow_mut().shut_out(socket);
    }
}
