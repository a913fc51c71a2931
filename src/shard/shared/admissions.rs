//! Admissions: decisions about clients that the program makes later, on any thread.
//!
//! The shard keeps an [`Applicant`] for as long as the client waits, and the program an [`Admission`]. So the program sees
//! that a client has left, and the shard tells a decision that comes too late from one that is awaited.

use std::fmt;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use crate::metrics::ShardMetrics;
use crate::shard::Shard;
use crate::shard::shared::Shared;
use crate::shard::shared::mailbox::Letter;
use crate::shard::shared::refusal::Refusal;

/// Whether a client is let in.
pub(in crate::shard) type Decision = Result<(), Refusal>;

/// A decision about a handshake. If it may go on, the program's hook with the number `next` is asked then.
#[derive(Debug)]
pub(in crate::shard) struct Decided {
    pub(in crate::shard) decision: Decision,
    pub(in crate::shard) next: usize,
}

/// What the program says about a client.
pub(crate) enum Verdict<'a> {
    /// It is let in.
    Admitted,
    /// It is refused.
    Refused(Refusal),
    /// The program decides later, if this asks it. If it lets the client in, the one of its hooks with the number `next` is
    /// asked then.
    Asks { next: usize, question: Box<dyn FnOnce(Admission) -> Asked + 'a> },
}

/// Whether the program was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Yes,
    /// It has too much to do. Its client is closed, not refused: official clients come back by themselves after that, and
    /// never after a refusal.
    NoRoom,
}

/// A client that waits to be let in. It is dropped when the client does not wait any more.
#[derive(Debug)]
pub(in crate::shard) struct Applicant(Arc<Counted>);

/// The name of an applicant.
#[derive(Clone)]
pub(in crate::shard) struct ApplicantName(Weak<Counted>);

/// Counts a waiting client as long as it lives. Its shard drops it.
#[derive(Debug)]
struct Counted(Arc<ShardMetrics>);

impl Drop for Counted {
    fn drop(&mut self) {
        let waiting = &self.0.admissions_waiting;
        waiting.set(waiting.get().saturating_sub(1));
    }
}

impl Applicant {
    /// A client of the shard that counts in these metrics.
    pub(in crate::shard) fn new(metrics: &Arc<ShardMetrics>) -> Self {
        metrics.admissions_waiting.one();
        Self(Arc::new(Counted(Arc::clone(metrics))))
    }

    pub(in crate::shard) fn name(&self) -> ApplicantName {
        ApplicantName(Arc::downgrade(&self.0))
    }

    /// Whether that is its name.
    pub(in crate::shard) fn is(&self, name: &ApplicantName) -> bool {
        std::ptr::eq(Arc::as_ptr(&self.0), name.0.as_ptr())
    }
}

/// What a shard does with a decision.
type Then = Box<dyn FnOnce(&Rc<Shard>, &ApplicantName, Decision) + Send + Sync>;

/// The right to decide, once and on any thread, whether a waiting client is let in
/// ([`Namespace::middleware_deferred`](crate::Namespace::middleware_deferred),
/// [`Server::allow_request_deferred`](crate::Server::allow_request_deferred)).
///
/// If it is dropped, the client is refused with the message `internal error`. A client waits for
/// [`Config::connect_timeout`](crate::Config::connect_timeout) at most; then its connection is closed. It may leave sooner.
/// A decision about a client that waits no more does nothing.
pub struct Admission {
    shared: Arc<Shared>,
    /// The shard of the client.
    shard: usize,
    client: ApplicantName,
    /// `None` once it is decided.
    then: Option<Then>,
}

impl Admission {
    /// The right to decide about a client of a shard, which does `then` with the decision. `None` if the program has yet to
    /// decide about as many as it may.
    pub(in crate::shard) fn new(
        shared: &Arc<Shared>,
        shard: usize,
        client: ApplicantName,
        then: impl FnOnce(&Rc<Shard>, &ApplicantName, Decision) + Send + Sync + 'static,
    ) -> Option<Self> {
        let most = shared.config.limits.pending_admissions;
        if shared.admissions.fetch_add(1, Ordering::Relaxed) >= most {
            shared.admissions.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Self { shared: Arc::clone(shared), shard, client, then: Some(Box::new(then)) })
    }

    /// Whether the client still waits: it has not left, and its time is not over.
    pub fn is_pending(&self) -> bool {
        self.client.0.strong_count() > 0
    }

    /// Lets the client in, unless a later middleware refuses it.
    pub fn admit(mut self) {
        self.decide(Ok(()));
    }

    /// Refuses the client. A refused handshake has no data, only the message.
    pub fn refuse(mut self, refusal: Refusal) {
        self.decide(Err(refusal));
    }

    fn decide(&mut self, decision: Decision) {
        let Some(then) = self.then.take().filter(|_| self.is_pending()) else { return };
        let Some(mailbox) = self.shared.mailboxes.get(self.shard) else { return };
        let carried = decision.as_ref().map_or_else(Refusal::bytes, |()| 0);
        let client = self.client.clone();
        mailbox.send(Letter::run(carried, move |shard| then(shard, &client, decision)));
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if self.then.is_some() {
            self.decide(Err(Refusal::new("internal error")));
        }
        self.shared.admissions.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").field("pending", &self.is_pending()).finish_non_exhaustive()
    }
}
