//! This server's membership in a cluster: which namespaces it has there, what it publishes, what it waits for.
//!
//! There is one uid for the process and one subscription for each namespace, whatever the number of shards. Nothing here
//! knows of sockets: what comes in is told apart and handed on, and answers are handed to whoever asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use foldhash::fast::RandomState;
use log::Level;

use super::metrics::{ClusterMetrics, Counters};
use super::redis::{self, AskError, Kind, Topic};
use super::room_hints::RoomHints;
use super::{
    Answer, Broadcast, Channels, ClusterId, Data, EncodeError, Flags, Incoming, Operation, Opts, Request, Response,
};
use crate::config::{Config, ResponseChannel};
use crate::error::TooLarge;
use crate::log_line::{Excerpt, LineKind};

static UNPUBLISHABLE: LineKind = LineKind::new(Level::Warn, module_path!(), "messages that were not published");

/// Bytes that stand around an event for servers, with the ids of server and request.
const AROUND_SERVER_EVENT: usize = r#"{"uid":"123456","requestId":"123456","type":6,"data":}"#.len();

/// A namespace of this server, as the cluster knows it.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) namespace: Box<str>,
    pub(crate) channels: Channels,
}

/// What is called with each answer to a request, and with the bytes that it takes, until it says that it wants no more. It
/// must bear one answer too many.
pub(crate) type Listener = Arc<dyn Fn(Answer, usize) -> Wants + Send + Sync>;

/// Whether more answers are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wants {
    More,
    NoMore,
}

/// A member of a cluster.
pub(crate) struct Membership {
    redis: redis::Handle,
    uid: ClusterId,
    key: String,
    responses: ResponseChannel,
    places: RwLock<Places>,
    listeners: Mutex<HashMap<Box<str>, Listener, RandomState>>,
    pub(crate) rooms: RoomHints,
    pub(crate) counters: Counters,
}

#[derive(Default)]
struct Places {
    by_topic: HashMap<Topic, Arc<Place>, RandomState>,
    by_namespace: HashMap<Box<str>, Arc<Place>, RandomState>,
}

