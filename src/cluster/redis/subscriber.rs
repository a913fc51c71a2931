//! What the subscriber's thread does, which passes messages to the sink.
//!
//! It sleeps in the kernel until something arrives, a subscription changes, or a PING is due. A new connection begins
//! with all subscriptions, and counts as connected when Redis has confirmed them.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use redis::Value;

use super::Shared;
use super::fault::Fault;
use super::handle::Parting;
use super::keeper::Role;
use super::publisher::unasked;
use super::queue::PANICKED;
use super::sleep::{Rest, Woken};
use super::status::{Side, State, Told};
use super::topics::{Change, Demand, Topic, Verb};
use super::wire::{self, Beat, Wire};
use crate::clock;

/// Names in one command.
const NAMES: usize = 512;
/// Values read before the thread does other work.
const VALUES: usize = 256;
/// Most due replies when another change is sent. Wishes that are withdrawn meanwhile need not be sent, so nothing piles
/// up while Redis is slow.
const DUE: usize = 1024;

/// What the subscriber reports.
#[derive(Debug)]
pub enum Incoming {
    /// A message. It comes once for each subscription that it matches.
    Message {
        /// The subscription by which it came.
        topic: Topic,
        /// The channel it was published to.
        channel: Bytes,
        /// What was published.
        payload: Bytes,
    },
    /// A message longer than allowed (`redis_message`) was skipped.
    Skipped {
        /// The channel it was published to; empty if the channel's name was too long.
        channel: Bytes,
    },
    /// Redis has confirmed a subscription: messages published from now on arrive. This comes for each subscription, and
    /// again after each reconnection, before [`Up`](Self::Up).
    Subscribed(Topic),
    /// No more messages are here for now, or many have come: do what is better done once for many.
    Pause,
    /// Redis is connected, and all subscriptions are in effect.
    Up,
    /// Redis is away; messages of others are missed.
    Down(Fault),
}

/// Why a subscription is not in effect.
#[derive(Debug)]
pub(crate) enum Loss {
    /// No subscription is in effect or will be confirmed: the connection ended, or could not be made.
    Deaf,
    /// Redis has refused this subscription.
    Refused(Topic),
    /// Somebody has [noted a loss](super::Handle::note_loss).
    Noted,
    /// Redis has confirmed the end of an unwanted subscription. It was in effect since then.
    Ended { topic: Topic, since: Instant },
}

/// The receivers of these reports.
pub(super) struct Sink {
    /// Called with each report.
    pub(super) incoming: Box<dyn FnMut(Incoming) + Send>,
    /// Called with what does not arrive any more. It does not panic.
    pub(super) lost: Box<dyn FnMut(Loss) + Send>,
}

/// The subscriber.
pub(super) struct Subscriber {
    shared: Arc<Shared>,
    sink: Sink,
    told: Told,
    /// Whether the sink has been told of a pause since the last message.
    paused: bool,
    /// Deadline for ending the subscriptions; nothing that arrives is reported then.
    parting: Option<Instant>,
}

/// A reply that is due.
#[derive(Debug)]
enum Due {
    Change(Change),
    Pong,
}

/// One connection.
pub(super) struct Listening {
    wire: Wire,
    due: VecDeque<Due>,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Not all subscriptions of its beginning are confirmed yet.
    Beginning,
    InEffect,
}

impl Role for Subscriber {
    type Talk = Listening;

    const SIDE: Side = Side::Subscriber;

    /// No attempt is worth making once this is to stop.
    fn ends(&self) -> Option<Instant> {
        self.shared.parting.get().map(|parting| parting.since)
    }

    fn begin(&mut self, wire: Wire) -> Listening {
        let mut listening = Listening { wire, due: VecDeque::new(), phase: Phase::Beginning };
        listening.send(self.shared.topics.begin());
        listening
    }

    fn step(&mut self, listening: &mut Listening, woken: Woken) -> Result<Rest, Fault> {
        listening.wire.woken(woken);
        self.part_if_asked();
        if self.has_parted(listening) { Err(Fault::Stopped) } else { self.exchange(listening) }
    }

    fn rests(&mut self) -> Option<Duration> {
        self.shared.settings.watches_promptness.then(|| self.shared.promptness.look(clock::now()))
    }

    fn end(&mut self, listening: Box<Listening>) {
        self.pause();
        listening.wire.close();
    }

    fn failed(&mut self) {
        self.shared.topics.end();
    }

    fn down(&mut self) {
        (self.sink.lost)(Loss::Deaf);
    }

    fn pausing(&mut self) {
        self.report_noted();
        self.report();
    }
}

