//! The two threads from outside: started, used from any thread, stopped.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use crossbeam_channel::{Receiver, bounded};
use log::Level;
use mio::Waker;

use super::fault::Fault;
use super::metrics::{Counters, RedisMetrics};
use super::queue::{Ask, AskError, Kind, Queue, Uncounted, Wake};
use super::settings::Settings;
use super::sleep::Sleep;
use super::status::{Side, State, Status};
use super::subscriber::{Incoming, Loss, Sink};
use super::topics::{Connection, Demand, Topic, Topics};
use super::{publisher, queue, subscriber};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::log_line::LineKind;

/// Longer than any process runs.
const AN_AGE: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// How long the end waits until Redis has confirmed that nothing is subscribed to any more.
const PARTING: Duration = Duration::from_millis(200);

/// How much longer than it may take the threads to end they are waited for.
const GRACE: Duration = Duration::from_millis(500);

static NOT_WOKEN: LineKind = LineKind::new(Level::Error, module_path!(), "threads of Redis that were not woken");

/// Starts the way to Redis, if the settings name one ([`Config::redis`]). It returns at once: whether Redis is there shows
/// later, and does not matter to who starts.
///
/// `sink` is called on the subscriber's thread with all that comes. While it runs nothing else is received, and Redis cuts
/// off a subscriber that is far behind (by default 32 MB, or 8 MB for a minute), so it should hand on rather than work. A
/// panic of it is logged, and goes no further.
///
/// # Errors
/// [`Error::Setting`] if TLS is asked for and the file of certificates or the host's name is no use, [`Error::System`] if the
/// system refuses a thread or a poll.
pub fn start(config: &Config, sink: impl FnMut(Incoming) + Send + 'static) -> Result<Option<Handle>> {
    start_with(config, [], sink, |_| ())
}

/// The same, subscribed to these from the beginning: Redis counts as there when they are in effect. `lost` is called on the
/// subscriber's thread with what is not subscribed to any more. At [the end](Handle::stop), too: what it publishes of an ended
/// subscription then still leaves.
pub(crate) fn start_with(
    config: &Config,
    topics: impl IntoIterator<Item = Topic>,
    sink: impl FnMut(Incoming) + Send + 'static,
    lost: impl FnMut(Loss) + Send + 'static,
) -> Result<Option<Handle>> {
    let Some(server) = config.redis.clone() else { return Ok(None) };
    let address = server.to_string();
    let settings = Settings::new(config, server)?;
    let poll = |side: io::Result<_>| side.map_err(Error::system("cannot create a poll for Redis"));
    let (subscriber_sleep, subscriber) = poll(Sleep::new())?;
    let (publisher_sleep, publisher) = poll(Sleep::new())?;
    let counters = Arc::<Counters>::default();
    let shared = Arc::new(Shared {
        queue: Queue::new(settings.queue, Arc::clone(&counters)),
        settings,
        topics: Topics::default(),
        status: Status::new(address),
        counters,
        parting: OnceLock::new(),
        subscriber,
        publisher,
    });
    shared.topics.want(topics, Demand::Needed);
    // Dropped when the second thread cannot be started, it ends the first.
    let owner = Owner { shared: Arc::clone(&shared), threads: Mutex::default() };
    let of_subscriber = Arc::clone(&shared);
    let sink = Sink { incoming: Box::new(sink), lost: Box::new(lost) };
    owner
        .spawn("kinglet-redis-s", Side::Subscriber, move || subscriber::run(&of_subscriber, subscriber_sleep, sink))?;
    owner.spawn("kinglet-redis-p", Side::Publisher, move || publisher::run(&shared, publisher_sleep))?;
    Ok(Some(Handle(Arc::new(owner))))
}

/// What the threads and the handles share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) queue: Queue,
    pub(super) topics: Topics,
    pub(super) status: Status,
    pub(super) counters: Arc<Counters>,
    /// Until when the subscriber may end its subscriptions, if it is to stop.
    pub(super) parting: OnceLock<Instant>,
    subscriber: Arc<Waker>,
    publisher: Arc<Waker>,
}

impl Shared {
    /// Notes how one side is. The subscriber's thread tells it to the sink.
    pub(super) fn set_state(&self, side: Side, state: State) {
        if matches!(state, State::Down(Fault::Silent(_))) {
            self.counters.silences.one();
        }
        self.status.set(side, state);
        if side == Side::Publisher {
            wake(&self.subscriber);
        }
    }

    /// Counts a connection that was made.
    pub(super) fn connected(&self, side: Side, connections: &mut u32) {
        if *connections > 0 {
            self.counters.reconnections.one();
        }
        *connections = connections.saturating_add(1);
        log::debug!("the connection of the {side:?} to Redis is made");
    }

