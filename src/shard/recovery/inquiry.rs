//! Asking all shards whether they have lost a socket.
//!
//! A client may be back before the shard that serves it has read that its old connection ended: that shard may have
//! thousands of others to serve first. So a shard that does not find a lost socket lets every other shard go on by one
//! turn before it believes that there is none.

use std::rc::Rc;
use std::sync::Arc;

use crate::shard::Shard;
use crate::shard::shared::Shared;
use crate::shard::shared::mailbox::Letter;
use crate::shard::store::keys::SocketRef;

/// Whether all shards have told which sockets they lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    NotYet,
    All,
}

/// A question to all shards but one. It is answered when nobody holds it any more, so a shard that ends answers, too.
pub(super) struct Inquiry {
    shared: Arc<Shared>,
    /// The shard that asks, and the socket that it asks for.
    shard: usize,
    socket: SocketRef,
}

impl Inquiry {
    /// Asks the other shards; then the socket's CONNECT goes on.
    pub(super) fn begin(shard: &Rc<Shard>, socket: SocketRef) {
        let inquiry = Arc::new(Self { shared: Arc::clone(&shard.shared), shard: shard.index(), socket });
        for (index, mailbox) in shard.shared.mailboxes.iter().enumerate().filter(|(index, _)| *index != shard.index()) {
            let inquiry = Arc::clone(&inquiry);
            // What ended in a turn is told to its session at the turn's end, so the answer is due in the next.
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
