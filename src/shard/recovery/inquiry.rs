//! Asking all shards for a socket that is not among the lost ones, although its client is back.
//!
//! Either its shard has yet to read that the old connection ended: that shard may have thousands of others to serve first. Or
//! nothing will ever tell, because the network dropped the connection without a word; such a connection is *half-open*. So each
//! shard ends its next turn, and if it still has the socket then, it ends the session as if the connection had closed.

use std::rc::Rc;
use std::sync::Arc;

use crate::engineio::{Reason, Sid};
use crate::metrics::RecoveryOutcome;
use crate::shard::Shard;
use crate::shard::recovery::Recovering;
use crate::shard::shared::Shared;
use crate::shard::shared::mailbox::Letter;
use crate::shard::sockets::state::SocketPhase;
use crate::shard::store::keys::{NamespaceKey, SocketRef};

/// Who was asked for lost sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Nobody,
    /// All shards of this server.
    Shards,
    /// All servers that could be. If the socket is not here, that is why.
    InVain(RecoveryOutcome),
    /// No other server, which is why the socket is not found. One that is here and doubtful stays: nobody knows whether
    /// another server has it.
    NoServer(RecoveryOutcome),
}

/// A socket that a client claims.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) namespace: NamespaceKey,
    pub(super) pid: Sid,
}

/// A question to all shards. It is answered when it is dropped, so a shard that ends answers, too.
pub(super) struct Inquiry {
    shared: Arc<Shared>,
    wanted: Wanted,
    /// The asking shard, and its socket.
    shard: usize,
    socket: SocketRef,
}

impl Inquiry {
    /// Asks all shards; then the socket's CONNECT goes on.
    pub(super) fn begin(shard: &Rc<Shard>, socket: SocketRef, wanted: Wanted) {
        let inquiry = Arc::new(Self { shared: Arc::clone(&shard.shared), wanted, shard: shard.index(), socket });
        for (index, mailbox) in shard.shared.mailboxes.iter().enumerate() {
            let inquiry = Arc::clone(&inquiry);
            // Sessions hear of connections that ended in a turn at its end, so the answer is due in the next turn.
            mailbox.send(Letter::run(0, move |shard| {
                if let Some(mailbox) = shard.shared.mailboxes.get(index) {
                    mailbox.send(Letter::run(0, move |shard| inquiry.search(shard)));
                }
            }));
        }
    }

    /// Lets a shard answer. If it has the socket, that is lost by then.
    fn search(self: Arc<Self>, shard: &Rc<Shard>) {
        shard.end_half_open(self.wanted);
    }
}

impl Drop for Inquiry {
    fn drop(&mut self) {
        let Some(mailbox) = self.shared.mailboxes.get(self.shard) else { return };
        let socket = self.socket;
        mailbox.send(Letter::run(0, move |shard| {
            if let Some(recovery) = &shard.shared.recovery {
                shard.connect_asked(recovery, socket, Asked::Shards);
            }
        }));
    }
}

impl Shard {
    /// If the shard has the socket, that is lost afterwards.
    pub(super) fn end_half_open(self: &Rc<Self>, wanted: Wanted) {
        self.core.borrow_mut().end_half_open(wanted);
        self.run_calls();
    }
}

impl Recovering {
    /// Ends the session of a socket whose client is back on another connection: as a member, or on its way back.
    fn end_half_open(&mut self, wanted: Wanted) {
        let coming = self.pending.iter().find(|pending| pending.pid == wanted.pid).map(|pending| pending.socket);
        let socket = coming.or_else(|| self.socket_of_pid(wanted.pid)).and_then(|socket| self.socket(socket));
        let claimed = |phase, namespace| phase != SocketPhase::Leaving && namespace == wanted.namespace;
        let Some(state) = socket.filter(|state| claimed(state.phase, state.namespace)) else { return };
        let session = state.session;
        log::debug!("{}: its client is back on another connection", self.name_session(session));
        self.session(session, |session, _, _, effects| session.abort(Reason::TransportClose, effects));
    }
}
