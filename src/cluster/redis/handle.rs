//! The two threads from outside: started, used from any thread, stopped.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use crossbeam_channel::{Receiver, bounded};
use log::Level;

use super::fault::Fault;
use super::keeper::{Keeper, Role};
use super::metrics::{Counters, RedisMetrics};
use super::promptness::Promptness;
use super::publisher::Publisher;
use super::queue::{self, Ask, AskError, Kind, Patience, Queue, Receipt, Received, Uncounted, Unpublished, Wake};
use super::settings::Settings;
#[cfg(test)]
use super::simulated;
use super::sleep::{Sleep, Waker};
use super::status::{Side, State, Status};
use super::subscriber::{Incoming, Loss, Sink, Subscriber};
use super::topics::{Connection, Demand, Topic, Topics};
use super::values::{Errand, Refusal};
use crate::clock;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::log_line::LineKind;

/// Longer than any process runs.
const AN_AGE: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// How long the end waits for Redis to confirm that nothing is subscribed to any more.
const PARTING: Duration = Duration::from_millis(200);

/// How much longer than their allowed time the threads are waited for.
const GRACE: Duration = Duration::from_millis(500);

static NOT_WOKEN: LineKind = LineKind::new(Level::Error, module_path!(), "Redis threads that were not woken");

/// Connects to Redis, if the settings name one ([`Config::redis`]). It returns at once; the state of Redis shows later.
///
/// `sink` is called on the subscriber's thread with everything that arrives. While it runs nothing else is received,
/// and Redis cuts off a subscriber that is far behind (by default 32 MB, or 8 MB for a minute), so it should pass work
/// on. A panic of it is logged and goes no further.
///
/// # Errors
/// [`Error::Setting`] if TLS is configured and the file of certificates or the host's name is invalid,
/// [`Error::System`] if the system refuses a thread or a poll.
pub fn start(config: &Config, sink: impl FnMut(Incoming) + Send + 'static) -> Result<Option<Handle>> {
    start_with(config, [], sink, |_| ())
}

/// The same, with these subscriptions from the beginning: Redis counts as connected when they are in effect. `lost` is
/// called on the subscriber's thread with what is not subscribed to any more. This includes [the end](Handle::stop):
/// what it publishes about an ended subscription is still sent.
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
        queue: Queue::new(settings.queue, settings.receipted_queue, Arc::clone(&counters)),
        settings,
        topics: Topics::default(),
        status: Status::new(address),
        counters,
        promptness: Promptness::default(),
        parting: OnceLock::new(),
        noted: AtomicBool::new(false),
        subscriber,
        publisher,
    });
    shared.topics.want(topics, Demand::Needed);
    // If the second thread cannot be started, dropping this ends the first.
    let owner = Owner { shared: Arc::clone(&shared), threads: Mutex::default() };
    let sink = Sink { incoming: Box::new(sink), lost: Box::new(lost) };
    let subscriber = Subscriber::new(Arc::clone(&shared), sink);
    owner.spawn("kinglet-redis-s", Keeper::new(Arc::clone(&shared), subscriber), subscriber_sleep)?;
    let publisher = Publisher::new(Arc::clone(&shared));
    owner.spawn("kinglet-redis-p", Keeper::new(shared, publisher), publisher_sleep)?;
    Ok(Some(Handle(Arc::new(owner))))
}

/// State that the threads and the handles share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) queue: Queue,
    pub(super) topics: Topics,
    pub(super) status: Status,
    pub(super) counters: Arc<Counters>,
    /// The subscriber's, if the settings want it to be known.
    pub(super) promptness: Promptness,
    /// Set when the subscriber must stop.
    pub(super) parting: OnceLock<Parting>,
    /// Whether somebody has [noted a loss](Handle::note_loss) that is not reported yet.
    pub(super) noted: AtomicBool,
    subscriber: Waker,
    publisher: Waker,
}

/// How the subscriber must stop.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parting {
    /// When it was told to.
    pub(super) since: Instant,
    /// Until then it may end its subscriptions.
    pub(super) until: Instant,
}