impl Membership {
    /// A member without namespaces.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub(crate) fn new(config: &Config, redis: redis::Handle) -> Result<Self, getrandom::Error> {
        Ok(Self {
            redis,
            uid: ClusterId::random()?,
            key: config.redis_key.clone(),
            responses: config.response_channel,
            places: RwLock::default(),
            listeners: Mutex::default(),
            rooms: RoomHints::default(),
            counters: Counters::default(),
        })
    }

    /// Whether this server is meant by a uid.
    pub(crate) fn is_own(&self, uid: &str) -> bool {
        *self.uid == *uid
    }

    /// Takes part in a namespace from now on.
    pub(crate) fn enter(&self, namespace: &str) {
        let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
        if places.by_namespace.contains_key(namespace) {
            return;
        }
        let place = Arc::new(self.place(namespace));
        let topics = topics(&place.channels);
        for topic in &topics {
            places.by_topic.insert(topic.clone(), Arc::clone(&place));
        }
        places.by_namespace.insert(namespace.into(), place);
        // While the lock is held, so that entering and leaving come to Redis in their order.
        self.redis.subscribe(topics);
    }

    /// Takes no part in a namespace any more.
    pub(crate) fn leave(&self, namespace: &str) {
        let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
        let Some(place) = places.by_namespace.remove(namespace) else { return };
        let topics = topics(&place.channels);
        for topic in &topics {
            places.by_topic.remove(topic);
        }
        self.redis.unsubscribe(topics);
    }

    fn place(&self, namespace: &str) -> Place {
        Place { namespace: namespace.into(), channels: Channels::new(&self.key, namespace, &self.uid) }
    }

    /// The namespace, as others know it, whether or not this server has it.
    fn place_of(&self, namespace: &str) -> Arc<Place> {
        let places = self.places.read().unwrap_or_else(PoisonError::into_inner);
        let known = places.by_namespace.get(namespace).map(Arc::clone);
        drop(places);
        known.unwrap_or_else(|| Arc::new(self.place(namespace)))
    }

    /// What came by a subscription: to which namespace it belongs, and what it is.
    pub(crate) fn recognise<'a>(&self, topic: &Topic, channel: &'a str) -> Option<(Arc<Place>, Incoming<'a>)> {
        let places = self.places.read().unwrap_or_else(PoisonError::into_inner);
        let place = Arc::clone(places.by_topic.get(topic)?);
        drop(places);
        let incoming = place.channels.recognise(channel)?;
        Some((place, incoming))
    }

    /// Tells the others of an event for sockets of theirs.
    ///
    /// # Errors
    /// If the message would be too long. Whatever else is wrong with it is logged.
    pub(crate) fn broadcast(
        &self,
        namespace: &str,
        data: Data<'_>,
        opts: &Opts,
        flags: &Flags,
    ) -> Result<(), TooLarge> {
        let place = self.place_of(namespace);
        let kind = if flags.volatile { Kind::Volatile } else { Kind::Lasting };
        let message = Broadcast::encode(&self.uid, namespace, data, opts, flags);
        let channel = place.channels.broadcast_to(&opts.rooms);
        self.try_publish(&channel, message, kind)
    }

    /// Tells the others what to do, or asks them. Whoever asks must [`listen`](Self::listen) before.
    pub(crate) fn request(&self, namespace: &str, operation: Operation) {
        if let Err(error) = self.try_request(namespace, operation) {
            unpublishable(namespace, &error);
        }
    }

    /// The same, for who can say what is wrong.
    ///
    /// # Errors
    /// As [`broadcast`](Self::broadcast).
    pub(crate) fn try_request(&self, namespace: &str, operation: Operation) -> Result<(), TooLarge> {
        let request = Request { uid: Some((*self.uid).into()), operation };
        self.try_publish(self.place_of(namespace).channels.request(), request.encode(), Kind::Lasting)
    }

    /// That an event for servers, of so many bytes, could be published.
    ///
    /// # Errors
    /// As [`broadcast`](Self::broadcast).
    pub(crate) fn check_server_event(&self, namespace: &str, length: usize) -> Result<(), TooLarge> {
        self.check_length(self.place_of(namespace).channels.request(), length + AROUND_SERVER_EVENT)
    }

    /// Answers the server that is `uid`, or sends to all if it did not say who it is.
    pub(crate) fn respond(&self, namespace: &str, uid: Option<&str>, request_id: Box<str>, answer: Answer) {
        let place = self.place_of(namespace);
        // Answers to this one always go to all.
        let shared = matches!(answer, Answer::ServerSideEmit(_));
        let own = uid.filter(|_| self.responses == ResponseChannel::Specific && !shared);
        let own = own.map(|uid| place.channels.response_to(uid));
        let channel = own.as_deref().unwrap_or(place.channels.response());
        self.publish(channel, Response { request_id, answer }.encode(), Kind::Lasting);
    }

    fn publish(&self, channel: &str, message: Result<Vec<u8>, EncodeError>, kind: Kind) {
        if let Err(error) = self.try_publish(channel, message, kind) {
            unpublishable(channel, &error);
        }
    }

    fn try_publish(&self, channel: &str, message: Result<Vec<u8>, EncodeError>, kind: Kind) -> Result<(), TooLarge> {
        match message {
            Ok(message) => {
                self.check_length(channel, message.len())?;
                self.redis.publish(channel.to_owned(), message, kind);
            }
            Err(error) => {
                self.counters.unpublishable.one();
                unpublishable(channel, &error);
            }
        }
        Ok(())
    }

    /// That a message of this length has room in the queue, and that the other servers do not skip it.
    fn check_length(&self, channel: &str, length: usize) -> Result<(), TooLarge> {
        let most = self.redis.longest(channel);
        if length <= most {
            return Ok(());
        }
        self.counters.unpublishable.one();
        Err(TooLarge { length, most })
    }

    /// Asks how many other servers have the namespace. `receive` is called with the number on a thread of Redis's; at once on
    /// this one if it cannot be asked.
    pub(crate) fn count_others(
        &self,
        namespace: &str,
        timeout: Duration,
        receive: impl FnOnce(Result<usize, AskError>) + Send + 'static,
    ) {
        let channel = self.place_of(namespace).channels.request().to_owned();
        self.redis.count_subscribers(channel, timeout, move |servers| {
            let servers = servers.inspect_err(|error| log::debug!("the servers cannot be counted: {error}"));
            receive(servers.map(|servers| usize::try_from(servers).unwrap_or(usize::MAX).saturating_sub(1)));
        });
    }

    /// The id of a new request, whose answers `listener` hears from now on.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub(crate) fn listen(&self, listener: Listener) -> Result<Box<str>, getrandom::Error> {
        let id: Box<str> = (*ClusterId::random()?).into();
        self.listeners().insert(id.clone(), listener);
        Ok(id)
    }

    /// No more answers to a request are wanted.
    pub(crate) fn forget(&self, request_id: &str) {
        // Dropped when nothing is locked: it is the program's in part.
        let _listener = self.listeners().remove(request_id);
    }

    /// Hands an answer to whoever asked, with what it takes. An answer to somebody else's request is ignored.
    pub(crate) fn answered(&self, response: Response) {
        let listener = self.listeners().get(&response.request_id).map(Arc::clone);
        let bytes = response.answer.bytes();
        if listener.is_some_and(|listener| listener(response.answer, bytes) == Wants::NoMore) {
            self.forget(&response.request_id);
        }
    }

    fn listeners(&self) -> MutexGuard<'_, HashMap<Box<str>, Listener, RandomState>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether Redis is there.
    pub(crate) fn redis_state(&self) -> redis::State {
        self.redis.state()
    }

    /// What has been counted.
    pub(crate) fn metrics(&self) -> ClusterMetrics {
        self.counters.read(self.redis.metrics())
    }

    /// Publishes what waits, as long as `timeout` lets it, and leaves the cluster.
    pub(crate) fn stop(&self, timeout: Duration) {
        self.redis.stop(timeout);
    }
}