    /// Counts an attempt that failed.
    pub(super) fn failed(&self, fault: &Fault) {
        if !matches!(fault, Fault::Stopped) {
            self.counters.failed_connections.one();
        }
    }

    fn stop_subscriber(&self, until: Instant) {
        let _ = self.parting.set(until);
        wake(&self.subscriber);
    }

    fn stop_publisher(&self, until: Instant) {
        self.queue.end(until);
        wake(&self.publisher);
    }
}

fn wake(waker: &Waker) {
    if let Err(error) = waker.wake() {
        NOT_WOKEN.write(|| format!("cannot wake a thread of Redis: {error}"));
    }
}

/// A way to Redis from any thread. No call waits for Redis, other than [`stop`](Self::stop). When the last handle is dropped
/// without that, the threads end soon, and what waits is dropped.
#[derive(Debug, Clone)]
pub struct Handle(Arc<Owner>);

impl Handle {
    /// Subscribes to these; those that are subscribed to already are left alone. It is remembered, and repeated after each
    /// reconnection. [`Incoming::Subscribed`] tells when each is in effect.
    pub fn subscribe(&self, topics: impl IntoIterator<Item = Topic>) {
        self.want(topics, Demand::Needed);
    }

    /// The same for what may be done without: if Redis refuses it, the connection goes on.
    pub(crate) fn subscribe_if_allowed(&self, topics: impl IntoIterator<Item = Topic>) {
        self.want(topics, Demand::Dispensable);
    }

    fn want(&self, topics: impl IntoIterator<Item = Topic>, demand: Demand) {
        self.0.shared.topics.want(topics, demand);
        wake(&self.0.shared.subscriber);
    }

    /// Ends subscriptions to these. Messages that are on their way may still come.
    pub fn unsubscribe(&self, topics: impl IntoIterator<Item = Topic>) {
        self.0.shared.topics.unwant(topics);
        wake(&self.0.shared.subscriber);
    }

    /// Publishes a message: one PUBLISH, after those that were given before. It waits in a bounded queue while Redis is away
    /// ([`Limits::redis_queue`](crate::Limits::redis_queue)).
    pub fn publish(&self, channel: impl Into<Bytes>, payload: impl Into<Bytes>, kind: Kind) {
        self.push(channel.into(), payload.into(), kind, None);
    }

    /// The same for a message that is not to be published later than after `time`.
    pub(crate) fn publish_within(&self, time: Duration, channel: impl Into<Bytes>, payload: impl Into<Bytes>) {
        self.push(channel.into(), payload.into(), Kind::Lasting, Some(until(time)));
    }

    fn push(&self, channel: Bytes, payload: Bytes, kind: Kind, until: Option<Instant>) {
        if self.0.shared.queue.push(channel, payload, kind, until) == Wake::Needed {
            wake(&self.0.shared.publisher);
        }
    }

    /// Longest message that can be published on a channel: one that has room in the queue
    /// ([`Limits::redis_queue`](crate::Limits::redis_queue)), and that others with the same settings do not skip
    /// ([`Limits::redis_message`](crate::Limits::redis_message)).
    pub fn longest(&self, channel: &str) -> usize {
        let settings = &self.0.shared.settings;
        settings.message.min(settings.queue.saturating_sub(channel.len() + queue::OVERHEAD))
    }

    /// Asks how many connections are subscribed to a channel by its exact name (`PUBSUB NUMSUB`). It passes by the messages
    /// that wait. `receive` is called with the answer, at the latest after `timeout`, on the publisher's thread; at once on
    /// this one if it cannot be asked.
    pub fn count_subscribers(
        &self,
        channel: impl Into<Bytes>,
        timeout: Duration,
        receive: impl FnOnce(Result<u64, AskError>) + Send + 'static,
    ) {
        let one = |counts: Vec<u64>| counts.first().copied().unwrap_or(0);
        self.count_all(vec![channel.into()], timeout, move |counts| receive(counts.map(one)));
    }

    /// The same for several channels, at one moment.
    pub(crate) fn count_all(
        &self,
        channels: Vec<Bytes>,
        timeout: Duration,
        receive: impl FnOnce(Result<Vec<u64>, AskError>) + Send + 'static,
    ) {
        let ask = Ask { channels, until: until(timeout), reply: Box::new(receive) };
        match self.0.shared.queue.ask(ask) {
            Ok(()) => wake(&self.0.shared.publisher),
            Err((ask, error)) => (ask.reply)(Err(error)),
        }
    }

