//! What the publisher's thread does, which also asks for numbers of subscribers.
//!
//! It takes messages from the queue, writes them in one go, one PUBLISH each, and reads the replies as they come. At
//! most [`WINDOW`] bytes are unconfirmed. When the connection breaks, messages that the socket had taken are uncertain:
//! Redis may have published them or not. They are counted and not sent again, so each message is published at most
//! once. A message that the socket had not taken completely goes back to the queue, in order.
//!
//! The connection has the same heartbeat as the subscriber's: a PING after a silence of `redis_ping_interval`. Redis
//! may be set to close idle connections, and a dead connection must be found before the next message is sent.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use log::Level;
use redis::Value;

use super::Shared;
use super::fault::Fault;
use super::keeper::Role;
use super::queue::{Ask, AskError, Line, Queue, Receipt, Unpublished, Waiting};
use super::sleep::{Rest, Woken};
use super::status::{Side, State};
use super::values::{self, Errand, TakenOut};
use super::wire::{self, Beat, Wire};
use crate::clock;
use crate::log_line::{Excerpt, LineKind};

static UNKEPT: LineKind = LineKind::each_minute(Level::Warn, module_path!(), "lost sockets that Redis did not keep");
static UNTAKEN: LineKind =
    LineKind::each_minute(Level::Warn, module_path!(), "lost sockets that Redis did not give away");

/// Most unconfirmed bytes of messages; at most this much is uncertain when a connection breaks.
const WINDOW: usize = 256 * 1024;

/// The publisher. It ends when it must and nothing waits, or when its time is up.
pub(super) struct Publisher {
    shared: Arc<Shared>,
}

impl Publisher {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

impl Role for Publisher {
    type Talk = Talk;

    const SIDE: Side = Side::Publisher;

    fn ends(&self) -> Option<Instant> {
        self.shared.queue.ends()
    }

    fn begin(&mut self, wire: Wire) -> Talk {
        let talk = Talk::new(&self.shared, wire);
        // A listener that hears that Redis is connected may ask at once, so it is told when questions are accepted.
        self.shared.set_state(Side::Publisher, State::Up);
        talk
    }

    fn step(&mut self, talk: &mut Talk, woken: Woken) -> Result<Rest, Fault> {
        talk.wire.woken(woken);
        if talk.is_done() { Err(Fault::Stopped) } else { talk.step() }
    }

    fn end(&mut self, talk: Box<Talk>) {
        talk.end();
    }

    fn finish(&mut self) {
        tell_lost(self.shared.queue.clear());
    }
}

/// A sent command without a reply.
enum Sent {
    Message(Waiting),
    /// A question, by its number in [`Talk::asked`].
    Ask(u64),
    Ping,
    /// A value to keep.
    Keep,
    /// The key of a value to take out.
    Take(Bytes, TakenOut),
    /// A command of a transaction, and its end.
    Queued,
    Exec(TakenOut),
}

/// The exchange over one connection.
pub(super) struct Talk {
    shared: Arc<Shared>,
    wire: Wire,
    /// Sent commands in the order of their replies, each with the place in the stream where it ends.
    flight: VecDeque<(u64, Sent)>,
    /// Bytes of its messages.
    in_flight: usize,
    /// Its questions whose time is not up.
    asked: Vec<(u64, Ask)>,
    number: u64,
    refusals: u64,
    /// Whether Redis is older than GETDEL (6.2), or does not allow it.
    lacks_getdel: bool,
}

impl Talk {
    /// From here on questions are accepted, until its end.
    fn new(shared: &Arc<Shared>, wire: Wire) -> Self {
        shared.queue.set_line(Line::Open);
        let (shared, flight, asked) = (Arc::clone(shared), VecDeque::new(), Vec::new());
        Self { shared, wire, flight, in_flight: 0, asked, number: 0, refusals: 0, lacks_getdel: false }
    }

    /// Whether it must end, and everything is published or the time is up.
    fn is_done(&self) -> bool {
        let ends = if self.flight.is_empty() { self.shared.queue.ends() } else { self.shared.queue.deadline() };
        ends.is_some_and(|end| end <= clock::now())
    }

    fn step(&mut self) -> Result<Rest, Fault> {
        self.fill();
        self.wire.flush()?;
        while let Some(value) = self.wire.next()? {
            self.take(value)?;
        }
        let next_expiry = self.expire();
        let mut until = match self.wire.beat()? {
            Beat::Rest(until) => until,
            Beat::Ping => {
                let end = self.wire.push(&[b"PING"], 1);
                self.flight.push_back((end, Sent::Ping));
                return Ok(Rest::No);
            }
        };
        if self.is_done() || self.room() > 0 && !self.shared.queue.may_sleep() {
            return Ok(Rest::No);
        }
        for instant in [next_expiry, self.shared.queue.deadline()].into_iter().flatten() {
            until = until.min(instant);
        }
        Ok(Rest::Until(until))
    }