impl Subscriber {
    pub(super) const fn new(shared: Arc<Shared>, sink: Sink) -> Self {
        Self { shared, sink, told: Told::Nothing, paused: true, parting: None }
    }

    /// Reports whether Redis is connected, if that has changed.
    fn report(&mut self) {
        match self.shared.status.news(&mut self.told) {
            Some(State::Up) => self.tell(Incoming::Up),
            Some(State::Down(fault)) => self.tell(Incoming::Down(fault)),
            Some(State::Connecting) | None => {}
        }
    }

    /// If this is to stop, all subscriptions are ended first, as far as there is time. Closing the connection says the same, but
    /// nobody knows when Redis hears of that.
    fn part_if_asked(&mut self) {
        if let (None, Some(Parting { until, .. })) = (self.parting, self.shared.parting.get().copied()) {
            self.pause();
            self.parting = Some(until);
            self.shared.topics.unwant_all();
        }
    }

    /// Whether this is to stop, and all subscriptions have ended, or there is no more time.
    fn has_parted(&self, listening: &Listening) -> bool {
        let ended = || listening.due.is_empty() && self.shared.topics.is_told();
        self.parting.is_some_and(|until| ended() || until <= clock::now())
    }

    fn exchange(&mut self, listening: &mut Listening) -> Result<Rest, Fault> {
        self.report_noted();
        let told = listening.may_be_told();
        if told {
            listening.send(self.shared.topics.take());
        }
        listening.wire.flush()?;
        for topic in self.shared.topics.resumed() {
            if self.shared.topics.in_effect(&topic).is_ok() {
                self.tell(Incoming::Subscribed(topic));
            }
        }
        for _ in 0..VALUES {
            let Some(value) = listening.wire.next()? else {
                self.pause();
                self.settle(listening);
                // Changes that were held back can be sent now.
                let more = !told && listening.may_be_told();
                return if more || self.has_parted(listening) { Ok(Rest::No) } else { self.rest(listening) };
            };
            match listening.understand(value)? {
                Meaning::Message(topic, channel, payload) => {
                    self.shared.counters.received.one();
                    self.paused = false;
                    self.tell(Incoming::Message { topic, channel, payload });
                }
                Meaning::TooLong(channel) => {
                    self.shared.counters.received.one();
                    self.tell(Incoming::Skipped { channel });
                }
                Meaning::Done(change)
                    if change.verb == Verb::Subscribe && self.shared.topics.confirm(&change.topic, change.ticket()) =>
                {
                    self.tell(Incoming::Subscribed(change.topic));
                }
                Meaning::Done(change) if change.verb == Verb::Unsubscribe => self.ended(change),
                Meaning::Refused(change) => {
                    self.shared.topics.refuse(&change.topic, change.ticket());
                    (self.sink.lost)(Loss::Refused(change.topic));
                }
                Meaning::Done(_) | Meaning::Pong => {}
            }
        }
        self.pause();
        self.settle(listening);
        Ok(Rest::No)
    }

    /// Redis has confirmed the end of a subscription.
    fn ended(&mut self, change: Change) {
        if let Some(since) = change.since().filter(|_| !self.shared.topics.is_wanted(&change.topic)) {
            (self.sink.lost)(Loss::Ended { topic: change.topic, since });
        }
    }

    /// Reports losses that others have noted.
    fn report_noted(&mut self) {
        if self.shared.noted.swap(false, Ordering::Acquire) {
            (self.sink.lost)(Loss::Noted);
        }
    }

    /// Passes something to the sink. A panic of it must not end the thread.
    fn tell(&mut self, incoming: Incoming) {
        if self.parting.is_some() {
            return;
        }
        if catch_unwind(AssertUnwindSafe(|| (self.sink.incoming)(incoming))).is_err() {
            PANICKED.write(|| "the sink for messages from Redis panicked".to_owned());
        }
    }

    /// Reports a pause after messages.
    fn pause(&mut self) {
        if !std::mem::replace(&mut self.paused, true) {
            self.tell(Incoming::Pause);
        }
    }

    /// Notes and reports the state.
    fn settle(&mut self, listening: &mut Listening) {
        if listening.phase == Phase::Beginning && listening.due.is_empty() {
            listening.phase = Phase::InEffect;
            self.shared.set_state(Side::Subscriber, State::Up);
        }
        self.report();
    }

    /// Sends a PING if one is due, otherwise lets the thread sleep.
    fn rest(&self, listening: &mut Listening) -> Result<Rest, Fault> {
        Ok(match listening.wire.beat()? {
            Beat::Ping => {
                listening.wire.push(&[b"PING"], 1);
                listening.due.push_back(Due::Pong);
                Rest::No
            }
            Beat::Rest(until) => Rest::Until(self.parting.map_or(until, |parting| parting.min(until))),
        })
    }
}

