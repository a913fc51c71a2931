//! The mailbox: a channel that brings letters from other threads, and a waker for the loop that sleeps in its poll.
//!
//! The bytes of waiting letters are limited. A thread of the program waits until there is room. Shards must not wait for each
//! other, because that could deadlock: a shard hands its letter over in any case, but reads nothing of its clients while the
//! other has no room (see [`Shard`]'s loop).

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender};
use log::Level;

use crate::log_line::LineKind;
use crate::shard::Shard;
use crate::shard::kernel::poll::Waker;
use crate::shard::kernel::socket::Socket;
use crate::shard::shared::target::{Broadcast, Stamp};

static NOT_WOKEN: LineKind = LineKind::new(Level::Error, module_path!(), "shards that were not woken");

/// Something to be done on a shard's thread.
type Act = Box<dyn FnOnce(&Rc<Shard>) + Send>;

/// Something that takes long. Each call does a part of it, and says whether there is more to do.
pub(in crate::shard) type Work = Box<dyn FnMut(&Rc<Shard>) -> Left + Send>;

/// Whether a call has finished its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    Nothing,
    More,
}

/// A message for a shard.
pub(crate) enum Letter {
    /// Frames for the shard's share of the receivers.
    Broadcast(Arc<Broadcast>),
    /// The same, which the shard also logs for recovery.
    Recoverable(Stamp, Arc<Broadcast>),
    /// A connection whose next request names a session of this shard.
    Connection(Box<HandOff>),
    /// Any other task, and the bytes that it carries: see [`Letter::run`].
    Run(Act, usize),
    /// The same for a task that may take longer than a turn has time for. Later letters wait until it is done.
    Work(Work, usize),
    /// The server stops.
    Stop,
}

/// The cost of a letter beside its bytes: its place in the channel, and its allocations.
const COST: usize = 256;

impl Letter {
    /// A task for the shard. It holds `carried` bytes beside the closure itself.
    pub(crate) fn run<A: FnOnce(&Rc<Shard>) + Send + 'static>(carried: usize, act: A) -> Self {
        Self::Run(Box::new(act), size_of::<A>() + carried)
    }

    /// Bytes that it takes while it waits. Bytes that several shards share count for each of them.
    fn cost(&self) -> usize {
        COST + match self {
            Self::Broadcast(broadcast) | Self::Recoverable(_, broadcast) => broadcast.bytes(),
            Self::Connection(hand_off) => hand_off.unread.len(),
            Self::Run(_, carried) | Self::Work(_, carried) => *carried,
            Self::Stop => 0,
        }
    }
}

/// A connection on its way from one shard to another.
pub(crate) struct HandOff {
    pub(in crate::shard) socket: Socket,
    pub(in crate::shard) peer: SocketAddr,
    /// Whether it is beyond the limit of connections.
    pub(in crate::shard) is_spare: bool,
    /// Bytes already read: they begin with the head that named the session.
    pub(in crate::shard) unread: Vec<u8>,
}

/// When the shard is woken for a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wake {
    Now,
    /// When the sender calls [`wake`](Mailbox::wake), after its last letter.
    Later,
}

/// The way to one shard, from any thread.
#[derive(Clone)]
pub(crate) struct Mailbox {
    sender: Sender<Letter>,
    waker: Waker,
    state: Arc<MailboxState>,
}

/// The shard's end of its mailbox.
pub(crate) struct Inbox {
    receiver: Receiver<Letter>,
    state: Arc<MailboxState>,
}

/// The state that both ends share.
struct MailboxState {
    /// Whether the waker was used since the shard last looked, so that a burst costs one wake-up.
    woken: AtomicBool,
    /// Bytes of the letters that wait.
    waiting: AtomicUsize,
    /// The most bytes that may wait.
    limit: usize,
    /// The threads that wait for room.
    waiters: Mutex<Waiters>,
    /// There is room again, or there will be none.
    changed: Condvar,
}

/// The threads that wait for room.
#[derive(Default)]
struct Waiters {
    /// How many there are.
    length: usize,
    /// Whether the shard has ended.
    closed: bool,
}

/// Makes a mailbox and its inbox, for letters of `limit` bytes.
pub(crate) fn mailbox(waker: Waker, limit: usize) -> (Mailbox, Inbox) {
    let (sender, receiver) = crossbeam_channel::unbounded();
    let state = Arc::new(MailboxState {
        woken: AtomicBool::new(false),
        waiting: AtomicUsize::new(0),
        limit,
        waiters: Mutex::default(),
        changed: Condvar::new(),
    });
    (Mailbox { sender, waker, state: Arc::clone(&state) }, Inbox { receiver, state })
}

impl Mailbox {
    /// Hands a letter to the shard. A thread that is not a shard waits while there is no room. A stopped shard drops the
    /// letter: it has no clients left.
    pub(crate) fn send(&self, letter: Letter) {
        self.wait_for_room();
        self.hand_over(letter);
    }

