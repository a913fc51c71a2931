//! The other instances, for the rest of the server.

use std::sync::Arc;

use bytes::Bytes;

use super::directory::Meaning;
use super::envelope::{Boot, EnvelopeError, open};
use super::instance::{Instance, OwnInstance};
use super::key::Key;
use super::message::{Body, Message};
use super::presence::{Presence, Unheard};
use crate::chance;
use crate::cluster::redis::{self, Loss, Topic};
use crate::config::Config;

/// The other instances, for any thread.
#[derive(Debug, Clone)]
pub(crate) struct Peers(Arc<Presence>);

impl Peers {
    /// Joins the others, if the settings want that.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub(in crate::cluster) fn start(
        config: &Config,
        own: &Arc<OwnInstance>,
        redis: &redis::Handle,
    ) -> Result<Option<Self>, getrandom::Error> {
        if !config.relay_requests && config.recovery.is_none() {
            return Ok(None);
        }
        let mut boot = Boot::default();
        chance::fill(&mut boot)?;
        let (key, channel) = (config.peer_key.as_ref().map(Key::new), format!("{}-peer#", config.redis_key));
        let presence = Arc::new(Presence::new(Arc::clone(own), boot, key, channel, redis.clone()));
        presence.listen();
        Ok(Some(Self(presence)))
    }

    /// Whether no other instance is known.
    pub(crate) fn is_alone(&self) -> bool {
        self.count() == 0
    }

    /// How many other instances are known.
    pub(crate) fn count(&self) -> usize {
        self.0.count()
    }

    /// Whether an instance is known.
    #[cfg(test)]
    pub(crate) fn knows(&self, instance: Instance) -> bool {
        self.0.knows(instance)
    }

    /// Whether only those who know the key can speak as an instance.
    pub(crate) fn is_trusted(&self) -> bool {
        self.key().is_some()
    }

    /// The key, if there is one.
    pub(crate) fn key(&self) -> Option<&Key> {
        self.0.key.as_ref()
    }

    /// Tells an instance something, in order with all that is published. `unheard` is called if it does not hear that: at once
    /// on this thread, or on a thread of Redis's. One that is not known does not hear it, and is greeted, so that it may be
    /// known the next time.
    pub(crate) fn send(&self, to: Instance, body: Body, unheard: impl FnOnce(Unheard) + Send + 'static) {
        self.0.send(Some(to), &Message::Body(body), Box::new(unheard));
    }

    /// Whether there is ample room for what is sent. A sender that waits until there is loses nothing for want of it.
    pub(crate) fn has_room(&self) -> bool {
        self.0.has_room()
    }

    /// The same for all instances. Nobody is told if there are none.
    pub(crate) fn send_to_all(&self, body: Body, unheard: impl FnOnce(Unheard) + Send + 'static) {
        self.0.send(None, &Message::Body(body), Box::new(unheard));
    }

    /// An instance did not answer in time. After three times in a row it is forgotten.
    pub(crate) fn unanswered(&self, instance: Instance) {
        self.0.unanswered(instance);
    }

    /// An instance with which all that was under way is over, if there is one that nobody was told of.
    pub(in crate::cluster) fn next_gone(&self) -> Option<Instance> {
        self.0.next_gone()
    }

    /// Whether a subscription is one for messages of instances.
    pub(in crate::cluster) fn hears(&self, topic: &Topic) -> bool {
        matches!(topic, Topic::Channel(name) if name.starts_with(self.0.channel.as_bytes()))
    }

    /// Handles a message. Returns its sender and what it says, if that is for the rest of the server.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(in crate::cluster) fn receive(&self, message: &Bytes) -> Result<Option<(Instance, Body)>, EnvelopeError> {
        let (address, message) = open(message, self.key())?;
        Ok(match (self.0.hear(&address, &message), message) {
            (Meaning::Content, Message::Body(body)) => Some((address.from, body)),
            _ => None,
        })
    }

    /// A message was too long to be read, so that something is missing.
    pub(in crate::cluster) fn missed(&self) {
        self.0.greet_all();
    }

    /// Redis has confirmed a subscription.
    pub(in crate::cluster) fn subscribed(&self, topic: &Topic) {
        if *topic == self.0.own_topic() {
            self.0.begin();
        }
    }

    /// Redis is connected.
    pub(in crate::cluster) fn up(&self) {
        self.0.up();
    }

    /// Subscriptions are not in effect any more, or will not be.
    pub(in crate::cluster) fn lost(&self, loss: &Loss) {
        self.0.lost();
        // Both channels are refused, and one line says so.
        if matches!(loss, Loss::Refused(topic) if *topic == self.0.own_topic()) {
            log::warn!(
                "Redis refuses SUBSCRIBE {}*: requests of clients are not passed on between servers, and recovery stays within one; allow these channels to the user of Redis",
                self.0.channel
            );
        }
    }

    /// A subscription has ended for good.
    pub(in crate::cluster) fn ended(&self, topic: &Topic) {
        if *topic == self.0.own_topic() {
            self.0.end();
        }
    }
}
