//! This server's membership in a cluster: its namespaces there, its publications, and its open questions.
//!
//! There is one uid for the process and one subscription for each namespace, whatever the number of shards. Nothing
//! here knows of sockets: received messages are classified and passed on, and answers go to their askers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use foldhash::fast::RandomState;
use log::Level;

use super::classic::{
    Answer, Broadcast, EncodeError, Extent, Flags, Incoming, Operation, Opts, Request, Response, is_kinglet_uid,
    kinglet_uid,
};
use super::data::Data;
use super::id::ClusterId;
use super::metrics::{ClusterMetrics, Counters};
use super::places::{Census, Heard, Place, Places};
use super::redis::{self, AskError, Connection, Kind, Loss, Standing, Topic, Uncounted};
use super::room_hints::RoomHints;
use crate::config::{Config, ResponseChannel};
use crate::error::{Error, Result, TooLarge};
use crate::log_line::{Excerpt, LineKind};

static UNPUBLISHABLE: LineKind = LineKind::new(Level::Warn, module_path!(), "messages that were not published");
static UNCOUNTED: LineKind = LineKind::each_minute(Level::Warn, module_path!(), "counts that Redis refused");

/// Bytes around an event for servers, including the ids of server and request.
const AROUND_SERVER_EVENT: usize = r#"{"uid":"123456~","requestId":"123456","type":6,"data":}"#.len();

/// How long a goodbye may wait to be published: much less than missing servers may need to come back.
const GOODBYE: Duration = Duration::from_secs(1);

/// A request id; all have this length.
const SOME_ID: &str = "123456";

/// Called with each answer to a request and the bytes that it takes, until it wants no more. It must tolerate one more
/// answer after that.
pub(crate) type Listener = Arc<dyn Fn(Answer, Extent, usize) -> Wants + Send + Sync>;

/// Whether it wants more answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wants {
    More,
    NoMore,
}

/// A question that is subscribed to its answers.
pub(crate) struct Asking {
    pub(crate) id: Box<str>,
    pub(crate) place: Arc<Place>,
}

/// The listener for the answers to a question.
struct Listening {
    listener: Listener,
    place: Arc<Place>,
}

/// A member of a cluster.
pub(crate) struct Membership {
    redis: redis::Handle,
    uid: Box<str>,
    /// This server's uid where it is a guest.
    guest: Box<str>,
    key: String,
    responses: ResponseChannel,
    /// How long another server may need to come back after an outage of Redis, once this one is back.
    return_time: Duration,
    places: RwLock<Places>,
    listeners: Mutex<HashMap<Box<str>, Listening, RandomState>>,
    pub(crate) rooms: RoomHints,
    pub(crate) counters: Counters,
}

