//! The instances that are known, and which of their messages count. No I/O and no clock: messages come in, and what is to be
//! said and who is gone come out.
//!
//! What two instances tell each other belongs to a *pair*. Each end begins another epoch of its own when it may have missed
//! something, and greets the other with it; a message carries both ends' epochs, and its number since both are so. So
//! nothing of before is taken for something of now, and what comes is complete or the pair ends.

use std::collections::HashMap;
use std::time::Instant;

use super::envelope::{Address, Boot};
use super::instance::Instance;
use super::message::Message;
use super::seeking::Seeking;
use crate::chance::RandomState;

/// Most instances that are known. Beyond, the one that was silent longest is forgotten.
const MOST: usize = 1024;

/// After so many exchanges without an answer an instance is forgotten.
const PATIENCE: u8 = 3;

/// The instances that are known.
#[derive(Debug)]
pub(super) struct Directory {
    boot: Boot,
    /// This instance's last epoch, perhaps for one pair alone.
    epoch: u32,
    /// The epoch that was said to all.
    said: u32,
    /// The number of the last message to all.
    number: u64,
    pairs: HashMap<Instance, Pair, RandomState>,
    /// How many of them are known. It is asked for with each message.
    known: usize,
    /// Instances with which all that was under way is over, until somebody takes them.
    gone: Vec<Instance>,
    seeking: Seeking,
    /// Counts what came, to tell who was silent longest.
    tick: u64,
    /// How many heard the last HELLO to all, this instance included, as far as Redis knows, and how many answered it.
    greeted: Option<u64>,
    answers: u64,
}

/// Another instance.
#[derive(Debug)]
struct Pair {
    boot: Boot,
    /// This instance's epoch for it.
    ours: u32,
    /// Its epoch for this one; `None` while it has yet to answer.
    theirs: Option<u32>,
    /// Numbers of the last messages to it, from it, and from it to all.
    sent: u64,
    heard: u64,
    heard_by_all: u64,
    /// Exchanges in a row without an answer.
    unanswered: u8,
    last_heard: u64,
    /// Whether it has answered the last HELLO to all.
    has_answered: bool,
    /// Whether Redis does not know of its subscription, although it hears.
    is_uncounted: bool,
}

impl Pair {
    const fn is_known(&self) -> bool {
        self.theirs.is_some()
    }
}

/// What a message means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Nothing is to be done.
    Nothing,
    /// It is for the rest of the server.
    Content,
    /// This is to be said.
    Say(Say),
    /// Another process has this one's name.
    Clash,
}

/// What is to be said to an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Say {
    /// HELLO to one that knows this one, or says what is not complete.
    Hello(Instance),
    Welcome(Instance),
}

/// What became of a message, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// So many have received it.
    Received(u64),
    /// It was not published and never will be.
    Refused,
    /// It may be lost.
    Lost,
}

/// What follows from that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Consequence {
    Nothing,
    /// Nobody heard the message, or it was not published.
    Unheard,
    /// It is lost, and more may be: all must be greeted anew.
    GreetAll,
}

#[cfg(test)]
mod tests;

impl Directory {
    pub(super) fn new(boot: Boot) -> Self {
        Self {
            boot,
            epoch: 0,
            said: 0,
            number: 0,
            pairs: HashMap::default(),
            known: 0,
            gone: Vec::new(),
            seeking: Seeking::default(),
            tick: 0,
            greeted: None,
            answers: 0,
        }
    }

    /// How many other instances are known.
    pub(super) fn count(&self) -> usize {
        debug_assert_eq!(self.known, self.pairs.values().filter(|pair| pair.is_known()).count(), "known instances");
        self.known
    }

    #[cfg(test)]
    pub(super) fn knows(&self, instance: Instance) -> bool {
        self.pairs.get(&instance).is_some_and(Pair::is_known)
    }

    /// An instance with which all that was under way is over, each once.
    pub(super) fn next_gone(&mut self) -> Option<Instance> {
        self.gone.pop()
    }

