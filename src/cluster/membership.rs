//! This server's membership in a cluster: its namespaces there, and its publications.
//!
//! There is one uid for the process and one subscription for each namespace, whatever the number of shards. Nothing
//! here knows of sockets: received messages are classified and passed on, and answers go to their askers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use log::Level;

use super::adapter::{Adapter, Outgoing, Sender};
use super::data::Data;
use super::listening::Listening;
use super::message::{Ask, Chosen, Manner};
use super::metrics::{ClusterMetrics, Counters};
use super::peers::record::Record;
use super::peers::{OwnInstance, Peers};
use super::places::{Heard, Hearing, Left, Place, Places};
use super::redis::{self, Kind, Loss, Standing, Topic};
use super::room_hints::RoomHints;
use super::serial::Numbering;
use super::source::Source;
use crate::chance::RandomState;
use crate::clock;
use crate::config::Config;
use crate::error::{Error, Result, TooLarge};
use crate::log_line::{Excerpt, LineKind};

static UNPUBLISHABLE: LineKind = LineKind::new(Level::Warn, module_path!(), "messages that were not published");

/// How long a goodbye may wait to be published: much less than missing servers may need to come back.
const GOODBYE: Duration = Duration::from_secs(1);

/// The id of a question; all have this length.
const SOME_ID: &str = "123456";

/// A member of a cluster.
pub(crate) struct Membership<A: Adapter> {
    pub(super) redis: redis::Handle,
    /// Where the names of lost sockets in Redis begin.
    records: String,
    peers: Option<Peers>,
    format: A,
    pub(super) uid: Box<str>,
    /// This server's uid where it is a guest.
    pub(super) guest: Box<str>,
    /// Bytes of the longest message that is read.
    longest: usize,
    /// How long another server may need to come back after an outage of Redis, once this one is back.
    pub(super) return_time: Duration,
    places: RwLock<Places<A>>,
    listeners: Mutex<HashMap<Box<str>, Listening<A>, RandomState>>,
    /// Numbers this server's events; `None` while recovery is off.
    numbering: Option<Numbering>,
    pub(crate) rooms: RoomHints,
    pub(crate) counters: Counters,
}