fn unpublishable(place: &str, error: &dyn std::error::Error) {
    UNPUBLISHABLE.write(|| format!("a message for {:?} cannot be published: {}", Excerpt(place), Excerpt(error)));
}

/// What a server subscribes to for one namespace.
fn topics(channels: &Channels) -> [Topic; 4] {
    let name = |channel: &str| Topic::channel(channel.to_owned());
    [
        Topic::pattern(channels.pattern()),
        name(channels.request()),
        name(channels.response()),
        name(channels.own_response()),
    ]
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::sync::mpsc::channel;

    use super::*;
    use crate::config::{RedisSecurity, RedisServer};

    /// A member whose Redis is not there.
    fn member() -> Membership {
        // Nobody listens on the discard port, and what is asked of Redis does not show here.
        let redis = Some(RedisServer::new("127.0.0.1", 9, RedisSecurity::Plain));
        let config = Config { redis, ..Config::default() };
        let redis = redis::start(&config, |_| ()).expect("threads").expect("a server is named");
        Membership::new(&config, redis).expect("random numbers")
    }

    /// The namespace to which a channel belongs that is subscribed to by its own name.
    fn namespace_of(member: &Membership, channel: &str) -> Option<Box<str>> {
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
        member.leave("/chat");
        member.leave("/never entered");
        assert_eq!(namespace_of(&member, request), None);
        assert!(member.recognise(&pattern, "socket.io#/chat#room#").is_none());
        assert!(namespace_of(&member, "socket.io-request#/#").is_some());
    }

    #[test]
    fn each_member_has_a_uid_and_a_channel_for_answers_of_its_own() {
        let (one, other) = (member(), member());
        assert!(one.is_own(&one.uid) && !one.is_own(&other.uid) && !one.is_own(""));
        one.enter("/");
        assert!(namespace_of(&one, one.place("/").channels.own_response()).is_some());
        assert!(namespace_of(&one, other.place("/").channels.own_response()).is_none());
    }

    #[test]
    fn answers_go_to_who_asked_until_it_has_enough() {
        let member = member();
        let (sender, heard) = channel();
        let listener = |name: &'static str, wanted: usize| {
            let (sender, left) = (sender.clone(), AtomicUsize::new(wanted));
            Arc::new(move |_: Answer, _: usize| {
                sender.send(name).expect("the test listens");
                if left.fetch_sub(1, Relaxed) == 1 { Wants::NoMore } else { Wants::More }
            })
        };
        let twice = member.listen(listener("twice", 2)).expect("random numbers");
        let once = member.listen(listener("once", 1)).expect("random numbers");
        let given_up = member.listen(listener("given up", 9)).expect("random numbers");
        member.forget(&given_up);
        for id in ["nobody's", &twice, &once, &given_up, &once, &twice, &twice] {
            member.answered(Response { request_id: id.into(), answer: Answer::Done });
        }
        drop(sender);
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), ["twice", "once", "twice"]);
        assert!(member.listeners().is_empty());
    }

    #[test]
    fn without_redis_the_others_cannot_be_counted() {
        let (sender, counted) = channel();
        member()
            .count_others("/", Duration::from_secs(3600), move |others| sender.send(others).expect("the test listens"));
        assert_eq!(counted.recv(), Ok(Err(AskError::Away)));
    }
}