    /// Whether there are such instances.
    pub(super) fn has_gone(&self) -> bool {
        !self.gone.is_empty()
    }

    /// Forgets all instances: this one hears nothing for now.
    pub(super) fn forget_all(&mut self) {
        let known = self.pairs.drain().filter(|(_, pair)| pair.is_known());
        self.gone.extend(known.map(|(instance, _)| instance));
        self.known = 0;
    }

    /// Begins another epoch for all, and forgets them until they answer. Returns the address of a HELLO to all.
    pub(super) fn greet_all(&mut self, own: Instance) -> Address {
        self.forget_all();
        self.epoch += 1;
        (self.said, self.greeted, self.answers) = (self.epoch, None, 0);
        self.seeking.clear();
        self.address_to_all(own)
    }

    /// The address of a message to all; after it was accepted comes [`said_to_all`](Self::said_to_all).
    pub(super) const fn address_to_all(&self, own: Instance) -> Address {
        let (boot, epoch, number) = (self.boot, self.said, self.number + 1);
        Address { from: own, boot, epoch, to: None, their_epoch: 0, number }
    }

    pub(super) const fn said_to_all(&mut self) {
        self.number += 1;
    }

    /// The address of a message to an instance that is known; after it was accepted comes [`sent`](Self::sent).
    pub(super) fn address(&self, own: Instance, to: Instance) -> Option<Address> {
        let pair = self.pairs.get(&to)?;
        let their_epoch = pair.theirs?;
        let number = pair.sent + 1;
        Some(Address { from: own, boot: self.boot, epoch: pair.ours, to: Some(to), their_epoch, number })
    }

    pub(super) fn sent(&mut self, to: Instance) {
        if let Some(pair) = self.pairs.get_mut(&to) {
            pair.sent += 1;
        }
    }

    /// The address of a greeting, which has no number.
    pub(super) fn greeting(&self, own: Instance, say: Say) -> Address {
        let (Say::Hello(to) | Say::Welcome(to)) = say;
        let pair = self.pairs.get(&to);
        let epoch = pair.map_or(self.said, |pair| pair.ours);
        let their_epoch = pair.and_then(|pair| pair.theirs).unwrap_or(0);
        Address { from: own, boot: self.boot, epoch, to: Some(to), their_epoch, number: 0 }
    }

    /// The address of a HELLO to an instance that is not known, unless there were too many of them lately.
    pub(super) fn seek(&mut self, own: Instance, to: Instance, now: Instant) -> Option<Address> {
        if self.said == 0 || to == own || self.pairs.contains_key(&to) || !self.seeking.may(to, now) {
            return None;
        }
        self.epoch += 1;
        self.seeking.note(to, self.epoch, now);
        let (boot, epoch) = (self.boot, self.epoch);
        Some(Address { from: own, boot, epoch, to: Some(to), their_epoch: 0, number: 0 })
    }

    /// Handles a message to this instance or to all.
    pub(super) fn hear(&mut self, own: Instance, address: &Address, message: &Message) -> Meaning {
        if address.from == own {
            return match message {
                _ if address.boot != self.boot => Meaning::Clash,
                // What it told all tells itself where that stands among what is published.
                Message::Body(_) if address.to.is_none() => Meaning::Content,
                _ => Meaning::Nothing,
            };
        }
        if address.to.is_some_and(|to| to != own) {
            return Meaning::Nothing;
        }
        self.tick += 1;
        match message {
            Message::Hello => self.hear_hello(address),
            Message::Welcome => self.hear_welcome(address),
            Message::Bye => {
                if self.pairs.get(&address.from).is_some_and(|pair| pair.boot == address.boot) {
                    self.forget(address.from);
                }
                Meaning::Nothing
            }
            Message::Body(_) | Message::Unknown => {
                let is_next = match address.to {
                    Some(_) => self.hear_one(address),
                    None => self.hear_all(address),
                };
                if is_next == Meaning::Content && *message == Message::Unknown { Meaning::Nothing } else { is_next }
            }
        }
    }