    /// Waits while there is no room, unless this thread is a shard. Wakes the shard first, for its earlier letters.
    pub(crate) fn wait_for_room(&self) {
        if self.is_full() {
            self.wake();
            if !Shard::runs_here() {
                self.state.wait_for_room();
            }
        }
    }

    /// Hands a letter to the shard, whether there is room or not.
    pub(crate) fn hand_over(&self, letter: Letter) {
        self.put(letter, Wake::Now);
    }

    /// The same for a sender of several letters, which may [`wake`](Self::wake) the shard once, after the last.
    pub(crate) fn put(&self, letter: Letter, wake: Wake) {
        self.state.waiting.fetch_add(letter.cost(), Ordering::AcqRel);
        if self.sender.send(letter).is_ok() && wake == Wake::Now {
            self.wake_unless_woken();
        }
    }

    /// Wakes the shard if letters wait for it.
    pub(crate) fn wake(&self) {
        if !self.sender.is_empty() {
            self.wake_unless_woken();
        }
    }

    fn wake_unless_woken(&self) {
        if self.state.woken.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Err(error) = self.waker.wake() {
            NOT_WOKEN.write(|| format!("cannot wake a shard: {error}"));
        }
    }

    /// Bytes that wait for the shard.
    pub(crate) fn waiting(&self) -> usize {
        self.state.waiting.load(Ordering::Relaxed)
    }

    /// Whether the letters that wait exceed the limit.
    pub(crate) fn is_full(&self) -> bool {
        self.state.is_full()
    }
}

impl Inbox {
    /// Takes the letters that are there now. Letters that come meanwhile wake the shard anew.
    pub(in crate::shard) fn drain(&self) -> impl Iterator<Item = Letter> {
        // A swap, not a store: the count below must see every letter whose sender found the shard woken already.
        self.state.woken.swap(false, Ordering::AcqRel);
        let count = self.receiver.len();
        self.receiver.try_iter().take(count).inspect(|letter| self.state.taken(letter.cost()))
    }

    /// Whether no letter waits.
    pub(in crate::shard) fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }

    /// How many letters wait.
    #[cfg(test)]
    pub(in crate::shard) fn len(&self) -> usize {
        self.receiver.len()
    }

    /// Whether the letters that wait exceed the limit.
    pub(in crate::shard) fn is_full(&self) -> bool {
        self.state.is_full()
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.state.waiters.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.state.changed.notify_all();
    }
}

impl MailboxState {
    fn is_full(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > self.limit
    }

    fn wait_for_room(&self) {
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        waiters.length += 1;
        while self.is_full() && !waiters.closed {
            waiters = self.changed.wait(waiters).unwrap_or_else(PoisonError::into_inner);
        }
        waiters.length -= 1;
    }

    /// Notes that a letter was taken out. Wakes the waiting threads once there is room.
    fn taken(&self, cost: usize) {
        let before = self.waiting.fetch_sub(cost, Ordering::AcqRel);
        if before > self.limit && before - cost <= self.limit {
            // A thread that found no room holds the lock until it waits, so it cannot miss the notification.
            let waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
            if waiters.length > 0 {
                self.changed.notify_all();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::kernel::poll::Poll;

    /// A mailbox for `limit` bytes, its inbox, and a function that counts the wakes of the poll since its last call.
    fn under_test(limit: usize) -> (Mailbox, Inbox, impl FnMut() -> usize) {
        let mut poll = Poll::new().unwrap();
        let (mailbox, inbox) = mailbox(poll.waker().unwrap(), limit);
        let wakes = move || poll.wakes();
        (mailbox, inbox, wakes)
    }

    #[test]
    fn letters_wake_the_shard_when_told_to() {
        let (mailbox, inbox, mut wakes) = under_test(1024);
        mailbox.wake();
        assert_eq!(wakes(), 0, "nothing waits");
        mailbox.put(Letter::Stop, Wake::Later);
        mailbox.put(Letter::Stop, Wake::Later);
        assert_eq!(wakes(), 0);
        mailbox.wake();
        assert_eq!(wakes(), 1);
        assert_eq!(inbox.drain().count(), 2);
        mailbox.send(Letter::Stop);
        assert_eq!(wakes(), 1);
    }

    #[test]
    fn a_thread_that_waits_for_room_wakes_the_shard() {
        let (mailbox, inbox, mut wakes) = under_test(COST);
        mailbox.put(Letter::Stop, Wake::Later);
        mailbox.put(Letter::Stop, Wake::Later);
        let sender = std::thread::spawn(move || mailbox.send(Letter::Stop));
        while wakes() == 0 {}
        let mut taken = 0;
        while taken < 3 {
            taken += inbox.drain().count();
        }
        sender.join().unwrap();
    }
}