impl Membership {
    /// Becomes a member with these namespaces, if the settings name a Redis. `sink` is called with what arrives, `lost`
    /// with what is not subscribed to any more: see [`redis::start`].
    ///
    /// # Errors
    /// As [`redis::start`], and if the system has no random numbers.
    pub(crate) fn start<'a>(
        config: &Config,
        namespaces: impl IntoIterator<Item = &'a str>,
        sink: impl FnMut(redis::Incoming) + Send + 'static,
        lost: impl FnMut(Loss) + Send + 'static,
    ) -> Result<Option<Self>> {
        if config.redis.is_none() {
            return Ok(None);
        }
        let uid = || kinglet_uid().map_err(std::io::Error::other).map_err(Error::system("cannot draw random numbers"));
        let (uid, guest) = (uid()?, uid()?);
        let mut places = Places::default();
        let place = |namespace| Arc::new(Place::member(&config.redis_key, namespace, &uid));
        let topics: Vec<Topic> = namespaces.into_iter().flat_map(|namespace| places.enter(&place(namespace))).collect();
        let Some(redis) = redis::start_with(config, topics, sink, lost)? else { return Ok(None) };
        Ok(Some(Self {
            redis,
            uid,
            guest,
            key: config.redis_key.clone(),
            responses: config.response_channel,
            return_time: config.limits.redis_backoff + config.limits.redis_connect_timeout,
            places: RwLock::new(places),
            listeners: Mutex::default(),
            rooms: RoomHints::default(),
            counters: Counters::default(),
        }))
    }

    /// Whether a uid is this server's.
    pub(crate) fn is_own(&self, uid: &str) -> bool {
        *self.uid == *uid || *self.guest == *uid
    }

    /// Whether a uid is that of a kinglet.
    pub(crate) fn is_kinglet(uid: &str) -> bool {
        is_kinglet_uid(uid)
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

    /// Leaves a namespace.
    pub(crate) fn leave(&self, namespace: &str) {
        let mut places = self.places_mut();
        let Some((left, topics)) = places.leave(namespace) else { return };
        self.redis.unsubscribe(topics);
        drop(places);
        drop(left);
    }

    fn places(&self) -> RwLockReadGuard<'_, Places> {
        self.places.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn places_mut(&self) -> RwLockWriteGuard<'_, Places> {
        self.places.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, namespace: &str) -> Place {
        Place::member(&self.key, namespace, &self.uid)
    }

    /// The place of this server in a namespace, if it is a member there.
    pub(crate) fn member_place(&self, namespace: &str) -> Option<Arc<Place>> {
        self.places().member(namespace).map(Arc::clone)
    }

    /// A namespace as others know it, whether or not this server has it.
    fn place_of(&self, namespace: &str) -> Arc<Place> {
        self.member_place(namespace).unwrap_or_else(|| Arc::new(self.place(namespace)))
    }

    /// A place from which the servers of a namespace can be counted.
    pub(crate) fn outlook(&self, namespace: &str) -> Arc<Place> {
        let guest = || Arc::new(Place::guest(&self.key, namespace, &self.guest, &self.uid));
        self.member_place(namespace).unwrap_or_else(guest)
    }

    /// The state of a place's subscriptions.
    pub(crate) fn standing(&self, place: &Place) -> Standing {
        place.standing(&self.redis)
    }

    /// Calls `heard` when the subscriptions of a place are in effect, or will not be: at once if that is known, else on the
    /// subscriber's thread.
    pub(crate) fn when_in_effect(&self, place: &Place, heard: Heard) {
        place.when_in_effect(&self.redis, heard);
    }

    /// Redis has confirmed a subscription.
    pub(crate) fn subscribed(&self, topic: &Topic) {
        let place = self.places().of(topic).map(Arc::clone);
        if let Some(place) = place {
            place.changed(&self.redis);
        }
    }

    /// A subscription is not in effect any more.
    pub(crate) fn lost(&self, loss: Loss) {
        match loss {
            Loss::Deaf => {
                let all = self.places().all();
                all.iter().for_each(|place| place.changed(&self.redis));
            }
            Loss::Ended { topic: Topic::Channel(channel), since } => {
                let namespace = str::from_utf8(&channel).ok().and_then(|channel| self.asked_by(channel));
                namespace.into_iter().for_each(|namespace| self.say_goodbye(namespace, since));
            }
            Loss::Ended { topic: Topic::Pattern(_), .. } => {}
        }
    }

    /// Tells the other servers of a namespace that this one, which was counted there since then, is not counted any
    /// more and will not come back. They are told shortly afterwards or not at all: once they have given it up, they
    /// would take its goodbye for that of a server that is still there.
    fn say_goodbye(&self, namespace: &str, since: Instant) {
        let place = self.place(namespace);
        let operation = Operation::Goodbye { stayed: since.elapsed() };
        let request = Request { uid: Some(self.uid.clone()), operation };
        if let Ok(Some(message)) = self.encoded(place.channels.request(), request.encode()) {
            let channel = place.channels.request().to_owned();
            self.redis.publish_within(GOODBYE, channel, message);
        }
    }

    /// The namespace and kind of something that came by a subscription.
    pub(crate) fn recognise<'a>(&self, topic: &Topic, channel: &'a str) -> Option<(Arc<Place>, Incoming<'a>)> {
        let place = Arc::clone(self.places().of(topic)?);
        let incoming = place.channels.recognise(channel)?;
        Some((place, incoming))
    }

    /// The same for requests that come although the server left their namespace: until Redis knows that, this server is
    /// counted there, and the others wait for its answers.
    pub(crate) fn recognise_left<'a>(&self, channel: &'a str) -> Option<(Arc<Place>, Incoming<'a>)> {
        let namespace = self.asked_by(channel)?;
        Some((Arc::new(self.place(namespace)), Incoming::Request))
    }

    /// The namespace whose requests come by a channel.
    fn asked_by<'a>(&self, channel: &'a str) -> Option<&'a str> {
        channel.strip_prefix(&*self.key)?.strip_prefix("-request#")?.strip_suffix('#')
    }

    /// Publishes an event for sockets of other servers.
    ///
    /// # Errors
    /// If the message would be too long. Other errors are logged.
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

    /// Publishes a request to do something.
    pub(crate) fn request(&self, namespace: &str, operation: Operation) {
        if let Err(error) = self.try_request(namespace, operation) {
            unpublishable(namespace, &error);
        }
    }

    /// The same for callers that can report an error.
    ///
    /// # Errors
    /// As [`broadcast`](Self::broadcast).
    pub(crate) fn try_request(&self, namespace: &str, operation: Operation) -> Result<(), TooLarge> {
        let request = Request { uid: Some(self.uid.clone()), operation };
        self.try_publish(self.place_of(namespace).channels.request(), request.encode(), Kind::Lasting)
    }

    /// Checks that an event for servers of this many bytes could be published.
    ///
    /// # Errors
    /// As [`broadcast`](Self::broadcast).
    pub(crate) fn check_server_event(&self, namespace: &str, length: usize) -> Result<(), TooLarge> {
        self.check_length(self.place_of(namespace).channels.request(), length + AROUND_SERVER_EVENT)
    }

    /// Checks that a broadcast with acknowledgements could be published.
    ///
    /// # Errors
    /// As [`broadcast`](Self::broadcast).
    pub(crate) fn check_broadcast(&self, broadcast: &Broadcast) -> Result<(), TooLarge> {
        let (request_id, broadcast) = (SOME_ID.into(), broadcast.clone());
        let channel = self.place_of(&broadcast.namespace).channels.request().to_owned();
        let request =
            Request { uid: Some(self.uid.clone()), operation: Operation::Broadcast { request_id, broadcast } };
        request.encode().map_or(Ok(()), |message| self.check_length(&channel, message.len()))
    }

    /// Asks the others, in order with other publications, and counts the servers that get the question. `receive` is
    /// called with the count on a thread of Redis's, or at once on this one: with `None` if there is no count, or if
    /// this server hears no answers. It hears them by `connection`.
    pub(crate) fn ask(
        &self,
        place: &Arc<Place>,
        operation: Operation,
        uncounted: Uncounted,
        connection: Option<Connection>,
        timeout: Duration,
        receive: impl FnOnce(Option<Census>) + Send + 'static,
    ) {
        let channel = place.channels.request();
        let request = Request { uid: Some(place.uid.clone()), operation };
        let encoded = self.encoded(channel, request.encode()).inspect_err(|error| unpublishable(channel, error));
        let Ok(Some(message)) = encoded else { return receive(None) };
        let receive = self.census(place, connection, receive);
        self.redis.publish_counted(channel.to_owned(), message, uncounted, place.counted(), timeout, receive);
    }

    /// Counts the others. `receive` as with [`ask`](Self::ask).
    pub(crate) fn count(
        &self,
        place: &Arc<Place>,
        connection: Connection,
        timeout: Duration,
        receive: impl FnOnce(Option<Census>) + Send + 'static,
    ) {
        self.redis.count_all(place.counted(), timeout, self.census(place, Some(connection), receive));
    }

    /// Turns a count into a census.
    fn census(
        &self,
        place: &Arc<Place>,
        connection: Option<Connection>,
        receive: impl FnOnce(Option<Census>) + Send + 'static,
    ) -> impl FnOnce(Result<Vec<u64>, AskError>) + Send + 'static {
        let (place, return_time, asked) = (Arc::clone(place), self.return_time, Instant::now());
        move |counts| {
            let counts = counts.inspect_err(uncountable).ok();
            let census = counts.zip(connection);
            receive(census.and_then(|(counts, connection)| place.census(&counts, connection, asked, return_time)));
        }
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

    /// Answers the server `uid`, or all servers if it gave no uid. Returns whether the answer is short enough.
    pub(crate) fn respond(&self, namespace: &str, uid: Option<&str>, response: Response) -> bool {
        let place = self.place_of(namespace);
        // These answers always go to all servers.
        let shared = matches!(response.answer, Answer::ServerSideEmit(_));
        let own = uid.filter(|_| self.responses == ResponseChannel::Specific && !shared);
        let own = own.map(|uid| place.channels.response_to(uid));
        let channel = own.as_deref().unwrap_or(place.channels.response());
        let published = self.try_publish(channel, response.encode(), Kind::Lasting);
        published.inspect_err(|error| unpublishable(channel, error)).is_ok()
    }

    fn try_publish(&self, channel: &str, message: Result<Vec<u8>, EncodeError>, kind: Kind) -> Result<(), TooLarge> {
        if let Some(message) = self.encoded(channel, message)? {
            self.redis.publish(channel.to_owned(), message, kind);
        }
        Ok(())
    }

    /// The message, unless it could not be encoded, which is logged.
    fn encoded(&self, channel: &str, message: Result<Vec<u8>, EncodeError>) -> Result<Option<Bytes>, TooLarge> {
        match message {
            Ok(message) => {
                self.check_length(channel, message.len())?;
                Ok(Some(message.into()))
            }
            Err(error) => {
                self.counters.unpublishable.one();
                unpublishable(channel, &error);
                Ok(None)
            }
        }
    }

    /// A new question. `listener` hears its answers from now on until it is [forgotten](Self::forget), as far as the
    /// subscriptions of its place are in effect: see [`when_in_effect`](Self::when_in_effect).
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub(crate) fn listen(&self, namespace: &str, listener: Listener) -> Result<Asking, getrandom::Error> {
        let id: Box<str> = (*ClusterId::random()?).into();
        let place = self.member_place(namespace).unwrap_or_else(|| self.visit(namespace));
        let listening = Listening { listener, place: Arc::clone(&place) };
        self.listeners().insert(id.clone(), listening);
        Ok(Asking { id, place })
    }

    /// The place of a guest, for one question.
    fn visit(&self, namespace: &str) -> Arc<Place> {
        let mut places = self.places_mut();
        let (place, topics) = places.visit(&self.key, namespace, &self.guest, &self.uid);
        self.redis.subscribe_if_allowed(topics);
        place
    }

    /// Ends a question: no more answers are wanted.
    pub(crate) fn forget(&self, request_id: &str) {
        // Dropped after unlocking, because a part of it is the program's.
        let listening = self.listeners().remove(request_id);
        if let Some(Listening { place, .. }) = listening.as_ref().filter(|listening| !listening.place.is_member()) {
            let mut places = self.places_mut();
            let left = places.part(&place.namespace).map(|(left, topics)| {
                self.redis.unsubscribe(topics);
                left
            });
            drop(places);
            drop(left);
        }
    }

    /// Passes an answer to its asker, with the bytes that it takes. An answer to somebody else's request is ignored.
    pub(crate) fn answered(&self, response: Response) {
        let listener = self.listeners().get(&response.request_id).map(|listening| Arc::clone(&listening.listener));
        let bytes = response.answer.bytes();
        if listener.is_some_and(|listener| listener(response.answer, response.extent, bytes) == Wants::NoMore) {
            self.forget(&response.request_id);
        }
    }

    fn listeners(&self) -> MutexGuard<'_, HashMap<Box<str>, Listening, RandomState>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether Redis is connected.
    pub(crate) fn redis_state(&self) -> redis::State {
        self.redis.state()
    }

    /// The counters.
    pub(crate) fn metrics(&self) -> ClusterMetrics {
        self.counters.read(self.redis.metrics())
    }

    /// Publishes waiting messages within `timeout`, and leaves the cluster.
    pub(crate) fn stop(&self, timeout: Duration) {
        self.redis.stop(timeout);
    }
}

