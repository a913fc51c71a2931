//! The namespaces of a server in a cluster, and those where it only waits for answers.
//!
//! A server that has a namespace is a *member* there: it subscribes to everything, and is counted. To ask the members
//! of a namespace that it does not have, it becomes a *guest* while it waits: it subscribes to answers, under another
//! uid, and is not counted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::adapter::Adapter;
use super::gaps::Gaps;
use super::recent::Recent;
use super::redis::{self, Connection, Standing, Topic};
use super::serial::Serial;
use crate::chance::RandomState;
use crate::clock;

/// Called when the subscriptions of a place are in effect, or will not be: there is no connection, or the server left
/// the place.
pub(crate) type Heard = Box<dyn FnOnce(Standing) + Send>;

/// A namespace of this server, as the cluster knows it.
pub(crate) struct Place<A: Adapter> {
    pub(crate) namespace: Box<str>,
    pub(super) names: A::Names,
    pub(super) uid: Box<str>,
    role: Role,
    /// The subscriptions. Redis confirms them in this order.
    topics: Vec<Topic>,
    /// A channel that only this server subscribes to, for exactly as long as to requests.
    mark: Bytes,
    /// Callbacks that wait for the subscriptions; `None` after the server left the place.
    waiting: Mutex<Option<Vec<Heard>>>,
    recent: Mutex<Recent>,
    gaps: Mutex<Gaps>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Member,
    Guest,
}

/// How a server hears what others publish in a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hearing {
    /// The connection to Redis.
    pub(crate) connection: u64,
    since: Instant,
    /// Since when what came was read at once.
    prompt_since: Instant,
    /// Whether it missed something before, perhaps.
    pub(crate) after_outage: bool,
}

impl Hearing {
    /// For how long it has heard the namespace.
    pub(crate) fn age(&self) -> Duration {
        clock::now().saturating_duration_since(self.since)
    }

    /// For how long it has, and has read at once what came.
    pub(crate) fn prompt(&self) -> Duration {
        clock::now().saturating_duration_since(self.prompt_since)
    }
}

/// A count of the other servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Census {
    pub(crate) others: usize,
    /// How many more there were lately, which may be on their way back to Redis. `None` if unknown: this server was
    /// away, has just come back, and had not counted the others shortly before.
    pub(crate) absent: Option<usize>,
}

impl<A: Adapter> Place<A> {
    /// The place of a member that is `uid` in the cluster.
    pub(super) fn member(format: &A, namespace: &str, uid: &str) -> Self {
        let names = format.names(namespace, uid);
        let (topics, mark) = (A::member_topics(&names), A::mark(&names, uid));
        Self::new(namespace, uid, Role::Member, names, topics, mark)
    }

    /// The place of a guest that is `uid` in the cluster, and `member` where it is a member.
    pub(super) fn guest(format: &A, namespace: &str, uid: &str, member: &str) -> Self {
        let names = format.names(namespace, uid);
        let (topics, mark) = (A::guest_topics(&names), A::mark(&names, member));
        Self::new(namespace, uid, Role::Guest, names, topics, mark)
    }

    fn new(namespace: &str, uid: &str, role: Role, names: A::Names, topics: Vec<Topic>, mark: Bytes) -> Self {
        let (waiting, recent, gaps) = (Mutex::new(Some(Vec::new())), Mutex::default(), Mutex::default());
        Self { namespace: namespace.into(), names, uid: uid.into(), role, topics, mark, waiting, recent, gaps }
    }

    pub(crate) fn is_member(&self) -> bool {
        self.role == Role::Member
    }

    /// The channels to count: one tells the servers that take requests, the other whether this server is among them.
    pub(super) fn counted(&self) -> Vec<Bytes> {
        vec![A::counted(&self.names), self.mark.clone()]
    }

    /// The result of a count. `None` if this server is not counted where it should be: it hears no answers.
    /// `connection`: the one that carries its subscriptions. `asked`: when the count was asked for, or earlier.
    /// `return_time`: how long others may need to come back from an outage.
    pub(super) fn census(
        &self,
        counts: &[u64],
        connection: Connection,
        asked: Instant,
        return_time: Duration,
    ) -> Option<Census> {
        let number = |place: usize| counts.get(place).map_or(0, |count| usize::try_from(*count).unwrap_or(usize::MAX));
        let (servers, own) = (number(0), number(1));
        if own == 0 && self.is_member() {
            return None;
        }
        let others = servers.saturating_sub(own);
        let absent = self.recent().note(others, connection, asked, clock::now(), return_time);
        Some(Census { others, absent })
    }

    /// The server `uid` has said goodbye; it was counted without a break for this long.
    pub(crate) fn goodbye(&self, uid: &str, stayed: Duration) {
        self.recent().goodbye(uid, stayed, clock::now());
    }