    /// Bytes of messages that may be sent now.
    fn room(&self) -> usize {
        if self.wire.is_flushed() { WINDOW.saturating_sub(self.in_flight) } else { 0 }
    }

    /// Takes messages from the queue that may be sent.
    fn fill(&mut self) {
        let mut messages = Vec::new();
        for ask in self.shared.queue.take(self.room(), &mut messages) {
            self.ask(ask);
        }
        self.shared.queue.errands().into_iter().for_each(|errand| self.run(errand));
        for mut message in messages {
            if message.is_stale() {
                self.shared.queue.dropped(message.kind);
                continue;
            }
            // Right before the message, so that no server comes or goes in between: Redis executes all commands that it
            // has received from one connection before it turns to another.
            if let Some(ask) = message.ask.take() {
                if message.is_too_late(&ask) {
                    self.shared.queue.answered();
                    ask.answer(Err(AskError::Timeout));
                    continue;
                }
                self.ask(*ask);
            }
            let end = self.wire.push(&[b"PUBLISH", &message.channel, &message.payload], 1);
            self.in_flight += message.size();
            self.flight.push_back((end, Sent::Message(message)));
        }
    }

    fn run(&mut self, errand: Errand) {
        match errand {
            Errand::Keep { key, value, time } => {
                let time = time.as_millis().max(1).to_string();
                self.send(&[b"SET", &key, &value, b"PX", time.as_bytes()], Sent::Keep);
            }
            Errand::Take { key, taken } if self.lacks_getdel => {
                self.send(&[b"MULTI"], Sent::Queued);
                self.send(&[b"GET", &key], Sent::Queued);
                self.send(&[b"DEL", &key], Sent::Queued);
                self.send(&[b"EXEC"], Sent::Exec(taken));
            }
            Errand::Take { key, taken } => {
                let sent = Sent::Take(key.clone(), taken);
                self.send(&[b"GETDEL", &key], sent);
            }
        }
    }

    fn send(&mut self, command: &[&[u8]], sent: Sent) {
        let end = self.wire.push(command, 1);
        self.flight.push_back((end, sent));
    }

    fn ask(&mut self, ask: Ask) {
        let command: [&[u8]; 2] = [b"PUBSUB", b"NUMSUB"];
        let command: Vec<&[u8]> = command.into_iter().chain(ask.channels.iter().map(|channel| &channel[..])).collect();
        let end = self.wire.push(&command, 1);
        self.number += 1;
        self.flight.push_back((end, Sent::Ask(self.number)));
        self.asked.push((self.number, ask));
    }

    /// Takes a reply.
    fn take(&mut self, value: Value) -> Result<(), Fault> {
        let Some((_, sent)) = self.flight.pop_front() else {
            return Err(unasked(value));
        };
        self.wire.answered();
        match (sent, value) {
            (Sent::Message(message), Value::Int(receivers)) => {
                self.in_flight -= message.size();
                self.shared.counters.published.one();
                tell(message.receipt, Ok(u64::try_from(receivers).unwrap_or(0)));
            }
            (Sent::Message(message), Value::ServerError(error)) => {
                self.in_flight -= message.size();
                self.shared.counters.refused.one();
                tell(message.receipt, Err(Unpublished::Refused));
                self.refusals += 1;
                if self.refusals == 1 {
                    log::warn!(
                        "Redis refuses to publish, the metric `refused` counts how often: {}",
                        Excerpt(wire::text(&error))
                    );
                }
            }
            (Sent::Message(_), _) => return Err(Fault::Protocol("no answer to PUBLISH")),
            (Sent::Ask(number), value) => {
                if let Some(place) = self.asked.iter().position(|(asked, _)| *asked == number) {
                    let (_, ask) = self.asked.swap_remove(place);
                    self.shared.queue.answered();
                    ask.answer(counts(value));
                }
            }
            (Sent::Take(key, taken), value) if values::is_refused_command(&value) => {
                self.lacks_getdel = true;
                self.run(Errand::Take { key, taken });
            }
            (Sent::Take(_, taken) | Sent::Exec(taken), value) => {
                note_refusal(&UNTAKEN, "take a lost socket (GETDEL; or MULTI, GET, DEL and EXEC)", &value);
                values::tell(taken, values::value(value));
            }
            (Sent::Keep, value) => note_refusal(&UNKEPT, "keep a lost socket (SET)", &value),
            (Sent::Ping | Sent::Queued, _) => {}
        }
        Ok(())
    }

    /// Answers the questions whose time is up; returns the deadline of the next.
    fn expire(&mut self) -> Option<Instant> {
        if self.asked.is_empty() {
            return None;
        }
        let now = clock::now();
        for (_, ask) in self.asked.extract_if(.., |(_, ask)| ask.until <= now) {
            self.shared.queue.answered();
            ask.answer(Err(AskError::Timeout));
        }
        self.asked.iter().map(|(_, ask)| ask.until).min()
    }