impl Shared {
    /// Notes the state of one side. The subscriber's thread reports it to the sink.
    pub(super) fn set_state(&self, side: Side, state: State) {
        if matches!(state, State::Down(Fault::Silent(_))) {
            self.counters.silences.one();
        }
        self.status.set(side, state);
        if side == Side::Publisher {
            wake(&self.subscriber);
        }
    }

    /// Counts a new connection.
    pub(super) fn connected(&self, side: Side, connections: &mut u32) {
        if *connections > 0 {
            self.counters.reconnections.one();
        }
        *connections = connections.saturating_add(1);
        log::debug!("the connection of the {side:?} to Redis is made");
    }

    /// Counts a failed attempt.
    pub(super) fn failed(&self, fault: &Fault) {
        if !matches!(fault, Fault::Stopped) {
            self.counters.failed_connections.one();
        }
    }

    fn stop_subscriber(&self, until: Instant) {
        let _ = self.parting.set(Parting { since: clock::now(), until });
        wake(&self.subscriber);
    }

    fn stop_publisher(&self, until: Instant) {
        self.queue.end(until);
        wake(&self.publisher);
    }
}

fn wake(waker: &Waker) {
    if let Err(error) = waker.wake() {
        NOT_WOKEN.write(|| format!("cannot wake a Redis thread: {error}"));
    }
}

/// Access to Redis from any thread. No call waits for Redis, except [`stop`](Self::stop). When the last handle is
/// dropped without that, the threads end soon, and waiting messages are dropped.
#[derive(Debug, Clone)]
pub struct Handle(Arc<Owner>);

impl Handle {
    /// Subscribes to these topics, except those that are subscribed to already. The subscriptions are repeated after
    /// each reconnection. [`Incoming::Subscribed`] tells when each is in effect.
    pub fn subscribe(&self, topics: impl IntoIterator<Item = Topic>) {
        self.want(topics, Demand::Needed);
    }

    /// The same for optional topics: if Redis refuses one, the connection goes on.
    pub(crate) fn subscribe_if_allowed(&self, topics: impl IntoIterator<Item = Topic>) {
        self.want(topics, Demand::Dispensable);
    }

    fn want(&self, topics: impl IntoIterator<Item = Topic>, demand: Demand) {
        self.0.shared.topics.want(topics, demand);
        wake(&self.0.shared.subscriber);
    }

    /// Ends these subscriptions. Messages that are on their way may still arrive.
    pub fn unsubscribe(&self, topics: impl IntoIterator<Item = Topic>) {
        self.0.shared.topics.unwant(topics);
        wake(&self.0.shared.subscriber);
    }

    /// Publishes a message: one PUBLISH, after earlier messages. While Redis is away, it waits in a bounded queue
    /// ([`Limits::redis_queue`](crate::Limits::redis_queue)).
    pub fn publish(&self, channel: impl Into<Bytes>, payload: impl Into<Bytes>, kind: Kind) {
        self.push(channel.into(), payload.into(), kind, None);
    }

    /// The same for a message of the kind [`Kind::Lasting`] that `stamp` completes at its place in the queue, so that the
    /// stamps of messages are in the order of publication. Nothing may be published by `stamp`.
    pub(crate) fn publish_stamped(&self, channel: impl Into<Bytes>, payload: Vec<u8>, stamp: impl FnOnce(&mut [u8])) {
        if self.0.shared.queue.push_stamped(channel.into(), payload, stamp) == Wake::Needed {
            wake(&self.0.shared.publisher);
        }
    }

    /// The same for a message that must not be published later than after `time`.
    pub(crate) fn publish_within(&self, time: Duration, channel: impl Into<Bytes>, payload: impl Into<Bytes>) {
        self.push(channel.into(), payload.into(), Kind::Lasting, Some(until(time)));
    }

    fn push(&self, channel: Bytes, payload: Bytes, kind: Kind, until: Option<Instant>) {
        if self.0.shared.queue.push(channel, payload, kind, until) == Wake::Needed {
            wake(&self.0.shared.publisher);
        }
    }

