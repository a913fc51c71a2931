//! The way back of a socket from the record that its server has left of it.

use std::rc::Rc;

use crate::cluster::peers::record::Record;
use crate::engineio::Sid;
use crate::metrics::RecoveryOutcome;
use crate::shard::Shard;
use crate::shard::recovery::Recovering;
use crate::shard::recovery::records::put_back;
use crate::shard::recovery::way_back::Claim;
use crate::shard::shared::recovery::{Mark, RecoveryLogs, Restoration, Sought};
use crate::shard::store::keys::SocketRef;

impl Recovering {
    /// Whether a socket is here for which this shard has asked: a member, on its way, or lost again, and not outdated.
    fn has_come(&self, pid: Sid, generation: u32) -> bool {
        let lost = self.shared().recovery.as_ref().and_then(|recovery| recovery.lost().generation(pid));
        lost.is_some_and(|lost| lost >= generation)
            || self.pending.iter().any(|pending| pending.pid == pid)
            || self.socket_of_pid(pid).is_some()
    }

    /// The way back of a socket from its record, if this server can tell what is beyond the record, and the record has all that the
    /// client missed.
    pub(super) fn left_behind(
        &self,
        recovery: &RecoveryLogs,
        socket: SocketRef,
        claim: Claim,
        record: Record,
    ) -> Result<Restoration, RecoveryOutcome> {
        let place = self.place_of(recovery, socket, &record).ok_or(RecoveryOutcome::Doubtful)?;
        let Record { mut hand_over, .. } = record;
        // The client has received all up to its offset.
        let received = hand_over.missed.iter().rposition(|(offset, _)| *offset == claim.offset);
        hand_over.missed.drain(..=received.ok_or(RecoveryOutcome::Forgotten)?);
        self.restoration(socket, claim, hand_over, Sought { sent: place, echo: place }).ok_or(RecoveryOutcome::Doubtful)
    }

    /// The place of a record's mark in this shard's log, if what is behind it came to this server.
    fn place_of(&self, recovery: &RecoveryLogs, socket: SocketRef, record: &Record) -> Option<Mark> {
        let shared = self.shared();
        let namespace = self.namespace_ref(self.socket(socket)?.namespace);
        let place = recovery.log(self.index())?.find_mark(record.instance, record.mark)?;
        let hearing = shared.cluster.as_ref()?.hearing(&record.namespace)?;
        let is_known = *record.namespace == *namespace.name(shared) && place.age(self.now()) <= hearing.age();
        is_known.then_some(place)
    }
}

impl Shard {
    /// Redis had a record for a question, or none.
    pub(super) fn record_came(self: &Rc<Self>, number: u64, pid: Sid, record: Option<Record>) {
        let (is_over, unused) = {
            let mut core = self.core.borrow_mut();
            match core.search_mut(number) {
                Some(search) => (search.note_record(record), None),
                // It comes too late, and is of use unless the socket is here.
                None => (false, record.filter(|record| !core.has_come(pid, record.hand_over.generation))),
            }
        };
        if is_over {
            self.end_search(number);
        }
        if let Some(record) = unused {
            put_back(&self.shared, pid, &record);
        }
    }
}
