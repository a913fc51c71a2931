//! Asking all shards whether they have lost a socket.
//!
//! A client may be back before the shard that serves it has read that its old connection ended: that shard may have
//! thousands of others to serve first. So a shard that does not find a lost socket asks every other shard, and each
//! answers only after its next turn.

use std::rc::Rc;
use std::sync::Arc;

use crate::shard::Shard;
use crate::shard::shared::Shared;
use crate::shard::shared::mailbox::Letter;
use crate::shard::store::keys::SocketRef;

/// Whether all shards were asked for lost sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    NotYet,
    All,
}

/// A question to all other shards. It is answered when it is dropped, so a shard that ends answers, too.
pub(super) struct Inquiry {
    shared: Arc<Shared>,
    /// The asking shard, and its socket.
    shard: usize,
    socket: SocketRef,
}

impl Inquiry {
    /// Asks the other shards; then the socket's CONNECT goes on.
    pub(super) fn begin(shard: &Rc<Shard>, socket: SocketRef) {
        let inquiry = Arc::new(Self { shared: Arc::clone(&shard.shared), shard: shard.index(), socket });
        for (index, mailbox) in shard.shared.mailboxes.iter().enumerate().filter(|(index, _)| *index != shard.index()) {
            let inquiry = Arc::clone(&inquiry);
            // Sessions hear of connections that ended in a turn at its end, so the answer is due in the next turn.
            mailbox.send(Letter::run(0, move |shard| {
                if let Some(mailbox) = shard.shared.mailboxes.get(index) {
                    mailbox.send(Letter::run(0, move |_| drop(inquiry)));
                }
            }));
        }
    }
}

impl Drop for Inquiry {
    fn drop(&mut self) {
        let Some(mailbox) = self.shared.mailboxes.get(self.shard) else { return };
        let socket = self.socket;
        mailbox.send(Letter::run(0, move |shard| {
            if let Some(recovery) = &shard.shared.recovery {
                shard.connect_asked(recovery, socket, Asked::All);
            }
        }));
    }
}