impl<A: Adapter> Membership<A> {
    /// Becomes a member with these namespaces, if the settings name a Redis. `own` is this server's name among kinglets. `sink` is called with what arrives, `lost`
    /// with what is not subscribed to any more: see [`redis::start`].
    ///
    /// # Errors
    /// As [`redis::start`], and if the system has no random numbers.
    pub(crate) fn start<'a>(
        config: &Config,
        own: &Arc<OwnInstance>,
        namespaces: impl IntoIterator<Item = &'a str>,
        sink: impl FnMut(redis::Incoming) + Send + 'static,
        lost: impl FnMut(Loss) + Send + 'static,
    ) -> Result<Option<Arc<Self>>> {
        if config.redis.is_none() {
            return Ok(None);
        }
        let unable = |error| Error::system("cannot draw random numbers")(std::io::Error::other(error));
        let (uid, guest, format) = (A::uid().map_err(unable)?, A::uid().map_err(unable)?, A::new(config));
        let numbering = config.recovery.as_ref().map(|_| Numbering::new()).transpose().map_err(unable)?;
        let mut places = Places::default();
        let place = |namespace| Arc::new(Place::member(&format, namespace, &uid));
        let topics: Vec<Topic> = namespaces.into_iter().flat_map(|namespace| places.enter(&place(namespace))).collect();
        let Some(redis) = redis::start_with(config, topics, sink, lost)? else { return Ok(None) };
        let peers = Peers::start(config, own, &redis).map_err(unable)?;
        Ok(Some(Arc::new(Self {
            redis,
            records: format!("{}-lost:", config.redis_key),
            peers,
            format,
            uid,
            guest,
            longest: config.limits.redis_message,
            return_time: config.limits.redis_backoff + config.limits.redis_connect_timeout,
            places: RwLock::new(places),
            listeners: Mutex::default(),
            numbering,
            rooms: RoomHints::default(),
            counters: Counters::default(),
        })))
    }

    /// Whether a uid is this server's.
    pub(crate) fn is_own(&self, uid: &str) -> bool {
        *self.uid == *uid || *self.guest == *uid
    }

    /// Whether a name is reserved among events for servers.
    pub(crate) fn is_reserved(event: &str) -> bool {
        A::is_reserved(event)
    }

    pub(super) fn format(&self) -> &A {
        &self.format
    }

    /// Bytes of the longest message that is read.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// This server as the sender of a message in a namespace.
    fn sender<'a>(&'a self, namespace: &'a str) -> Sender<'a> {
        Sender { uid: &self.uid, namespace }
    }

    /// Enters a namespace.
    pub(crate) fn enter(&self, namespace: &str) {
        let mut places = self.places_mut();
        if places.member(namespace).is_some() {
            return;
        }
        let topics = places.enter(&Arc::new(self.place(namespace)));
        // Under the lock, so that Redis hears of entering and leaving in order.
        self.redis.subscribe(topics);
    }

    /// Leaves a namespace. Whoever waits for its subscriptions is told when what this returns is dropped: where nothing is
    /// borrowed or locked.
    #[must_use]
    pub(crate) fn leave(&self, namespace: &str) -> Option<Left<A>> {
        let mut places = self.places_mut();
        let (left, topics) = places.leave(namespace)?;
        self.redis.unsubscribe(topics);
        Some(left)
    }

    fn places(&self) -> RwLockReadGuard<'_, Places<A>> {
        self.places.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn places_mut(&self) -> RwLockWriteGuard<'_, Places<A>> {
        self.places.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, namespace: &str) -> Place<A> {
        Place::member(&self.format, namespace, &self.uid)
    }

    /// The place of this server in a namespace, if it is a member there.
    pub(crate) fn member_place(&self, namespace: &str) -> Option<Arc<Place<A>>> {
        self.places().member(namespace).map(Arc::clone)
    }

    /// A namespace as others know it, whether or not this server has it.
    fn place_of(&self, namespace: &str) -> Arc<Place<A>> {
        self.member_place(namespace).unwrap_or_else(|| Arc::new(self.place(namespace)))
    }

    /// A place from which the servers of a namespace can be counted.
    pub(crate) fn outlook(&self, namespace: &str) -> Arc<Place<A>> {
        let guest = || Arc::new(Place::guest(&self.format, namespace, &self.guest, &self.uid));
        self.member_place(namespace).unwrap_or_else(guest)
    }

    /// The state of a place's subscriptions.
    pub(crate) fn standing(&self, place: &Place<A>) -> Standing {
        place.standing(&self.redis)
    }

    /// How this server hears a namespace that it has, if it does.
    pub(crate) fn hearing(&self, namespace: &str) -> Option<Hearing> {
        self.member_place(namespace)?.hearing(&self.redis)
    }

    /// Calls `heard` when the subscriptions of a place are in effect, or will not be: at once if that is known, else on the
    /// subscriber's thread.
    pub(crate) fn when_in_effect(&self, place: &Place<A>, heard: Heard) {
        place.when_in_effect(&self.redis, heard);
    }

    /// Has Redis keep a lost socket for so long.
    ///
    /// # Errors
    /// If Redis is not connected, or too much waits for it.
    pub(crate) fn keep_record(&self, pid: &str, record: &Record, time: Duration) -> Result<(), redis::Refusal> {
        let name = self.record_name(pid);
        let value = record.seal(&name, self.peers().and_then(Peers::key));
        self.redis.keep(name, value, time)
    }

    /// Takes a lost socket that a server has left in Redis. `taken` is called on a thread of Redis's, or at once.
    pub(crate) fn take_record(self: &Arc<Self>, pid: &str, taken: impl FnOnce(Option<Record>) + Send + 'static) {
        let (membership, name) = (Arc::downgrade(self), self.record_name(pid));
        self.redis.take(name.clone(), move |value| {
            let key = membership.upgrade();
            let key = key.as_ref().and_then(|membership| membership.peers()).and_then(Peers::key);
            taken(value.and_then(|value| Record::open(&value, &name, key)));
        });
    }

    fn record_name(&self, pid: &str) -> String {
        format!("{}{pid}", self.records)
    }

    /// The other kinglets, if this server has anything to do with them.
    pub(crate) fn peers(&self) -> Option<&Peers> {
        self.peers.as_ref()
    }

    /// Redis has confirmed a subscription.
    pub(crate) fn subscribed(&self, topic: &Topic) {
        self.peers.iter().for_each(|peers| peers.subscribed(topic));
        let place = self.places().of(topic).map(Arc::clone);
        if let Some(place) = place {
            place.changed(&self.redis);
        }
    }

    /// A subscription is not in effect any more.
    pub(crate) fn lost(&self, loss: Loss) {
        match loss {
            Loss::Deaf | Loss::Refused(_) => {
                self.peers.iter().for_each(|peers| peers.lost(&loss));
                let all = self.places().all();
                all.iter().for_each(|place| place.changed(&self.redis));
            }
            Loss::Ended { topic, .. } if self.peers.as_ref().is_some_and(|peers| peers.hears(&topic)) => {
                self.peers.iter().for_each(|peers| peers.ended(&topic));
            }
            Loss::Ended { topic: Topic::Channel(channel), since } => {
                let left = str::from_utf8(&channel).ok().and_then(|channel| self.format.recognise_left(channel));
                left.into_iter().for_each(|(namespace, _)| self.say_goodbye(namespace, since));
            }
            Loss::Ended { topic: Topic::Pattern(_), .. } | Loss::Noted => {}
        }
    }

    /// Tells the other servers of a namespace that this one, which was counted there since then, is not counted any
    /// more and will not come back. They are told shortly afterwards or not at all: once they have given it up, they
    /// would take its goodbye for that of a server that is still there.
    fn say_goodbye(&self, namespace: &str, since: Instant) {
        let place = self.place(namespace);
        let Outgoing { channel, message } = A::goodbye(&place.names, self.sender(namespace), clock::now() - since);
        if let Ok(Some(message)) = self.encoded(&channel, message) {
            self.redis.publish_within(GOODBYE, channel.into_owned(), message);
        }
    }

    /// The place to which a received message belongs, and what its channel says.
    pub(super) fn recognise<'a>(&self, topic: &Topic, channel: &'a str) -> Option<(Arc<Place<A>>, A::Label<'a>)> {
        let place = Arc::clone(self.places().of(topic)?);
        let label = A::recognise(&place.names, channel)?;
        Some((place, label))
    }

    /// The same for questions that come although the server left their namespace: until Redis knows that, this server is
    /// counted there, and the others wait for its answers.
    pub(super) fn recognise_left<'a>(&self, channel: &'a str) -> Option<(Arc<Place<A>>, A::Label<'a>)> {
        let (namespace, label) = self.format.recognise_left(channel)?;
        Some((Arc::new(self.place(namespace)), label))
    }

    /// Publishes an event for sockets of other servers. `lane`: see [`Serial`](super::Serial); it counts only with recovery.
    /// Returns what others know the event by.
    ///
    /// # Errors
    /// If the message would be too long. Other errors are logged.
    pub(crate) fn broadcast(
        &self,
        namespace: &str,
        data: Data<'_>,
        chosen: Chosen,
        manner: Manner,
        lane: u8,
    ) -> Result<Source, TooLarge> {
        let place = self.place_of(namespace);
        let numbering = self.numbering.as_ref().filter(|_| !manner.volatile);
        let serial = numbering.map(|numbering| numbering.unnumbered(lane));
        let emission = A::emission(&place.names, self.sender(namespace), data, chosen, manner, serial);
        let Some((numbering, mut serial)) = numbering.zip(serial) else {
            let kind = if manner.volatile { Kind::Volatile } else { Kind::Lasting };
            return self.publish(emission, kind).map(|()| Source::Here);
        };
        let Outgoing { channel, message } = emission;
        let Some(message) = self.encoded(&channel, message)? else { return Ok(Source::Here) };
        self.redis.publish_stamped(channel.into_owned(), message, |message| {
            serial.number = numbering.next(namespace, lane);
            A::number(message, serial.number);
        });
        Ok(Source::Numbered(serial))
    }

    /// Whether this server looks for gaps in the numbers of others' events.
    pub(super) fn is_numbered(&self) -> bool {
        self.numbering.is_some()
    }

    /// Publishes a question without an answer.
    pub(crate) fn tell(&self, namespace: &str, ask: Ask) {
        if let Err(error) = self.try_tell(namespace, ask) {
            unpublishable(namespace, &error);
        }
    }

    /// The same for callers that can report an error.
    ///
    /// # Errors
    /// As [`broadcast`](Self::broadcast).
    pub(crate) fn try_tell(&self, namespace: &str, ask: Ask) -> Result<(), TooLarge> {
        let place = self.place_of(namespace);
        self.publish(A::ask(&place.names, self.sender(namespace), None, ask), Kind::Lasting)
    }

    /// Checks that a question could be published.
    ///
    /// # Errors
    /// As [`broadcast`](Self::broadcast).
    pub(crate) fn check(&self, namespace: &str, ask: Ask) -> Result<(), TooLarge> {
        let place = self.place_of(namespace);
        let Outgoing { channel, message } = A::ask(&place.names, self.sender(namespace), Some(SOME_ID.into()), ask);
        message.map_or(Ok(()), |message| self.check_length(&channel, message.len()))
    }

    /// Checks that the queue has room for a message of this length, and that other servers do not skip it.
    fn check_length(&self, channel: &str, length: usize) -> Result<(), TooLarge> {
        let most = self.redis.longest(channel);
        if length <= most {
            return Ok(());
        }
        self.counters.unpublishable.one();
        Err(TooLarge { length, most })
    }

    /// Publishes an answer. Returns whether it is short enough.
    pub(super) fn respond(&self, answer: Outgoing<'_, A>) -> bool {
        let Outgoing { channel, message } = answer;
        match self.encoded(&channel, message) {
            Ok(Some(message)) => self.redis.publish(channel.into_owned(), message, Kind::Lasting),
            Ok(None) => {}
            Err(error) => {
                unpublishable(&channel, &error);
                return false;
            }
        }
        true
    }

    fn publish(&self, outgoing: Outgoing<'_, A>, kind: Kind) -> Result<(), TooLarge> {
        let Outgoing { channel, message } = outgoing;
        if let Some(message) = self.encoded(&channel, message)? {
            self.redis.publish(channel.into_owned(), message, kind);
        }
        Ok(())
    }

    /// The message, unless it could not be encoded, which is logged.
    pub(super) fn encoded(
        &self,
        channel: &str,
        message: Result<Vec<u8>, A::EncodeError>,
    ) -> Result<Option<Vec<u8>>, TooLarge> {
        match message {
            Ok(message) => {
                self.check_length(channel, message.len())?;
                Ok(Some(message))
            }
            Err(error) => {
                self.counters.unpublishable.one();
                unpublishable(channel, &error);
                Ok(None)
            }
        }
    }

    pub(super) fn listeners(&self) -> MutexGuard<'_, HashMap<Box<str>, Listening<A>, RandomState>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether Redis is connected.
    pub(crate) fn redis_state(&self) -> redis::State {
        self.redis.state()
    }

    /// The counters.
    pub(crate) fn metrics(&self) -> ClusterMetrics {
        self.counters.read(self.redis.metrics(), self.peers.as_ref().map_or(0, Peers::count))
    }

    #[cfg(test)]
    pub(crate) fn redis(&self) -> &redis::Handle {
        &self.redis
    }

    /// Publishes waiting messages within `timeout`, and leaves the cluster.
    pub(crate) fn stop(&self, timeout: Duration) {
        self.redis.stop(timeout);
    }
}