/// A missing Redis is logged elsewhere. A Redis that refuses is connected, so this log line is the only sign.
fn uncountable(error: &AskError) {
    let line = || {
        format!(
            "the servers cannot be counted (PUBSUB NUMSUB), so that no question to all has its full answer: {}",
            Excerpt(error)
        )
    };
    match error {
        AskError::Refused(_) => UNCOUNTED.write(line),
        _ => log::debug!("{}", line()),
    }
}

fn unpublishable(place: &str, error: &dyn std::error::Error) {
    UNPUBLISHABLE.write(|| format!("a message for {:?} cannot be published: {}", Excerpt(place), Excerpt(error)));
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::sync::mpsc::channel;

    use super::*;
    use crate::config::{RedisSecurity, RedisServer};

    /// A member whose Redis is not there.
    fn member() -> Membership {
        // Nothing listens on the discard port, and what Redis is asked does not show here.
        let redis = Some(RedisServer::new("127.0.0.1", 9, RedisSecurity::Plain));
        let config = Config { redis, ..Config::default() };
        Membership::start(&config, [], |_| (), |_| ()).expect("threads").expect("a server is named")
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
        // A counted server must answer.
        let (place, incoming) = member.recognise_left(request).expect("a request");
        assert_eq!((&*place.namespace, incoming), ("/chat", Incoming::Request));
        assert!(member.recognise_left("socket.io#/chat#").is_none());
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
            Arc::new(move |_: Answer, _: Extent, _: usize| {
                sender.send(name).expect("the test listens");
                if left.fetch_sub(1, Relaxed) == 1 { Wants::NoMore } else { Wants::More }
            })
        };
        let twice = member.listen("/", listener("twice", 2)).expect("random numbers");
        let once = member.listen("/", listener("once", 1)).expect("random numbers");
        let given_up = member.listen("/", listener("given up", 9)).expect("random numbers");
        member.forget(&given_up.id);
        for id in ["nobody's", &twice.id, &once.id, &given_up.id, &once.id, &twice.id, &twice.id] {
            member.answered(Response { request_id: id.into(), answer: Answer::Done, extent: Extent::Whole });
        }
        drop(sender);
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), ["twice", "once", "twice"]);
        assert!(member.listeners().is_empty());
    }

    #[test]
    fn where_it_is_no_member_it_listens_as_a_guest_while_it_asks() {
        let member = member();
        let listener = || Arc::new(|_: Answer, _: Extent, _: usize| Wants::NoMore);
        let asking = member.listen("/elsewhere", listener()).expect("random numbers");
        assert!(!asking.place.is_member() && member.is_own(&asking.place.uid));
        let response = asking.place.channels.own_response().to_owned();
        assert_eq!(namespace_of(&member, &response).as_deref(), Some("/elsewhere"));
        assert!(namespace_of(&member, asking.place.channels.request()).is_none(), "nobody asks a guest");
        member.answered(Response { request_id: asking.id.clone(), answer: Answer::Done, extent: Extent::Whole });
        assert!(namespace_of(&member, &response).is_none());
        member.enter("/");
        assert!(member.listen("/", listener()).expect("random numbers").place.is_member());
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
            member.leave("/");
            assert_eq!(told.recv(), Ok(Standing::Away));
        }
    }

    #[test]
    fn kinglets_are_known_by_their_uids() {
        let member = member();
        assert!(Membership::is_kinglet(&member.uid) && Membership::is_kinglet(&member.guest));
        assert!(!Membership::is_kinglet("9y1JGY"));
    }

    #[test]
    fn without_redis_the_others_cannot_be_counted() {
        let (sender, counted) = channel();
        let member = member();
        let connection = Connection::none();
        let receive = move |others| sender.send(others).expect("the test listens");
        member.count(&member.place_of("/"), connection, Duration::from_secs(3600), receive);
        assert_eq!(counted.recv(), Ok(None));
    }
}
