//! Messages and questions that wait for the publisher. Any thread adds to the queue without blocking, and the publisher
//! empties it.
//!
//! It is bounded in bytes. When it is full, the oldest volatile messages make room, and if that is not enough, the newest
//! message is dropped. Messages leave in the order in which they came, whatever their kind.

mod waiting;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::metrics::Counters;
use super::values::{self, Errand, Refusal};
use crate::clock;

pub(super) use self::waiting::{Ask, OVERHEAD, PANICKED, Receipt, Waiting};
pub use self::waiting::{AskError, Kind};
pub(crate) use self::waiting::{Patience, Received, Uncounted, Unpublished};

/// Room for messages with a receipt that wait for a connection, beside the others: they are few and short.
const RESERVE: usize = 64 * 1024;
/// Most questions that wait for an answer, asked or not.
const ASKS: usize = 1024;
/// Room for this many messages is kept when none waits; further room, left by an outage, is given back.
const KEPT: usize = 1024;

/// Whether the publisher must be woken for an addition.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wake {
    /// It sleeps.
    Needed,
    /// It will look by itself, or can do nothing now.
    Needless,
}

/// Whether the publisher is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    Open,
    Closed,
}

#[derive(Debug)]
pub(super) struct Queue {
    most: usize,
    /// Bytes of messages with a receipt that may wait, beside the others.
    most_receipted: usize,
    counters: Arc<Counters>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    lasting: VecDeque<Waiting>,
    volatile: VecDeque<Waiting>,
    bytes: usize,
    volatile_bytes: usize,
    receipted_bytes: usize,
    /// Since when the queue has not been empty.
    since: Option<Instant>,
    order: u64,
    asks: VecDeque<Ask>,
    errands: VecDeque<Errand>,
    errand_bytes: usize,
    /// Questions without an answer, including those that were taken.
    unanswered: usize,
    line: Line,
    /// Whether the publisher sleeps and must be woken for additions.
    asleep: bool,
    /// Deadline of the last messages, at the end.
    end: Option<Instant>,
}