    /// Longest message that can be published on a channel: the queue has room for it
    /// ([`Limits::redis_queue`](crate::Limits::redis_queue)), and others with the same settings do not skip it
    /// ([`Limits::redis_message`](crate::Limits::redis_message)).
    pub fn longest(&self, channel: &str) -> usize {
        let settings = &self.0.shared.settings;
        settings.message.min(settings.queue.saturating_sub(channel.len() + queue::OVERHEAD))
    }

    /// Asks how many connections are subscribed to a channel by its exact name (`PUBSUB NUMSUB`). The question
    /// overtakes waiting messages. `receive` is called with the answer on the publisher's thread, at the latest after
    /// `timeout`; if it cannot be asked, at once on this thread.
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

    /// Has Redis keep a value for so long.
    ///
    /// # Errors
    /// If Redis is not connected, or too much waits for it.
    pub(crate) fn keep(
        &self,
        key: impl Into<Bytes>,
        value: impl Into<Bytes>,
        time: Duration,
    ) -> std::result::Result<(), Refusal> {
        self.run(Errand::Keep { key: key.into(), value: value.into(), time }).map_err(|(_, refusal)| refusal)
    }

    /// Takes a value out of Redis. `taken` is called on the publisher's thread, or at once if Redis is not connected.
    pub(crate) fn take(&self, key: impl Into<Bytes>, taken: impl FnOnce(Option<Bytes>) + Send + 'static) {
        if let Err((errand, _)) = self.run(Errand::Take { key: key.into(), taken: Box::new(taken) }) {
            errand.fail();
        }
    }

    fn run(&self, errand: Errand) -> std::result::Result<(), (Errand, Refusal)> {
        self.0.shared.queue.run(errand)?;
        wake(&self.0.shared.publisher);
        Ok(())
    }

    /// Publishes a message as [`publish`](Self::publish) does, of the kind [`Kind::Lasting`], and counts the
    /// subscribers of these channels right before, so that the counted ones are those that get it. `uncounted`: what
    /// happens to a message whose receivers cannot be counted.
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

    /// Publishes a message and learns what became of it, in order with the others. It has an account of bytes of its own
    /// ([`Limits::relay_queue`](crate::Limits::relay_queue)). `received` is called with the number of its receivers on the
    /// publisher's thread; it is returned with the reason if the message is not accepted.
    pub(crate) fn publish_receipted(
        &self,
        channel: Bytes,
        payload: Bytes,
        patience: Patience,
        received: Received,
    ) -> Result<(), (Received, Unpublished)> {
        match self.0.shared.queue.push_receipted(channel, payload, Receipt { patience, received }) {
            Ok(Wake::Needed) => wake(&self.0.shared.publisher),
            Ok(Wake::Needless) => {}
            Err((receipt, error)) => return Err((receipt.received, error)),
        }
        Ok(())
    }

    /// Whether there is ample room for messages with receipts: a sender that waits until there is loses none.
    pub(crate) fn has_room_for_receipted(&self) -> bool {
        self.0.shared.queue.has_room_for_receipted()
    }

    /// Longest message that [`publish_receipted`](Self::publish_receipted) takes and others do not skip.
    pub(crate) fn longest_receipted(&self, channel: &Bytes) -> usize {
        let settings = &self.0.shared.settings;
        settings.message.min(settings.receipted_queue.saturating_sub(channel.len() + queue::OVERHEAD))
    }

