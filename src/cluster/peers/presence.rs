//! This instance among the others: it greets them, speaks to them, and learns what became of that.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use log::Level;

use super::directory::{Consequence, Directory, Fate, Meaning, Say};
use super::envelope::{Address, Boot, Draft};
use super::instance::{Instance, OwnInstance};
use super::key::Key;
use super::message::Message;
use crate::clock;
use crate::cluster::redis::{self, AskError, Patience, Standing, Topic, Unpublished};
use crate::log_line::LineKind;

static CLASH: LineKind = LineKind::new(Level::Error, module_path!(), "messages of another server with this one's name");

/// How long Redis may take to say whether another instance has this one's name.
const CHECK: Duration = Duration::from_secs(2);

/// Why a message was not heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unheard {
    /// The instance is not known, or does not hear any more.
    Gone,
    /// Redis is away, or the connection ended: then perhaps it was heard.
    Away,
    /// Redis refuses to publish it.
    Refused,
    /// Too much waits to be published already ([`Limits::relay_queue`](crate::Limits::relay_queue)).
    Full,
    /// It is longer than that, or than what others take.
    TooLong,
}

/// Called if a message was not heard.
pub(super) type OnUnheard = Box<dyn FnOnce(Unheard) + Send>;

/// This instance among the others.
pub(super) struct Presence {
    own: Arc<OwnInstance>,
    pub(super) key: Option<Key>,
    /// Channel of all instances, and the beginning of that of each.
    pub(super) channel: String,
    redis: redis::Handle,
    state: Mutex<State>,
    /// How many other instances are known.
    known: AtomicUsize,
    /// Whether instances are gone that nobody was told of.
    has_gone: AtomicBool,
}

impl fmt::Debug for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presence").field("own", &self.own).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct State {
    directory: Directory,
    phase: Phase,
}

/// How far this instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It has yet to see that no other has its name.
    New,
    /// It has asked Redis.
    Checking,
    /// It is known by its name.
    Known,
    /// Another has its name.
    Off,
}

impl Presence {
    /// It hears nothing and says nothing yet.
    pub(super) fn new(
        own: Arc<OwnInstance>,
        boot: Boot,
        key: Option<Key>,
        channel: String,
        redis: redis::Handle,
    ) -> Self {
        let state = Mutex::new(State { directory: Directory::new(boot), phase: Phase::New });
        let (known, has_gone) = (AtomicUsize::new(0), AtomicBool::new(false));
        Self { own, key, channel, redis, state, known, has_gone }
    }

    /// Subscribes. What is in effect for this instance's own channel is in effect for that of all, too.
    pub(super) fn listen(&self) {
        self.redis.subscribe_if_allowed([self.topic(None), self.own_topic()]);
    }

