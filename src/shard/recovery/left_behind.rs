//! The way back of a socket from the record that its server has left of it.

use std::rc::Rc;
use std::sync::Arc;

use crate::cluster::peers::record::Record;
use crate::engineio::Sid;
use crate::shard::Shard;
use crate::shard::recovery::Recovering;
use crate::shard::recovery::records::put_back;
use crate::shard::recovery::way_back::Claim;
use crate::shard::shared::recovery::{RecoveryLogs, Restoration, Sought};
use crate::shard::store::keys::SocketRef;

impl Recovering {
    /// Whether a socket is here for which this shard has asked: a member, on its way, or lost again, and not outdated.
    fn has_come(&self, pid: Sid, generation: u32) -> bool {
        let lost = self.shared().recovery.as_ref().and_then(|recovery| recovery.lost().generation(pid));
        lost.is_some_and(|lost| lost >= generation)
            || self.pending.iter().any(|pending| pending.pid == pid)
            || self.socket_of_pid(pid).is_some()
    }

    /// The way back of a socket from its record. `None` if this server cannot tell what is beyond the record.
    pub(super) fn left_behind(
        &self,
        recovery: &RecoveryLogs,
        socket: SocketRef,
        claim: Claim,
        record: Record,
    ) -> Option<Restoration> {
        let state = self.socket(socket)?;
        let shared = Arc::clone(self.shared());
        let name = self.namespace_ref(state.namespace);
        let Record { namespace, instance, mark, mut hand_over, .. } = record;
        let place = recovery.log(self.index())?.find_mark(instance, mark)?;
        let hearing = shared.cluster.as_ref()?.hearing(&namespace)?;
        let has_heard = place.age(self.now()) <= hearing.age();
        if *namespace != *name.name(&shared) || !has_heard {
            return None;
        }
        // The client has received all up to its offset.
        let received = hand_over.missed.iter().rposition(|(offset, _)| *offset == claim.offset)?;
        hand_over.missed.drain(..=received);
        self.restoration(socket, claim, hand_over, Sought { sent: place, echo: place })
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