    /// An event of another server has come. Returns how many are missing before it: see [`Gaps::note`].
    pub(super) fn note(&self, serial: Serial) -> u64 {
        self.gaps.lock().unwrap_or_else(PoisonError::into_inner).note(serial)
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, Option<Vec<Heard>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state of the subscriptions: the last one tells for all.
    pub(super) fn standing(&self, redis: &redis::Handle) -> Standing {
        self.topics.last().map_or(Standing::Away, |last| redis.standing(last))
    }

    /// How long what is published in the namespace has come without a break, if it comes.
    pub(super) fn hearing(&self, redis: &redis::Handle) -> Option<Hearing> {
        let (connection, since) = redis.in_effect_since(self.topics.last()?)?;
        let prompt_since = redis.prompt_since().map_or(since, |prompt| prompt.max(since));
        Some(Hearing { connection: connection.number, since, prompt_since, after_outage: connection.after_outage })
    }

    /// Calls `heard` when the subscriptions are in effect, or will not be; at once if that is known.
    pub(super) fn when_in_effect(&self, redis: &redis::Handle, heard: Heard) {
        let mut waiting = self.waiting();
        let standing = match &mut *waiting {
            None => Standing::Away,
            // Checked while locked: whoever reports a change comes here afterwards.
            Some(calls) => match self.standing(redis) {
                Standing::Pending => return calls.push(heard),
                known => known,
            },
        };
        drop(waiting);
        heard(standing);
    }

    /// Redis has confirmed a subscription, or the connection has ended.
    pub(super) fn changed(&self, redis: &redis::Handle) {
        let mut waiting = self.waiting();
        let standing = self.standing(redis);
        let calls = match &mut *waiting {
            Some(calls) if standing != Standing::Pending => std::mem::take(calls),
            _ => return,
        };
        drop(waiting);
        calls.into_iter().for_each(|heard| heard(standing));
    }

    /// The server left the place.
    fn left(&self) {
        let calls = self.waiting().take().unwrap_or_default();
        calls.into_iter().for_each(|heard| heard(Standing::Away));
    }
}

/// All places of a server.
pub(super) struct Places<A: Adapter> {
    by_topic: HashMap<Topic, Arc<Place<A>>, RandomState>,
    members: HashMap<Box<str>, Arc<Place<A>>, RandomState>,
    guests: HashMap<Box<str>, Guest<A>, RandomState>,
}

struct Guest<A: Adapter> {
    place: Arc<Place<A>>,
    /// Questions that wait for answers there.
    questions: usize,
}

impl<A: Adapter> Default for Places<A> {
    fn default() -> Self {
        Self { by_topic: HashMap::default(), members: HashMap::default(), guests: HashMap::default() }
    }
}

impl<A: Adapter> Places<A> {
    /// The place of a member in that namespace.
    pub(super) fn member(&self, namespace: &str) -> Option<&Arc<Place<A>>> {
        self.members.get(namespace)
    }

    /// The place to which a subscription belongs.
    pub(super) fn of(&self, topic: &Topic) -> Option<&Arc<Place<A>>> {
        self.by_topic.get(topic)
    }

    pub(super) fn all(&self) -> Vec<Arc<Place<A>>> {
        self.members.values().chain(self.guests.values().map(|guest| &guest.place)).map(Arc::clone).collect()
    }

    /// Adds a place of a member. Returns what to subscribe to.
    pub(super) fn enter(&mut self, place: &Arc<Place<A>>) -> Vec<Topic> {
        for topic in &place.topics {
            self.by_topic.insert(topic.clone(), Arc::clone(place));
        }
        self.members.insert(place.namespace.clone(), Arc::clone(place));
        place.topics.clone()
    }

    /// Removes a member's place. Returns it with what to unsubscribe from.
    pub(super) fn leave(&mut self, namespace: &str) -> Option<(Left<A>, Vec<Topic>)> {
        let place = self.members.remove(namespace)?;
        let guest = self.guests.get(namespace).map(|guest| Arc::clone(&guest.place));
        Some(self.take_topics(place, guest))
    }

    /// A guest asks a question: returns the guest's place, and what to subscribe to.
    pub(super) fn visit(
        &mut self,
        format: &A,
        namespace: &str,
        guest: &str,
        member: &str,
    ) -> (Arc<Place<A>>, Vec<Topic>) {
        let new = || Guest { place: Arc::new(Place::guest(format, namespace, guest, member)), questions: 0 };
        let guest = self.guests.entry(namespace.into()).or_insert_with(new);
        guest.questions += 1;
        let place = Arc::clone(&guest.place);
        for topic in &place.topics {
            self.by_topic.entry(topic.clone()).or_insert_with(|| Arc::clone(&place));
        }
        let topics = place.topics.clone();
        (place, topics)
    }

