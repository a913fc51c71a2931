//! What reaches a shard from other threads: a channel, and a waker for the loop that sleeps in its poll.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender};
use mio::Waker;

use super::Shard;
use super::target::Broadcast;

/// Something to be done on a shard's thread.
type Act = Box<dyn FnOnce(&Rc<Shard>) + Send>;

/// A message for a shard.
pub(crate) enum Letter {
    /// Frames for the shard's share of the receivers.
    Broadcast(Arc<Broadcast>),
    /// A connection whose next request names a session of this shard.
    Connection(Box<HandOff>),
    /// Anything else that a program asks of the shard.
    Run(Act),
    /// The server stops.
    Stop,
}

/// A connection on its way from one shard to another.
pub(crate) struct HandOff {
    pub(crate) stream: std::net::TcpStream,
    pub(crate) peer: SocketAddr,
    /// Bytes already read: they begin with the head that named the session.
    pub(crate) unread: Vec<u8>,
}

/// The way to one shard, from any thread.
#[derive(Clone)]
pub(crate) struct Mailbox {
    sender: Sender<Letter>,
    waker: Arc<Waker>,
    /// Whether the waker was used since the shard last looked, so that a burst costs one wake-up.
    woken: Arc<AtomicBool>,
}

/// The shard's end of its mailbox.
pub(crate) struct Inbox {
    receiver: Receiver<Letter>,
    woken: Arc<AtomicBool>,
}

/// Makes a mailbox and its inbox.
pub(crate) fn mailbox(waker: Waker) -> (Mailbox, Inbox) {
    let (sender, receiver) = crossbeam_channel::unbounded();
    let woken = Arc::new(AtomicBool::new(false));
    (Mailbox { sender, waker: Arc::new(waker), woken: Arc::clone(&woken) }, Inbox { receiver, woken })
}

impl Mailbox {
    /// Hands a letter to the shard. A shard that has stopped loses it: there is nobody left to serve.
    pub(crate) fn send(&self, letter: Letter) {
        if self.sender.send(letter).is_err() || self.woken.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Err(error) = self.waker.wake() {
            log::error!("cannot wake a shard: {error}");
        }
    }
}

impl Inbox {
    /// Takes the letters that are there now; those that come while they are handled wake the shard anew.
    pub(crate) fn drain(&self) -> impl Iterator<Item = Letter> {
        // A swap, not a store: the count below must see every letter whose sender found the shard woken already.
        self.woken.swap(false, Ordering::AcqRel);
        let count = self.receiver.len();
        self.receiver.try_iter().take(count)
    }
}