impl Queue {
    pub(super) fn new(most: usize, most_receipted: usize, counters: Arc<Counters>) -> Self {
        let inner = Inner {
            lasting: VecDeque::new(),
            volatile: VecDeque::new(),
            bytes: 0,
            volatile_bytes: 0,
            receipted_bytes: 0,
            since: None,
            order: 0,
            asks: VecDeque::new(),
            errands: VecDeque::new(),
            errand_bytes: 0,
            unanswered: 0,
            line: Line::Closed,
            asleep: false,
            end: None,
        };
        Self { most, most_receipted, counters, inner: Mutex::new(inner) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a message that was dropped.
    pub(super) fn dropped(&self, kind: Kind) {
        match kind {
            Kind::Volatile => self.counters.dropped_volatile.one(),
            Kind::Lasting => self.counters.dropped_lasting.one(),
        }
    }

    /// Adds a message, or drops it or older ones, by the limit. `until`: when it is useless.
    pub(super) fn push(&self, channel: Bytes, payload: Bytes, kind: Kind, until: Option<Instant>) -> Wake {
        let uncounted = Uncounted::Published;
        let message = Waiting { order: 0, channel, payload, kind, until, ask: None, uncounted, receipt: None };
        self.admit(&mut self.inner(), message).unwrap_or(Wake::Needless)
    }

    /// The same for a lasting message that `stamp` completes while the queue is locked: so stamps are in the order in which
    /// messages leave. One that is dropped is stamped, too.
    pub(super) fn push_stamped(&self, channel: Bytes, mut payload: Vec<u8>, stamp: impl FnOnce(&mut [u8])) -> Wake {
        let mut inner = self.inner();
        stamp(&mut payload);
        let (kind, uncounted) = (Kind::Lasting, Uncounted::Published);
        let (payload, until, ask, receipt) = (payload.into(), None, None, None);
        let message = Waiting { order: 0, channel, payload, kind, until, ask, uncounted, receipt };
        self.admit(&mut inner, message).unwrap_or(Wake::Needless)
    }

    /// The same for a message whose receivers are counted. The question is returned with the reason if it cannot be
    /// asked.
    pub(super) fn push_counted(
        &self,
        channel: Bytes,
        payload: Bytes,
        ask: Ask,
        uncounted: Uncounted,
    ) -> (Wake, Option<(Ask, AskError)>) {
        let mut inner = self.inner();
        let kind = Kind::Lasting;
        let mut message =
            Waiting { order: 0, channel, payload, kind, until: None, ask: None, uncounted, receipt: None };
        if let Some(error) = inner.refusal() {
            let published = uncounted == Uncounted::Published;
            let woken = if published { self.admit(&mut inner, message).ok() } else { None };
            return (woken.unwrap_or(Wake::Needless), Some((ask, error)));
        }
        message.ask = Some(Box::new(ask));
        match self.admit(&mut inner, message) {
            Ok(woken) => {
                inner.unanswered += 1;
                (woken, None)
            }
            Err(message) => (Wake::Needless, message.ask.map(|ask| (*ask, AskError::NoRoom))),
        }
    }

    /// Adds a message with a receipt, which is returned with the reason if the message is not accepted.
    pub(super) fn push_receipted(
        &self,
        channel: Bytes,
        payload: Bytes,
        receipt: Receipt,
    ) -> Result<Wake, (Receipt, Unpublished)> {
        let mut inner = self.inner();
        let size = channel.len() + payload.len() + OVERHEAD;
        if inner.end.is_some() || inner.line == Line::Closed && receipt.patience == Patience::Fails {
            return Err((receipt, Unpublished::Away));
        }
        let reserve = if receipt.patience == Patience::Waits { RESERVE } else { 0 };
        if inner.receipted_bytes + size > self.most_receipted.saturating_add(reserve) {
            return Err((receipt, Unpublished::Full));
        }
        let (order, kind, uncounted) = (inner.order, Kind::Lasting, Uncounted::Published);
        let receipt = Some(Box::new(receipt));
        let message = Waiting { order, channel, payload, kind, until: None, ask: None, uncounted, receipt };
        inner.order += 1;
        inner.remember(&message);
        inner.lasting.push_back(message);
        Ok(inner.wake())
    }

    /// Whether less than half of what may wait with receipts does.
    pub(super) fn has_room_for_receipted(&self) -> bool {
        self.inner().receipted_bytes <= self.most_receipted / 2
    }

    /// Adds a message, or returns it if there is no room.
    fn admit(&self, inner: &mut Inner, message: Waiting) -> Result<Wake, Waiting> {
        let message = Waiting { order: inner.order, ..message };
        let (size, kind) = (message.size(), message.kind);
        let room_at_best = self.most.saturating_sub(inner.bytes - inner.volatile_bytes);
        if inner.end.is_some() || size > room_at_best {
            self.dropped(kind);
            return Err(message);
        }
        while inner.bytes + size > self.most {
            // There is one, because without them there would be room.
            let Some(oldest) = inner.volatile.pop_front() else { break };
            inner.forget(&oldest);
            self.dropped(Kind::Volatile);
        }
        inner.order += 1;
        inner.remember(&message);
        match kind {
            Kind::Volatile => inner.volatile.push_back(message),
            Kind::Lasting => inner.lasting.push_back(message),
        }
        Ok(inner.wake())
    }

    /// Adds a question. The publisher must be woken in any case. The question is returned with the reason if it cannot
    /// be asked.
    pub(super) fn ask(&self, ask: Ask) -> Result<(), (Ask, AskError)> {
        let mut inner = self.inner();
        if let Some(error) = inner.refusal() {
            return Err((ask, error));
        }
        inner.unanswered += 1;
        inner.asks.push_back(ask);
        Ok(())
    }

    /// Adds an errand. The publisher must be woken in any case. The errand is returned with the reason if it cannot be run.
    pub(super) fn run(&self, errand: Errand) -> Result<(), (Errand, Refusal)> {
        let mut inner = self.inner();
        if inner.line == Line::Closed || inner.end.is_some() {
            return Err((errand, Refusal::Away));
        }
        let bytes = inner.errand_bytes + errand.size();
        if bytes > values::MOST {
            return Err((errand, Refusal::Full));
        }
        inner.errand_bytes = bytes;
        inner.errands.push_back(errand);
        Ok(())
    }

    /// Takes the errands that wait.
    pub(super) fn errands(&self) -> VecDeque<Errand> {
        let mut inner = self.inner();
        inner.errand_bytes = 0;
        std::mem::take(&mut inner.errands)
    }

    /// A taken question has its answer.
    pub(super) fn answered(&self) {
        let mut inner = self.inner();
        inner.unanswered = inner.unanswered.saturating_sub(1);
    }

    /// Takes the questions, and messages of `room` bytes, at least one if there is any room.
    pub(super) fn take(&self, mut room: usize, messages: &mut Vec<Waiting>) -> VecDeque<Ask> {
        let mut inner = self.inner();
        while room > 0
            && let Some(message) = inner.pop()
        {
            room = room.saturating_sub(message.size());
            messages.push(message);
        }
        if inner.waiting_bytes() == 0 {
            inner.lasting.shrink_to(KEPT);
            inner.volatile.shrink_to(KEPT);
        }
        std::mem::take(&mut inner.asks)
    }

    /// Puts back the messages that were taken last, in order: they have not been sent. Returns the receipts of those that are
    /// of no use later.
    pub(super) fn give_back(&self, messages: impl DoubleEndedIterator<Item = Waiting>) -> Vec<Receipt> {
        let mut inner = self.inner();
        let mut failed = Vec::new();
        for mut message in messages.rev() {
            if !message.may_wait() {
                failed.extend(message.receipt.take().map(|receipt| *receipt));
                continue;
            }
            inner.remember(&message);
            match message.kind {
                Kind::Volatile => inner.volatile.push_front(message),
                Kind::Lasting => inner.lasting.push_front(message),
            }
        }
        failed
    }

    /// Notes that the publisher is about to sleep and must be woken for additions; `false` if something has been added
    /// already.
    pub(super) fn may_sleep(&self) -> bool {
        let mut inner = self.inner();
        inner.asleep = inner.is_empty();
        inner.asleep
    }

    /// Notes whether there is a connection. When it ends, waiting questions are returned, and the receipts of messages that
    /// do not wait; whoever took the others answers them.
    pub(super) fn set_line(&self, line: Line) -> (VecDeque<Ask>, Vec<Receipt>) {
        let mut inner = self.inner();
        inner.line = line;
        // Without a connection there is no reason to wake it.
        inner.asleep = false;
        inner.unanswered = 0;
        if line == Line::Closed { inner.take_unanswered() } else { Default::default() }
    }

    /// Accepts no more, and lets waiting messages leave until this instant.
    pub(super) fn end(&self, until: Instant) {
        let mut inner = self.inner();
        inner.end = Some(inner.end.map_or(until, |end| end.min(until)));
    }

    /// At the end: until when there is something to do, that is, until nothing waits or the time is up.
    pub(super) fn ends(&self) -> Option<Instant> {
        let inner = self.inner();
        inner.end.map(|end| if inner.is_empty() { clock::now().min(end) } else { end })
    }

    /// At the end: the deadline of sent messages.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.inner().end
    }

    /// Drops the rest, and returns its receipts.
    pub(super) fn clear(&self) -> Vec<Receipt> {
        let mut inner = self.inner();
        let mut receipts = Vec::new();
        while let Some(message) = inner.pop() {
            match message.receipt {
                Some(receipt) => receipts.push(*receipt),
                None => self.dropped(message.kind),
            }
        }
        receipts
    }

    /// Waiting bytes.
    pub(super) fn bytes(&self) -> usize {
        self.inner().waiting_bytes()
    }

    /// How long the queue has not been empty.
    pub(super) fn lag(&self) -> Duration {
        self.inner().since.map_or(Duration::ZERO, |since| clock::now() - since)
    }
}

impl Inner {
    fn is_empty(&self) -> bool {
        self.lasting.is_empty() && self.volatile.is_empty() && self.asks.is_empty() && self.errands.is_empty()
    }