    /// A guest's question is over. After the last one, returns the place with what to unsubscribe from.
    pub(super) fn part(&mut self, namespace: &str) -> Option<(Left<A>, Vec<Topic>)> {
        let guest = self.guests.get_mut(namespace)?;
        guest.questions = guest.questions.saturating_sub(1);
        if guest.questions > 0 {
            return None;
        }
        let guest = self.guests.remove(namespace)?;
        let member = self.members.get(namespace).map(Arc::clone);
        Some(self.take_topics(guest.place, member))
    }

    /// A place's topics, without those that `other`, the other place in the same namespace, also has.
    fn take_topics(&mut self, place: Arc<Place<A>>, other: Option<Arc<Place<A>>>) -> (Left<A>, Vec<Topic>) {
        let mut gone = place.topics.clone();
        gone.retain(|topic| match other.as_ref().filter(|other| other.topics.contains(topic)) {
            Some(other) => {
                self.by_topic.insert(topic.clone(), Arc::clone(other));
                false
            }
            None => self.by_topic.remove(topic).is_some(),
        });
        (Left(place), gone)
    }
}

/// A place that the server left. Waiting callbacks are called when it is dropped, and nothing may be locked then.
pub(crate) struct Left<A: Adapter>(Arc<Place<A>>);

impl<A: Adapter> Drop for Left<A> {
    fn drop(&mut self) {
        self.0.left();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::classic::Classic;
    use crate::config::Config;

    fn format() -> Classic {
        Classic::new(&Config { redis_key: "k".to_owned(), ..Config::default() })
    }

    fn names(topics: &[Topic]) -> Vec<&str> {
        topics.iter().map(|topic| str::from_utf8(topic.name()).expect("text")).collect()
    }

    fn entered(places: &mut Places<Classic>) -> Vec<Topic> {
        places.enter(&Arc::new(Place::member(&format(), "/", "uid")))
    }

    fn visited(places: &mut Places<Classic>) -> Vec<Topic> {
        places.visit(&format(), "/", "guest", "uid").1
    }

    const MEMBER: [&str; 4] = ["k#/#*", "k-request#/#", "k-response#/#", "k-response#/#uid#"];
    const GUEST: [&str; 2] = ["k-response#/#", "k-response#/#guest#"];

    #[test]
    fn a_guest_subscribes_to_answers_alone_until_its_last_question_is_over() {
        let mut places = Places::default();
        assert_eq!(names(&visited(&mut places)), GUEST);
        visited(&mut places);
        assert!(places.part("/").is_none());
        let (_, gone) = places.part("/").expect("the last question");
        assert_eq!(names(&gone), GUEST);
        assert!(places.part("/").is_none() && places.by_topic.is_empty());
    }

    #[test]
    fn what_both_a_member_and_a_guest_need_stays_for_the_other() {
        let mut places = Places::default();
        visited(&mut places);
        assert_eq!(names(&entered(&mut places)), MEMBER);
        let (_, gone) = places.part("/").expect("the last question");
        assert_eq!(names(&gone), ["k-response#/#guest#"]);
        assert!(places.of(&Topic::channel("k-response#/#")).is_some_and(|place| place.is_member()));
        visited(&mut places);
        let (_, gone) = places.leave("/").expect("a member");
        assert_eq!(names(&gone), ["k#/#*", "k-request#/#", "k-response#/#uid#"]);
        assert!(places.of(&Topic::channel("k-response#/#")).is_some_and(|place| !place.is_member()));
    }

    fn by(number: u64) -> Connection {
        Connection { number, since: clock::now(), after_outage: number > 1 }
    }

    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn a_server_is_subtracted_as_often_as_it_is_counted() {
        let member = Place::member(&format(), "/", "uid");
        let others = |place: &Place<Classic>, counts| {
            place.census(counts, by(1), clock::now(), LONG).map(|census| census.others)
        };
        assert_eq!(others(&member, &[3, 1]), Some(2));
        assert_eq!(others(&member, &[4, 2]), Some(2), "an old connection that Redis takes for alive");
        assert_eq!(others(&member, &[3, 0]), None, "who is not counted hears no answers");
        let guest = Place::guest(&format(), "/", "guest", "uid");
        assert_eq!(guest.counted(), ["k-request#/#", "k-response#/#uid#"]);
        assert_eq!(others(&guest, &[3, 0]), Some(3));
        assert_eq!(others(&guest, &[4, 1]), Some(3), "a member that has just left");
    }

    #[test]
    fn fewer_others_than_before_may_be_on_their_way_back() {
        let place = Place::member(&format(), "/", "uid");
        let absent = |count, connection, time| {
            place.census(&[count, 1], connection, clock::now(), time).expect("this server is counted").absent
        };
        assert_eq!(absent(4, by(1), LONG), Some(0));
        assert_eq!(absent(3, by(1), LONG), Some(1));
        assert_eq!(absent(2, by(2), LONG), Some(2));
        assert_eq!(absent(4, by(2), LONG), Some(0));
        let new = Place::member(&format(), "/new", "uid").census(&[1, 1], by(2), clock::now(), LONG);
        assert_eq!(new.expect("counted").absent, None);
    }
}