    /// Publishes a message as [`publish`](Self::publish) does, of the kind [`Kind::Lasting`], and counts the subscribers of these
    /// channels right before, so that those who are counted are those who get it. `uncounted`: what becomes of a message
    /// whose receivers cannot be counted.
    pub(crate) fn publish_counted(
        &self,
        channel: impl Into<Bytes>,
        payload: impl Into<Bytes>,
        uncounted: Uncounted,
        channels: Vec<Bytes>,
        timeout: Duration,
        receive: impl FnOnce(Result<Vec<u64>, AskError>) + Send + 'static,
    ) {
        let ask = Ask { channels, until: until(timeout), reply: Box::new(receive) };
        let (woken, unasked) = self.0.shared.queue.push_counted(channel.into(), payload.into(), ask, uncounted);
        if woken == Wake::Needed {
            wake(&self.0.shared.publisher);
        }
        if let Some((ask, error)) = unasked {
            (ask.reply)(Err(error));
        }
    }

    /// How far a subscription is.
    pub(crate) fn standing(&self, topic: &Topic) -> Standing {
        match self.0.shared.topics.in_effect(topic) {
            Ok(connection) => Standing::InEffect(connection),
            Err(Some(_)) => Standing::Pending,
            Err(None) if self.0.shared.status.is_untried(Side::Subscriber) => Standing::Pending,
            Err(None) => Standing::Away,
        }
    }

    /// Whether Redis is there now.
    pub fn state(&self) -> State {
        self.0.shared.status.get()
    }

    /// What was counted since the start.
    pub fn metrics(&self) -> RedisMetrics {
        let mut metrics = self.0.shared.counters.read();
        metrics.up = u64::from(matches!(self.state(), State::Up));
        metrics.queued_bytes = self.0.shared.queue.bytes() as u64;
        metrics.lag_micros = u64::try_from(self.0.shared.queue.lag().as_micros()).unwrap_or(u64::MAX);
        metrics
    }

    /// Ends it: first the subscriber, when Redis has confirmed that nothing is subscribed to any more, at the latest after 200 ms;
    /// then the publisher, when it has published what waits; both at the latest after `timeout`. Returns when both threads
    /// have ended. Nothing is published and the sink is not called any more, even if a thread is left behind: one that waits
    /// for the system's resolver cannot be woken, and ends by itself.
    pub fn stop(&self, timeout: Duration) {
        let now = Instant::now();
        let (parting, until) = (now + timeout.min(PARTING), now + timeout);
        let shared = &self.0.shared;
        shared.stop_subscriber(parting);
        let threads = std::mem::take(&mut *self.0.threads.lock().unwrap_or_else(PoisonError::into_inner));
        // What is told of the ends of subscriptions may be published yet.
        if let Some(subscriber) = threads.first() {
            let _ = subscriber.ended.recv_deadline(parting);
        }
        shared.stop_publisher(until);
        for Thread { ended, handle } in threads {
            if ended.recv_deadline(until + GRACE) == Err(crossbeam_channel::RecvTimeoutError::Disconnected) {
                // A panic has been reported by its hook.
                let _ = handle.join();
            }
        }
    }
}

/// How far a subscription is. [`Incoming::Subscribed`] tells when it is in effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// What is published comes, by this connection.
    InEffect(Connection),
    /// Redis was asked for it, or is being connected to for the first time.
    Pending,
    /// There is no connection, or Redis has refused it.
    Away,
}

/// A thread, and a channel that closes when it is about to end.
struct Thread {
    handle: JoinHandle<()>,
    ended: Receiver<()>,
}

/// What all handles share.
struct Owner {
    shared: Arc<Shared>,
    /// The subscriber's, then the publisher's.
    threads: Mutex<Vec<Thread>>,
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owner").field("state", &self.shared.status.get()).finish_non_exhaustive()
    }
}

impl Owner {
    fn spawn(&self, name: &str, side: Side, run: impl FnOnce() + Send + 'static) -> Result<()> {
        let (ending, ended) = bounded(0);
        let gone = Gone { shared: Arc::clone(&self.shared), side };
        let run = move || {
            let _ending = ending;
            let _gone = gone;
            run();
        };
        let handle = thread::Builder::new().name(name.to_owned()).spawn(run);
        let handle = handle.map_err(Error::system("cannot start a thread for Redis"))?;
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(Thread { handle, ended });
        Ok(())
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let now = Instant::now();
        self.shared.stop_publisher(now);
        self.shared.stop_subscriber(now);
    }
}

/// Says that a side is gone when its thread ends, by a panic too.
struct Gone {
    shared: Arc<Shared>,
    side: Side,
}

impl Drop for Gone {
    fn drop(&mut self) {
        self.shared.set_state(self.side, State::Down(Fault::Stopped));
    }
}

/// The instant at which a time is up that began now; a caller's may be longer than any clock tells.
fn until(timeout: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(timeout).unwrap_or(now + AN_AGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_may_be_longer_than_any_clock_tells() {
        assert!(until(Duration::MAX) > Instant::now() + Duration::from_secs(3600));
    }
}