    /// Why nothing can be asked now.
    fn refusal(&self) -> Option<AskError> {
        if self.line == Line::Closed || self.end.is_some() {
            return Some(AskError::Away);
        }
        (self.unanswered >= ASKS).then_some(AskError::Full)
    }

    /// Takes the waiting questions, with the messages that need them, and the messages that do not wait for another
    /// connection; of these, the receipts.
    fn take_unanswered(&mut self) -> (VecDeque<Ask>, Vec<Receipt>) {
        let (mut asks, mut receipts) = (std::mem::take(&mut self.asks), Vec::new());
        for mut message in std::mem::take(&mut self.lasting) {
            asks.extend(message.ask.take().map(|ask| *ask));
            if message.may_wait() {
                self.lasting.push_back(message);
            } else {
                self.forget(&message);
                receipts.extend(message.receipt.map(|receipt| *receipt));
            }
        }
        (asks, receipts)
    }

    fn wake(&mut self) -> Wake {
        if std::mem::take(&mut self.asleep) { Wake::Needed } else { Wake::Needless }
    }

    /// Takes the oldest message.
    fn pop(&mut self) -> Option<Waiting> {
        let message = match (self.lasting.front(), self.volatile.front()) {
            (Some(lasting), Some(volatile)) if volatile.order < lasting.order => self.volatile.pop_front(),
            (None, _) => self.volatile.pop_front(),
            _ => self.lasting.pop_front(),
        }?;
        self.forget(&message);
        Some(message)
    }