    /// How many other instances are known.
    pub(super) fn count(&self) -> usize {
        self.known.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(super) fn knows(&self, instance: Instance) -> bool {
        self.state().directory.knows(instance)
    }

    /// Whether there is ample room for what is sent.
    pub(super) fn has_room(&self) -> bool {
        self.redis.has_room_for_receipted()
    }

    /// An instance had no answer in its time.
    pub(super) fn unanswered(&self, instance: Instance) {
        self.change(|state| state.directory.unanswered(instance));
    }

    /// An instance with which all that was under way is over, if there is one that nobody was told of.
    pub(super) fn next_gone(&self) -> Option<Instance> {
        if !self.has_gone.load(Ordering::Acquire) {
            return None;
        }
        let mut state = self.state();
        let gone = state.directory.next_gone();
        self.has_gone.store(state.directory.has_gone(), Ordering::Release);
        gone
    }

    /// Redis is connected.
    pub(super) fn up(self: &Arc<Self>) {
        if self.state().phase == Phase::New {
            self.begin();
        }
    }

    /// Nothing is heard if the subscriptions are not in effect any more.
    pub(super) fn lost(&self) {
        if !self.is_subscribed() {
            self.change(|state| state.directory.forget_all());
        }
    }

    /// This instance hears nothing any more, and does not come back.
    pub(super) fn end(self: &Arc<Self>) {
        if self.state().phase == Phase::Known {
            self.say_to_all(&Message::Bye);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is known, and has others told who is gone.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        let result = change(&mut state);
        self.known.store(state.directory.count(), Ordering::Relaxed);
        let has_gone = state.directory.has_gone();
        self.has_gone.store(has_gone, Ordering::Release);
        drop(state);
        if has_gone {
            self.redis.note_loss();
        }
        result
    }

    fn topic(&self, instance: Option<Instance>) -> Topic {
        Topic::Channel(self.channel_of(instance))
    }

    fn channel_of(&self, instance: Option<Instance>) -> Bytes {
        match instance {
            Some(instance) => format!("{}{instance}#", self.channel).into(),
            None => self.channel.clone().into(),
        }
    }

    pub(super) fn own_topic(&self) -> Topic {
        self.topic(Some(self.own.get()))
    }

    fn is_subscribed(&self) -> bool {
        matches!(self.redis.standing(&self.own_topic()), Standing::InEffect(_))
    }

    /// The subscriptions are in effect: all are greeted, after it was checked once that no other instance has this one's name.
    pub(super) fn begin(self: &Arc<Self>) {
        if !self.is_subscribed() {
            return;
        }
        let phase = self.change(|state| {
            let phase = state.phase;
            if phase == Phase::New {
                state.phase = Phase::Checking;
            }
            phase
        });
        match phase {
            Phase::New => self.check(),
            Phase::Known => self.greet_all(),
            Phase::Checking | Phase::Off => {}
        }
    }

    fn check(self: &Arc<Self>) {
        let (weak, own) = (Arc::downgrade(self), self.own.get());
        self.redis.count_subscribers(self.channel_of(Some(own)), CHECK, move |count| {
            if let Some(presence) = weak.upgrade() {
                presence.checked(own, count);
            }
        });
    }

    /// Redis has told how many have this instance's name.
    fn checked(self: &Arc<Self>, own: Instance, count: Result<u64, AskError>) {
        match count {
            // It is asked again when Redis is connected.
            Err(AskError::Away) => self.state().phase = Phase::New,
            Ok(2..) => self.rename(own),
            // In a Redis Cluster this instance's own subscription may be on another node.
            Ok(0 | 1) | Err(_) => {
                self.state().phase = Phase::Known;
                self.greet_all();
            }
        }
    }

    /// Another instance has this one's name.
    fn rename(self: &Arc<Self>, own: Instance) {
        match Instance::draw() {
            Ok(another) if self.own.change(another) => {
                self.state().phase = Phase::New;
                self.redis.unsubscribe([self.topic(Some(own))]);
                self.redis.subscribe_if_allowed([self.topic(Some(another))]);
            }
            _ => self.switch_off(),
        }
    }

    fn switch_off(self: &Arc<Self>) {
        CLASH.write(|| {
            format!(
                "another server in Redis has the same name as this one ({}), by chance: this one passes no requests on and recovers no clients of others until it is started again",
                self.own.get()
            )
        });
        self.end();
        self.change(|state| {
            state.phase = Phase::Off;
            state.directory.forget_all();
        });
        self.redis.unsubscribe([self.topic(None), self.own_topic()]);
    }

    /// Greets all anew: what was under way is over.
    pub(super) fn greet_all(self: &Arc<Self>) {
        self.change(|state| {
            if state.phase != Phase::Known {
                return;
            }
            let address = state.directory.greet_all(self.own.get());
            self.announce(state, &address, &Message::Hello);
        });
    }

    fn say_to_all(self: &Arc<Self>, message: &Message) {
        self.change(|state| {
            let address = state.directory.address_to_all(self.own.get());
            self.announce(state, &address, message);
        });
    }

    fn announce(self: &Arc<Self>, state: &mut State, address: &Address, message: &Message) {
        if self.greet(address, message).is_ok() {
            state.directory.said_to_all();
        }
    }

    /// Publishes a message that may wait for Redis, and whose loss is noticed otherwise.
    fn greet(self: &Arc<Self>, address: &Address, message: &Message) -> Result<(), (redis::Received, Unpublished)> {
        self.publish(address, Draft::new(message, self.key.as_ref()), Patience::Waits, Box::new(drop))
    }

    /// Handles a message to this instance or to all.
    pub(super) fn hear(self: &Arc<Self>, address: &Address, message: &Message) -> Meaning {
        let meaning = self.change(|state| {
            if state.phase == Phase::Off {
                return Meaning::Nothing;
            }
            let meaning = state.directory.hear(self.own.get(), address, message);
            if let Meaning::Say(say) = meaning {
                let address = state.directory.greeting(self.own.get(), say);
                let message = if matches!(say, Say::Hello(_)) { Message::Hello } else { Message::Welcome };
                // If there is no room for it, the other greets when it is told something.
                let _ = self.greet(&address, &message);
            }
            meaning
        });
        if meaning == Meaning::Clash && self.state().phase == Phase::Known {
            self.switch_off();
        }
        meaning
    }

    /// Tells an instance or all something.
    pub(super) fn send(self: &Arc<Self>, to: Option<Instance>, message: &Message, unheard: OnUnheard) {
        // Clients may name instances that nobody knows: nothing is written or signed for these.
        if message.may_name_anyone() && self.address(&mut self.state(), to).is_none() {
            return unheard(Unheard::Gone);
        }
        let draft = Draft::new(message, self.key.as_ref());
        if draft.len() > self.redis.longest_receipted(&self.channel_of(to)) {
            return unheard(Unheard::TooLong);
        }
        let mut state = self.state();
        let Some(address) = self.address(&mut state, to) else {
            drop(state);
            return unheard(Unheard::Gone);
        };
        match self.publish(&address, draft, Patience::Fails, unheard) {
            Ok(()) => match to {
                Some(to) => state.directory.sent(to),
                None => state.directory.said_to_all(),
            },
            Err((received, error)) => {
                drop(state);
                received(Err(error));
            }
        }
    }

    /// The address of a message. An instance that is not known may be there all the same: it is greeted, so that it is known
    /// the next time.
    fn address(self: &Arc<Self>, state: &mut State, to: Option<Instance>) -> Option<Address> {
        let own = self.own.get();
        if state.phase != Phase::Known {
            return None;
        }
        let Some(to) = to else { return Some(state.directory.address_to_all(own)) };
        let address = state.directory.address(own, to);
        if address.is_none()
            && let Some(greeting) = state.directory.seek(own, to, clock::now())
        {
            let _ = self.greet(&greeting, &Message::Hello);
        }
        address
    }

    /// Publishes a message. What became of it changes what is known, and `unheard` hears of it.
    fn publish(
        self: &Arc<Self>,
        address: &Address,
        draft: Draft,
        patience: Patience,
        unheard: OnUnheard,
    ) -> Result<(), (redis::Received, Unpublished)> {
        let (weak, address) = (Arc::downgrade(self), *address);
        let received = Box::new(move |outcome| received(&weak, &address, outcome, unheard));
        self.redis.publish_receipted(self.channel_of(address.to), draft.finish(address), patience, received)
    }
}

/// What became of a message is known.
fn received(
    presence: &Weak<Presence>,
    address: &Address,
    outcome: Result<u64, Unpublished>,
    unheard: Box<dyn FnOnce(Unheard) + Send>,
) {
    let (fate, why) = match outcome {
        Ok(count) => (Fate::Received(count), Unheard::Gone),
        Err(Unpublished::Refused) => (Fate::Refused, Unheard::Refused),
        Err(Unpublished::Lost) => (Fate::Lost, Unheard::Away),
        Err(Unpublished::Away) => return unheard(Unheard::Away),
        Err(Unpublished::Full) => return unheard(Unheard::Full),
    };
    let Some(presence) = presence.upgrade() else { return unheard(why) };
    match presence.change(|state| state.directory.sent_out(address, fate)) {
        Consequence::Nothing => {}
        Consequence::Unheard => unheard(why),
        Consequence::GreetAll => {
            presence.greet_all();
            unheard(why);
        }
    }
}
