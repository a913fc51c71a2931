//! Counts anew what sockets on their way back keep, for the simulation.

use crate::engineio::MESSAGE_OVERHEAD;
use crate::shard::recovery::Recovering;
use crate::shard::store::keys::SessionKey;

impl Recovering {
    /// Bytes that a session's sockets have missed, which are kept until the middlewares have let the sockets in.
    pub(in crate::shard) fn bytes_on_the_way_back(&self, session: SessionKey) -> usize {
        let returning = self.returning.values().filter(|(of, _)| *of == session);
        returning.map(|(_, pending)| pending.restoration.bytes(MESSAGE_OVERHEAD)).sum()
    }
}