    fn remember(&mut self, message: &Waiting) {
        self.since.get_or_insert_with(Instant::now);
        let size = message.size();
        *self.account(message) += size;
        if message.kind == Kind::Volatile {
            self.volatile_bytes += size;
        }
    }

    fn forget(&mut self, message: &Waiting) {
        let size = message.size();
        *self.account(message) -= size;
        if message.kind == Kind::Volatile {
            self.volatile_bytes -= size;
        }
        if self.waiting_bytes() == 0 {
            self.since = None;
        }
    }

    /// The bytes among which a message counts.
    const fn account(&mut self, message: &Waiting) -> &mut usize {
        if message.receipt.is_some() { &mut self.receipted_bytes } else { &mut self.bytes }
    }

    const fn waiting_bytes(&self) -> usize {
        self.bytes + self.receipted_bytes
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, TryRecvError, channel};

    use super::*;

    /// A queue with room for `count` messages of one byte.
    fn queue(count: usize) -> Queue {
        Queue::new(count * (1 + OVERHEAD), count * (1 + OVERHEAD), Arc::default())
    }

    fn push(queue: &Queue, payload: &'static str, kind: Kind) -> Wake {
        queue.push(Bytes::new(), Bytes::from(payload), kind, None)
    }

    fn fill(queue: &Queue, messages: &[(&'static str, Kind)]) {
        for (payload, kind) in messages {
            assert_eq!(push(queue, payload, *kind), Wake::Needless);
        }
    }

    fn taken(queue: &Queue, room: usize) -> Vec<Waiting> {
        let mut messages = Vec::new();
        queue.take(room, &mut messages);
        messages
    }

    fn text(messages: &[Waiting]) -> String {
        messages.iter().map(|message| std::str::from_utf8(&message.payload).unwrap()).collect()
    }

    fn drops(queue: &Queue) -> (u64, u64) {
        let counted = queue.counters.read();
        (counted.dropped_volatile, counted.dropped_lasting)
    }

    use Kind::{Lasting, Volatile};

    #[test]
    fn messages_leave_in_the_order_in_which_they_came() {
        let queue = queue(9);
        fill(&queue, &[("a", Lasting), ("b", Volatile), ("c", Volatile), ("d", Lasting), ("e", Volatile)]);
        assert_eq!(text(&taken(&queue, usize::MAX)), "abcde");
        assert_eq!(queue.bytes(), 0);
    }

    #[test]
    fn stamps_are_in_order_and_dropped_messages_have_theirs() {
        let queue = queue(2);
        let mut stamps = "abcd".bytes();
        let mut stamped = || {
            let stamp = |message: &mut [u8]| message.copy_from_slice(&[stamps.next().unwrap()]);
            assert_eq!(queue.push_stamped(Bytes::new(), vec![0], stamp), Wake::Needless);
        };
        (0..3).for_each(|_| stamped());
        assert_eq!((text(&taken(&queue, usize::MAX)).as_str(), drops(&queue)), ("ab", (0, 1)));
        stamped();
        assert_eq!(text(&taken(&queue, usize::MAX)), "d");
    }

    #[test]
    fn at_the_bound_the_oldest_volatile_goes_then_the_newest() {
        let queue = queue(3);
        fill(&queue, &[("a", Lasting), ("b", Volatile), ("c", Volatile), ("d", Lasting)]);
        assert_eq!(drops(&queue), (1, 0));
        fill(&queue, &[("e", Volatile), ("f", Lasting), ("g", Lasting), ("h", Volatile)]);
        assert_eq!(drops(&queue), (4, 1), "b, c, e and h; g");
        assert_eq!(text(&taken(&queue, usize::MAX)), "adf");
    }

    #[test]
    fn a_message_without_room_drops_no_others_in_vain() {
        let queue = queue(3);
        fill(&queue, &[("a", Lasting), ("b", Volatile)]);
        let long = Bytes::from(vec![0; 3 * (1 + OVERHEAD)]);
        assert_eq!(queue.push(Bytes::new(), long, Lasting, None), Wake::Needless);
        assert_eq!(drops(&queue), (0, 1));
        assert_eq!(text(&taken(&queue, usize::MAX)), "ab");
    }

    #[test]
    fn what_was_taken_and_not_sent_comes_first_again() {
        let queue = queue(9);
        fill(&queue, &[("a", Lasting), ("b", Volatile), ("c", Lasting), ("d", Volatile), ("e", Lasting)]);
        let mut sent = taken(&queue, 3 * (1 + OVERHEAD)).into_iter();
        assert_eq!(sent.next().map(|message| message.payload), Some(Bytes::from("a")));
        assert!(queue.give_back(sent).is_empty());
        fill(&queue, &[("f", Lasting)]);
        assert_eq!(text(&taken(&queue, usize::MAX)), "bcdef");
        assert_eq!(queue.bytes(), 0);
    }

    #[test]
    fn a_message_longer_than_the_room_is_taken_alone() {
        let queue = queue(9);
        fill(&queue, &[("a", Lasting), ("b", Lasting)]);
        assert_eq!(text(&taken(&queue, 1)), "a");
        assert_eq!(text(&taken(&queue, 0)), "");
    }

    /// Adds a message with a receipt, and tells what becomes of it.
    fn push_receipted(queue: &Queue, payload: &'static str, patience: Patience) -> Receiver<Result<u64, Unpublished>> {
        let (sender, outcome) = channel();
        let receipt = Receipt { patience, received: Box::new(move |outcome| sender.send(outcome).unwrap()) };
        if let Err((receipt, error)) = queue.push_receipted(Bytes::new(), payload.into(), receipt) {
            receipt.tell(Err(error));
        }
        outcome
    }

    use Patience::{Fails, Waits};

    #[test]
    fn messages_with_a_receipt_leave_in_order_and_count_apart() {
        let queue = queue(2);
        let _ = queue.set_line(Line::Open);
        fill(&queue, &[("a", Lasting)]);
        let outcomes = ["b", "c", "-"].map(|payload| push_receipted(&queue, payload, Fails));
        fill(&queue, &[("d", Lasting), ("-", Lasting)]);
        assert_eq!(outcomes[2].try_recv(), Ok(Err(Unpublished::Full)));
        assert_eq!((drops(&queue), queue.bytes()), ((0, 1), 4 * (1 + OVERHEAD)));
        let mut messages = taken(&queue, usize::MAX);
        assert_eq!((text(&messages).as_str(), queue.bytes()), ("abcd", 0));
        messages.remove(1).receipt.unwrap().tell(Ok(3));
        assert_eq!((outcomes[0].try_recv(), outcomes[1].try_recv()), (Ok(Ok(3)), Err(TryRecvError::Empty)));
    }

    #[test]
    fn without_a_connection_only_patient_messages_wait() {
        let queue = queue(9);
        assert_eq!(push_receipted(&queue, "-", Fails).try_recv(), Ok(Err(Unpublished::Away)));
        let patient = push_receipted(&queue, "a", Waits);
        let _ = queue.set_line(Line::Open);
        let outcomes = [("b", Fails), ("c", Waits), ("d", Fails)].map(|(text, how)| push_receipted(&queue, text, how));
        let mut sent = taken(&queue, 2 * (1 + OVERHEAD));
        assert_eq!(text(&sent), "ab");
        for receipt in queue.give_back(sent.drain(..)).into_iter().chain(queue.set_line(Line::Closed).1) {
            receipt.tell(Err(Unpublished::Lost));
        }
        assert_eq!(outcomes[0].try_recv(), Ok(Err(Unpublished::Lost)));
        assert_eq!(outcomes[2].try_recv(), Ok(Err(Unpublished::Lost)));
        assert_eq!(text(&taken(&queue, usize::MAX)), "ac");
        assert!(patient.try_recv().is_err() && outcomes[1].try_recv().is_err());
    }

    #[test]
    fn only_a_sleeping_publisher_is_woken_and_only_once() {
        let queue = queue(9);
        assert!(queue.may_sleep());
        assert_eq!(push(&queue, "a", Lasting), Wake::Needed);
        assert_eq!(push(&queue, "b", Lasting), Wake::Needless);
        assert!(!queue.may_sleep());
    }

    #[test]
    fn an_ending_queue_takes_nothing_and_is_done_when_empty() {
        let queue = queue(9);
        fill(&queue, &[("a", Lasting)]);
        queue.end(clock::now() + std::time::Duration::from_secs(60));
        fill(&queue, &[("b", Lasting)]);
        assert_eq!(drops(&queue), (0, 1));
        assert!(queue.ends().is_some_and(|end| end > clock::now()));
        taken(&queue, usize::MAX);
        assert!(queue.ends().is_some_and(|end| end <= clock::now()));
    }

    #[test]
    fn nothing_is_asked_without_a_connection() {
        let queue = queue(9);
        let ask = || Ask { channels: vec![], until: clock::now(), reply: Box::new(|_| {}) };
        assert_eq!(queue.ask(ask()).unwrap_err().1, AskError::Away);
        let _ = queue.set_line(Line::Open);
        for _ in 0..ASKS {
            assert!(queue.ask(ask()).is_ok());
        }
        assert_eq!(queue.take(0, &mut Vec::new()).len(), ASKS);
        assert_eq!(queue.ask(ask()).unwrap_err().1, AskError::Full);
        queue.answered();
        assert!(queue.ask(ask()).is_ok());
        assert_eq!(queue.set_line(Line::Closed).0.len(), 1);
    }

    #[test]
    fn errands_are_bounded_by_their_bytes_and_need_a_connection() {
        let queue = queue(9);
        let keep = |length| {
            let (key, value, time) = (Bytes::new(), Bytes::from(vec![0; length]), Duration::MAX);
            queue.run(Errand::Keep { key, value, time }).map_err(|(_, refusal)| refusal)
        };
        assert_eq!(keep(1), Err(Refusal::Away));
        let _ = queue.set_line(Line::Open);
        // As many small ones as a server may have lost sockets.
        assert!((0..20_000).all(|_| keep(400).is_ok()));
        assert_eq!(keep(values::MOST), Err(Refusal::Full));
        assert_eq!(queue.errands().len(), 20_000);
        assert_eq!(keep(values::MOST / 2), Ok(()));
        queue.end(clock::now());
        assert_eq!(keep(1), Err(Refusal::Away));
    }
}