/// The meaning of a value from Redis.
#[derive(Debug)]
enum Meaning {
    Message(Topic, Bytes, Bytes),
    /// A message on this channel of which the sieve removed a part.
    TooLong(Bytes),
    Done(Change),
    Refused(Change),
    Pong,
}

impl Listening {
    /// Whether changes may be sent: Redis has handled most of the earlier ones.
    fn may_be_told(&self) -> bool {
        self.wire.is_flushed() && self.due.len() < DUE
    }

    /// Sends the changes, many names in a command.
    fn send(&mut self, changes: Vec<Change>) {
        for run in changes.chunk_by(|one, next| command(one) == command(next) && one.demand() == next.demand()) {
            // A refused name must not take others along.
            let names = if run.iter().all(|change| change.demand() == Demand::Needed) { NAMES } else { 1 };
            for part in run.chunks(names) {
                let names = part.iter().map(|change| &change.topic.name()[..]);
                let command: Vec<&[u8]> = part.first().map(command).into_iter().chain(names).collect();
                self.wire.push(&command, part.len());
            }
        }
        self.due.extend(changes.into_iter().map(Due::Change));
    }

    fn understand(&mut self, value: Value) -> Result<Meaning, Fault> {
        let mut items = match value {
            Value::Array(items) => items.into_iter(),
            // The reply to a PING while there are no subscriptions.
            Value::SimpleString(_) => return self.pong(),
            Value::ServerError(error) => return self.refused(&error),
            _ => return Err(unknown()),
        };
        let mut whole = true;
        let mut text = || match items.next() {
            Some(Value::BulkString(text)) => Ok(Bytes::from(text)),
            Some(Value::Nil) => {
                whole = false;
                Ok(Bytes::new())
            }
            _ => Err(unknown()),
        };
        match &text()?[..] {
            kind @ (b"message" | b"pmessage") => {
                let name = text()?;
                let (topic, channel) = match kind {
                    b"message" => (Topic::Channel(name.clone()), name),
                    _ => (Topic::Pattern(name), text()?),
                };
                let payload = text()?;
                Ok(if whole { Meaning::Message(topic, channel, payload) } else { Meaning::TooLong(channel) })
            }
            kind @ (b"subscribe" | b"psubscribe" | b"unsubscribe" | b"punsubscribe") => {
                let name = text()?;
                self.wire.answered();
                match self.due.pop_front() {
                    Some(Due::Change(change))
                        if command(&change).eq_ignore_ascii_case(kind) && *change.topic.name() == name =>
                    {
                        Ok(Meaning::Done(change))
                    }
                    _ => Err(unknown()),
                }
            }
            b"pong" => self.pong(),
            _ => Err(unknown()),
        }
    }

    fn pong(&mut self) -> Result<Meaning, Fault> {
        self.wire.answered();
        match self.due.pop_front() {
            Some(Due::Pong) => Ok(Meaning::Pong),
            _ => Err(unknown()),
        }
    }

    fn refused(&mut self, error: &redis::ServerError) -> Result<Meaning, Fault> {
        match self.due.pop_front() {
            // A user that may not PING is logged in all the same, and gets this answer.
            Some(Due::Pong) => {
                self.wire.answered();
                Ok(Meaning::Pong)
            }
            Some(Due::Change(change)) if change.demand() == Demand::Dispensable => {
                self.wire.answered();
                Ok(Meaning::Refused(change))
            }
            Some(Due::Change(change)) => {
                let command = match (change.verb, change.topic) {
                    (Verb::Subscribe, Topic::Channel(_)) => "SUBSCRIBE",
                    (Verb::Subscribe, Topic::Pattern(_)) => "PSUBSCRIBE",
                    (Verb::Unsubscribe, _) => "UNSUBSCRIBE",
                };
                Err(Fault::Refused { command, answer: wire::text(error) })
            }
            None => Err(unasked(Value::ServerError(error.clone()))),
        }
    }
}

fn command(change: &Change) -> &'static [u8] {
    match (change.verb, &change.topic) {
        (Verb::Subscribe, Topic::Channel(_)) => b"SUBSCRIBE",
        (Verb::Subscribe, Topic::Pattern(_)) => b"PSUBSCRIBE",
        (Verb::Unsubscribe, Topic::Channel(_)) => b"UNSUBSCRIBE",
        (Verb::Unsubscribe, Topic::Pattern(_)) => b"PUNSUBSCRIBE",
    }
}

fn unknown() -> Fault {
    Fault::Protocol("neither a message nor an answer to what was asked")
}