    /// Has [`Loss::Noted`] reported soon, on the subscriber's thread.
    pub(crate) fn note_loss(&self) {
        self.0.shared.noted.store(true, Ordering::Release);
        wake(&self.0.shared.subscriber);
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

    /// The connection by which a subscription is in effect, and since when it is.
    pub(crate) fn in_effect_since(&self, topic: &Topic) -> Option<(Connection, Instant)> {
        self.0.shared.topics.in_effect_since(topic)
    }

    /// Since when what came was read at once, perhaps not yet; `None`: for ever, as far as is known.
    pub(crate) fn prompt_since(&self) -> Option<Instant> {
        self.0.shared.promptness.since(clock::now())
    }

    /// Whether Redis is connected now.
    pub fn state(&self) -> State {
        self.0.shared.status.get()
    }

    /// The counters since the start.
    pub fn metrics(&self) -> RedisMetrics {
        let mut metrics = self.0.shared.counters.read();
        metrics.up = u64::from(matches!(self.state(), State::Up));
        metrics.queued_bytes = self.0.shared.queue.bytes() as u64;
        metrics.lag_micros = u64::try_from(self.0.shared.queue.lag().as_micros()).unwrap_or(u64::MAX);
        metrics
    }

    /// Ends both threads: first the subscriber, when Redis has confirmed that nothing is subscribed to any more, at the
    /// latest after 200 ms; then the publisher, when it has published all waiting messages; both at the latest after
    /// `timeout`. Returns when both threads have ended. Afterwards nothing is published and the sink is not called,
    /// even if a thread is left behind: one that waits for the system's resolver cannot be woken, and ends by itself.
    pub fn stop(&self, timeout: Duration) {
        let now = clock::now();
        let (parting, until) = (now + timeout.min(PARTING), now + timeout);
        let shared = &self.0.shared;
        shared.stop_subscriber(parting);
        let threads = std::mem::take(&mut *self.0.threads.lock().unwrap_or_else(PoisonError::into_inner));
        // Messages about ended subscriptions may still be published.
        if let Some(subscriber) = threads.first() {
            let _ = subscriber.ended.recv_deadline(parting);
        }
        shared.stop_publisher(until);
        for Thread { ended, handle } in threads {
            if ended.recv_deadline(until + GRACE) == Err(crossbeam_channel::RecvTimeoutError::Disconnected) {
                // Its hook has reported the panic.
                let _ = handle.join();
            }
        }
    }
}

/// The two halves of [`stop`](Handle::stop), for a simulation, which does something else while a server waits.
#[cfg(test)]
impl Handle {
    /// Ends the subscriptions, at the latest after 200 ms.
    pub(crate) fn part(&self) {
        self.0.shared.stop_subscriber(clock::now() + PARTING);
    }

    /// Publishes what waits, at the latest until then. The subscriptions have ended.
    pub(crate) fn finish(&self, until: Instant) {
        self.0.shared.stop_publisher(until);
    }
}

/// The state of a subscription. [`Incoming::Subscribed`] tells when it is in effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Published messages arrive, by this connection.
    InEffect(Connection),
    /// Redis was asked for it, or the first connection is being made.
    Pending,
    /// There is no connection, or Redis has refused it.
    Away,
}

/// A thread, and a channel that closes when it is about to end.
struct Thread {
    handle: JoinHandle<()>,
    ended: Receiver<()>,
}

/// State that all handles share.
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
    /// Starts a thread that keeps a connection.
    fn spawn<R: Role + Send + 'static>(&self, name: &str, keeper: Keeper<R>, sleep: Sleep) -> Result<()>
    where
        R::Talk: Send,
    {
        let (ending, ended) = bounded(0);
        let gone = Gone { shared: Arc::clone(&self.shared), side: R::SIDE };
        #[cfg(test)]
        if let Some(network) = simulated::network() {
            network.adopt(keeper, sleep, (ending, gone));
            return Ok(());
        }
        let run = move || {
            let _ending = ending;
            let _gone = gone;
            keeper.run(sleep);
        };
        let handle = thread::Builder::new().name(name.to_owned()).spawn(run);
        let handle = handle.map_err(Error::system("cannot start a thread for Redis"))?;
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(Thread { handle, ended });
        Ok(())
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let now = clock::now();
        self.shared.stop_publisher(now);
        self.shared.stop_subscriber(now);
    }
}

/// Reports that a side is down when its thread ends, also by a panic.
struct Gone {
    shared: Arc<Shared>,
    side: Side,
}

impl Drop for Gone {
    fn drop(&mut self) {
        self.shared.set_state(self.side, State::Down(Fault::Stopped));
    }
}

/// The deadline of a timeout that begins now; a caller's timeout may exceed any clock.
fn until(timeout: Duration) -> Instant {
    let now = clock::now();
    now.checked_add(timeout).unwrap_or(now + AN_AGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_may_be_longer_than_any_clock_tells() {
        assert!(until(Duration::MAX) > clock::now() + Duration::from_secs(3600));
    }
}