    fn hear_hello(&mut self, address: &Address) -> Meaning {
        let from = address.from;
        let ours = match self.pairs.get(&from) {
            Some(pair) if pair.boot == address.boot && pair.theirs.is_some_and(|theirs| theirs >= address.epoch) => {
                return Meaning::Nothing;
            }
            Some(pair) => pair.ours,
            None => self.epoch_for_stranger(from),
        };
        self.know(address, ours);
        Meaning::Say(Say::Welcome(from))
    }

    fn hear_welcome(&mut self, address: &Address) -> Meaning {
        let expected = match self.pairs.get(&address.from) {
            Some(pair) if pair.is_known() => None,
            Some(pair) => Some(pair.ours),
            None => Some(self.epoch_for_stranger(address.from)),
        };
        if address.to.is_some() && expected == Some(address.their_epoch) {
            self.know(address, address.their_epoch);
        }
        let is_of_now = |pair: &&mut Pair| {
            (pair.boot, pair.theirs, pair.ours) == (address.boot, Some(address.epoch), address.their_epoch)
        };
        if let Some(pair) = self.pairs.get_mut(&address.from).filter(is_of_now)
            && pair.ours == self.said
            && !std::mem::replace(&mut pair.has_answered, true)
        {
            self.answers += 1;
        }
        Meaning::Nothing
    }

    /// A message to this instance alone, which must be the next of its pair.
    fn hear_one(&mut self, address: &Address) -> Meaning {
        let (from, tick) = (address.from, self.tick);
        let Some(pair) = self.pairs.get_mut(&from) else {
            // It knows this instance, which has missed its greeting or forgotten it.
            let is_of_now = address.their_epoch >= self.said && self.said > 0;
            return if is_of_now { self.greet_anew(from, address.boot) } else { Meaning::Nothing };
        };
        let Some(theirs) = pair.theirs.filter(|_| pair.boot == address.boot) else { return Meaning::Nothing };
        // What is of a later epoch than the greeting that was heard: another greeting is missing.
        let is_of_later = address.epoch > theirs || address.their_epoch > pair.ours;
        if !is_of_later && (address.epoch, address.their_epoch) != (theirs, pair.ours) {
            return Meaning::Nothing;
        }
        if is_of_later || address.number != pair.heard + 1 {
            return self.greet_anew(from, address.boot);
        }
        (pair.heard, pair.unanswered, pair.last_heard) = (address.number, 0, tick);
        Meaning::Content
    }

    /// A message to all, which counts if it is not a repeat.
    fn hear_all(&mut self, address: &Address) -> Meaning {
        let tick = self.tick;
        match self.pairs.get_mut(&address.from) {
            Some(pair) if pair.is_known() && pair.boot == address.boot && pair.heard_by_all < address.number => {
                (pair.heard_by_all, pair.last_heard) = (address.number, tick);
                Meaning::Content
            }
            _ => Meaning::Nothing,
        }
    }

    /// This instance's epoch for one that is not known.
    fn epoch_for_stranger(&self, instance: Instance) -> u32 {
        self.seeking.epoch(instance).unwrap_or(self.said)
    }

    /// Greets one instance in an epoch of its own.
    fn greet_anew(&mut self, instance: Instance, boot: Boot) -> Meaning {
        self.epoch += 1;
        let ours = self.epoch;
        self.keep(instance, boot, ours, None);
        Meaning::Say(Say::Hello(instance))
    }

    /// The sender of a greeting is known from now on.
    fn know(&mut self, address: &Address, ours: u32) {
        self.keep(address.from, address.boot, ours, Some(address.epoch));
        if let Some(pair) = self.pairs.get_mut(&address.from)
            && address.to.is_none()
        {
            pair.heard_by_all = address.number;
        }
    }