pub(super) fn unpublishable(place: &str, error: &dyn std::error::Error) {
    UNPUBLISHABLE.write(|| format!("a message for {:?} cannot be published: {}", Excerpt(place), Excerpt(error)));
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::cluster::classic::{Classic, Incoming};
    use crate::config::{RedisSecurity, RedisServer};

    fn own() -> Arc<OwnInstance> {
        Arc::new(OwnInstance::draw().expect("random numbers"))
    }

    /// A member whose Redis is not there.
    pub(in crate::cluster) fn member() -> Arc<Membership<Classic>> {
        // Nothing listens on the discard port, and what Redis is asked does not show here.
        let redis = Some(RedisServer::new("127.0.0.1", 9, RedisSecurity::Plain));
        let config = Config { redis, ..Config::default() };
        Membership::start(&config, &own(), [], |_| (), |_| ()).expect("threads").expect("a server is named")
    }

    /// The namespace to which a channel belongs that is subscribed to by its own name.
    pub(in crate::cluster) fn namespace_of(member: &Membership<Classic>, channel: &str) -> Option<Box<str>> {
        let (place, _) = member.recognise(&Topic::channel(channel.to_owned()), channel)?;
        Some(place.namespace.clone())
    }

    #[test]
    fn what_comes_belongs_to_a_namespace_from_entering_to_leaving() {
        let member = member();
        let request = "socket.io-request#/chat#";
        assert_eq!(namespace_of(&member, request), None);
        member.enter("/chat");
        member.enter("/");
        member.enter("/chat");
        assert_eq!(namespace_of(&member, request).as_deref(), Some("/chat"));
        assert_eq!(namespace_of(&member, "socket.io-request#/#").as_deref(), Some("/"));
        assert_eq!(namespace_of(&member, "socket.io-request#/other#"), None);
        let pattern = Topic::pattern("socket.io#/chat#*".to_owned());
        let (place, _) = member.recognise(&pattern, "socket.io#/chat#room#").expect("a broadcast");
        assert_eq!(&*place.namespace, "/chat");
        drop(member.leave("/chat"));
        assert!(member.leave("/never entered").is_none());
        assert_eq!(namespace_of(&member, request), None);
        assert!(member.recognise(&pattern, "socket.io#/chat#room#").is_none());
        assert!(namespace_of(&member, "socket.io-request#/#").is_some());
        // A counted server must answer.
        let (place, label) = member.recognise_left(request).expect("a request");
        assert_eq!((&*place.namespace, label), ("/chat", Incoming::Request));
        assert!(member.recognise_left("socket.io#/chat#").is_none());
    }

    #[test]
    fn each_member_has_a_uid_and_a_channel_for_answers_of_its_own() {
        let (one, other) = (member(), member());
        assert!(one.is_own(&one.uid) && !one.is_own(&other.uid) && !one.is_own(""));
        one.enter("/");
        assert!(namespace_of(&one, one.place("/").names.own_response()).is_some());
        assert!(namespace_of(&one, other.place("/").names.own_response()).is_none());
    }

    #[test]
    fn who_waits_for_subscriptions_is_told_when_the_place_is_left() {
        let member = member();
        member.enter("/");
        let place = member.member_place("/").expect("a member");
        let (sender, told) = channel();
        for _ in 0..2 {
            let sender = sender.clone();
            let heard = move |standing| sender.send(standing).expect("the test listens");
            // Whether Redis is known to be absent by now does not matter here.
            member.when_in_effect(&place, Box::new(heard));
            drop(member.leave("/"));
            assert_eq!(told.recv(), Ok(Standing::Away));
        }
    }
}