    fn end(mut self) {
        for (_, sent) in &mut self.flight {
            if matches!(sent, Sent::Take(..) | Sent::Exec(_))
                && let Sent::Take(_, taken) | Sent::Exec(taken) = std::mem::replace(sent, Sent::Queued)
            {
                values::tell(taken, None);
            }
        }
        let unconfirmed = self.flight.iter().filter(|(_, sent)| matches!(sent, Sent::Keep)).count();
        if unconfirmed > 0 {
            log::warn!("{unconfirmed} lost sockets were on their way to Redis, and may not be kept there");
        }
        let (uncertain, mut failed) = land(self.flight, self.wire.handed(), &self.shared.queue);
        if uncertain > 0 {
            self.shared.counters.uncertain.add(uncertain as u64);
            log::warn!("{uncertain} messages were on their way to Redis and may be lost");
        }
        let (waiting, unpublished) = self.shared.queue.set_line(Line::Closed);
        failed.extend(unpublished);
        tell_lost(failed);
        self.shared.queue.errands().into_iter().for_each(Errand::fail);
        for ask in self.asked.into_iter().map(|(_, ask)| ask).chain(waiting) {
            ask.answer(Err(AskError::Away));
        }
        self.wire.close();
    }
}

/// Warns if Redis does not keep lost sockets, or give them away.
fn note_refusal(kind: &'static LineKind, refused: &str, answer: &Value) {
    if let Value::ServerError(error) = answer {
        kind.write(|| {
            format!(
                "Redis refuses to {refused}, so clients of servers that end are not recovered: {}",
                Excerpt(wire::text(error))
            )
        });
    }
}

/// Tells a message's sender what became of it, if it wants to know.
fn tell(receipt: Option<Box<Receipt>>, outcome: Result<u64, Unpublished>) {
    if let Some(receipt) = receipt {
        receipt.tell(outcome);
    }
}

/// Tells that messages may not have reached Redis.
fn tell_lost(receipts: Vec<Receipt>) {
    receipts.into_iter().for_each(|receipt| receipt.tell(Err(Unpublished::Lost)));
}

/// After the stream took this many bytes and broke, returns to the queue the messages in flight that have certainly not
/// reached Redis. Returns how many messages may have reached it, and the receipts of all that will not be sent again.
fn land(flight: VecDeque<(u64, Sent)>, handed: u64, queue: &Queue) -> (usize, Vec<Receipt>) {
    let messages = flight.into_iter().filter_map(|(end, sent)| match sent {
        Sent::Message(message) => Some((end, message)),
        _ => None,
    });
    let (uncertain, unsent): (Vec<_>, Vec<_>) = messages.partition(|(end, _)| *end <= handed);
    let mut receipts = queue.give_back(unsent.into_iter().map(|(_, message)| message));
    let count = uncertain.len();
    receipts.extend(uncertain.into_iter().filter_map(|(_, message)| message.receipt.map(|receipt| *receipt)));
    (count, receipts)
}

/// A value from Redis without a command.
pub(super) fn unasked(value: Value) -> Fault {
    match value {
        Value::ServerError(error) => Fault::Refused { command: "the connection", answer: wire::text(&error) },
        _ => Fault::Protocol("a reply to nothing"),
    }
}

/// The numbers in the answer to `PUBSUB NUMSUB`.
fn counts(value: Value) -> Result<Vec<u64>, AskError> {
    let none = || AskError::Refused("no number".to_owned());
    let number = |pair: &[Value]| match pair {
        [_, Value::Int(count)] => Ok(u64::try_from(*count).unwrap_or(0)),
        _ => Err(none()),
    };
    match value {
        Value::ServerError(error) => Err(AskError::Refused(wire::text(&error))),
        Value::Array(items) => items.chunks(2).map(number).collect(),
        _ => Err(none()),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::queue::Kind;
    use super::*;

    #[test]
    fn what_was_taken_and_not_sent_goes_back_in_its_order() {
        let queue = Queue::new(usize::MAX, 0, Arc::default());
        let push = |text: &'static str, kind| queue.push(Bytes::new(), Bytes::from(text), kind, None);
        let text =
            |messages: Vec<Waiting>| -> Vec<u8> { messages.iter().flat_map(|one| one.payload.to_vec()).collect() };
        for (text, kind) in [("a", Kind::Lasting), ("b", Kind::Volatile), ("c", Kind::Lasting), ("d", Kind::Lasting)] {
            let _ = push(text, kind);
        }
        let _ = push("e", Kind::Volatile);
        let mut messages = Vec::new();
        queue.take(usize::MAX, &mut messages);
        let _ = push("f", Kind::Lasting);
        // Each ends ten bytes after the one before; the second had left in part when the connection broke.
        let mut flight: VecDeque<_> =
            (1..).map(|place| place * 10).zip(messages.into_iter().map(Sent::Message)).collect();
        flight.insert(1, (10, Sent::Ping));
        assert_eq!(land(flight, 15, &queue).0, 1);
        let mut messages = Vec::new();
        queue.take(usize::MAX, &mut messages);
        assert_eq!(text(messages), b"bcdef");
    }
}