    /// Keeps an instance; what was under way with it before is over.
    fn keep(&mut self, instance: Instance, boot: Boot, ours: u32, theirs: Option<u32>) {
        if self.pairs.len() >= MOST && !self.pairs.contains_key(&instance) {
            let silent = self.pairs.iter().min_by_key(|(_, pair)| pair.last_heard).map(|(instance, _)| *instance);
            silent.into_iter().for_each(|silent| self.forget(silent));
        }
        let last_heard = self.tick;
        let before = self.pairs.get(&instance).filter(|pair| pair.boot == boot);
        let heard_by_all = before.map_or(0, |pair| pair.heard_by_all);
        let is_uncounted = before.map_or_else(|| self.seeking.is_uncounted(instance), |pair| pair.is_uncounted);
        let pair = Pair {
            boot,
            ours,
            theirs,
            sent: 0,
            heard: 0,
            heard_by_all,
            unanswered: 0,
            last_heard,
            has_answered: false,
            is_uncounted,
        };
        self.known += usize::from(pair.is_known());
        let before = self.pairs.insert(instance, pair);
        self.part_with(instance, before);
    }

    fn forget(&mut self, instance: Instance) {
        let pair = self.pairs.remove(&instance);
        self.part_with(instance, pair);
    }

    /// What was under way with an instance is over, if anything was.
    fn part_with(&mut self, instance: Instance, pair: Option<Pair>) {
        if pair.is_some_and(|pair| pair.is_known()) {
            self.known -= 1;
            self.gone.push(instance);
        }
    }

    /// An exchange with an instance had no answer in its time.
    pub(super) fn unanswered(&mut self, instance: Instance) {
        let Some(pair) = self.pairs.get_mut(&instance) else { return };
        pair.unanswered += 1;
        if pair.unanswered >= PATIENCE {
            self.forget(instance);
        }
    }

    /// What became of a message that was sent with this address.
    pub(super) fn sent_out(&mut self, address: &Address, fate: Fate) -> Consequence {
        match (fate, address.to) {
            (Fate::Lost, _) if address.epoch >= self.said => Consequence::GreetAll,
            (Fate::Lost, _) => Consequence::Unheard,
            (Fate::Refused, to) => {
                if let Some(to) = to.filter(|to| self.is_of_now(*to, address)) {
                    self.forget(to);
                }
                Consequence::Unheard
            }
            (Fate::Received(count), None) => {
                // The first since the epoch began is HELLO.
                if address.epoch == self.said && self.greeted.is_none() {
                    self.greeted = Some(count);
                }
                Consequence::Nothing
            }
            (Fate::Received(0), Some(to)) => self.nobody_heard(to, address),
            (Fate::Received(_), Some(to)) => {
                self.pairs.get_mut(&to).into_iter().for_each(|pair| pair.is_uncounted = false);
                Consequence::Nothing
            }
        }
    }

    /// Redis knows no receiver of a message. In a Redis Cluster that may be wrong, as each node counts its own.
    fn nobody_heard(&mut self, to: Instance, address: &Address) -> Consequence {
        let miscounts = self.greeted.is_some_and(|greeted| self.answers >= greeted);
        let is_greeting = address.number == 0;
        match self.pairs.get_mut(&to) {
            Some(pair) if is_greeting => {
                pair.is_uncounted = true;
                Consequence::Nothing
            }
            Some(pair) if pair.is_uncounted || miscounts => Consequence::Nothing,
            None if is_greeting => {
                self.seeking.note_uncounted(to, address.epoch);
                Consequence::Nothing
            }
            _ => {
                if self.is_of_now(to, address) {
                    self.forget(to);
                }
                Consequence::Unheard
            }
        }
    }

    fn is_of_now(&self, to: Instance, address: &Address) -> bool {
        self.pairs
            .get(&to)
            .is_some_and(|pair| (pair.ours, pair.theirs.unwrap_or(0)) == (address.epoch, address.their_epoch))
    }
}
