//! The shard and its event loop: what one turn does, in which order.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock;
use crate::engineio::Millis;
use crate::log_line;
use crate::metrics::{Histogram, Limit, ShardMetrics};
use crate::shard::ending::life::Life;
use crate::shard::ending::signals::Signals;
use crate::shard::event_loop::callbacks::Callbacks;
use crate::shard::event_loop::core::Core;
use crate::shard::guard::stopwatch::Stopwatch;
use crate::shard::input::reading::Pace;
use crate::shard::kernel::listener::Listener;
use crate::shard::kernel::poll::{EVENTS, Poll, Readiness, Ready, Watch};
use crate::shard::net::accept::Accepting;
use crate::shard::net::write::SLICE;
use crate::shard::shared::Shared;
use crate::shard::shared::mailbox::{Inbox, Left, Letter, Work};
use crate::shard::store::keys::{ConnectionKey, TimerKey};
use crate::websocket::{Limits, Receiver};

/// Bytes read at once.
const READ_BUFFER: usize = 64 * 1024;

thread_local! {
    /// The shard that this thread runs.
    static CURRENT: RefCell<Option<Rc<Shard>>> = const { RefCell::new(None) };
}

/// One event loop and everything it owns.
pub(crate) struct Shard {
    index: usize,
    pub(crate) shared: Arc<Shared>,
    /// The program's handlers, which are called while nothing of the shard is borrowed.
    pub(crate) callbacks: Arc<dyn Callbacks>,
    pub(in crate::shard) core: RefCell<Core>,
    pub(in crate::shard) receiver: RefCell<Receiver>,
    pub(in crate::shard) listener: RefCell<Option<Listener>>,
    pub(in crate::shard) accepting: Cell<Accepting>,
    /// Whether letters wait that the last turn had no time for.
    letters_wait: Cell<bool>,
    /// The unfinished work of a letter.
    work: RefCell<Option<Work>>,
    /// How long this turn has read.
    pub(in crate::shard) pace: Pace,
    /// How long handlers take.
    pub(crate) stopwatch: Stopwatch,
    /// Whether connections that become readable in this turn must join the line.
    pub(in crate::shard) is_congested: Cell<bool>,
    /// The signals, if this shard handles them.
    pub(in crate::shard) signals: RefCell<Option<Signals>>,
    pub(in crate::shard) life: Cell<Life>,
    /// Whether the others know that it has no client left at the end.
    pub(in crate::shard) is_alone: Cell<bool>,
}

/// A shard, and what it turns with.
pub(crate) struct EventLoop {
    shard: Rc<Shard>,
    poll: Poll,
    inbox: Inbox,
    /// The instant from which the shard's time is reckoned.
    origin: Instant,
    buffer: Vec<u8>,
    due: Vec<TimerKey>,
}

impl EventLoop {
    /// A shard that has yet to turn. `signals` are those that ask the server to stop, if it is this shard that hears of them.
    ///
    /// # Errors
    /// If the kernel refuses to watch the listener or the signals.
    pub(crate) fn new(
        shared: Arc<Shared>,
        callbacks: Arc<dyn Callbacks>,
        index: usize,
        poll: Poll,
        inbox: Inbox,
        mut listener: Listener,
        mut signals: Option<Signals>,
    ) -> io::Result<Self> {
        poll.watch_listener(&mut listener)?;
        if let Some(signals) = &mut signals {
            signals.watch(&poll)?;
        }
        let shard = Shard::new(shared, callbacks, index, poll.watch()?, listener);
        *shard.signals.borrow_mut() = signals;
        let (origin, buffer, due) = (clock::now(), vec![0; READ_BUFFER], Vec::new());
        Ok(Self { shard: Rc::new(shard), poll, inbox, origin, buffer, due })
    }

    /// Runs the event loop on this thread until the server stops.
    ///
    /// # Errors
    /// If the kernel refuses to be polled.
    pub(crate) fn run(mut self) -> io::Result<()> {
        CURRENT.set(Some(Rc::clone(&self.shard)));
        let result = self.turn_until_over();
        CURRENT.set(None);
        result
    }

    fn turn_until_over(&mut self) -> io::Result<()> {
        while self.shard.life.get() != Life::Over {
            if self.poll.wait(log_line::settle_before(self.shard.sleep()))? {
                self.turn();
            }
        }
        Ok(())
    }

    /// One turn: what is ready is read, timers that are due come up, letters are handled, and at its end what is due is written.
    fn turn(&mut self) {
        let Self { shard, poll, inbox, origin, buffer, due } = self;
        let now = clock::now();
        shard.pace.begin_turn(now);
        shard.stopwatch.begin_turn();
        shard.core.borrow_mut().begin_turn(millis(now - *origin));
        shard.look_for_congestion();
        let mut woken = shard.letters_wait.get();
        let mut accept = shard.accepting.get() == Accepting::Now;
        let mut count = 0;
        poll.each_ready(|ready| {
            count += 1;
            match ready {
                Ready::Woken => woken = true,
                Ready::Listener => accept = true,
                Ready::Signals => shard.signalled(),
                Ready::Connection(key, readiness) => shard.ready(key, readiness, buffer),
            }
        });
        shard.read_line(buffer);
        shard.timers(due);
        if woken {
            shard.letters(inbox);
        }
        // Behind a full turn there may be many: who is new would wait until the kernel has told of all of them, twice.
        let crowded = count == EVENTS;
        if accept || crowded {
            shard.accept(crowded);
        }
        shard.deferred_handshakes();
        shard.end_turn();
        shard.took(shard.shared.config.ops_port.map(|_| now), |metrics| &metrics.turn_time);
    }
}

/// While this lives, its thread runs a shard. It ends with a turn that panics, too: the next history must not find the shard there.
#[cfg(test)]
struct Turning;

#[cfg(test)]
impl Drop for Turning {
    fn drop(&mut self) {
        // What the shard holds may look here when it is dropped.
        drop(CURRENT.take());
    }
}

/// What a simulation does with a shard.
#[cfg(test)]
impl EventLoop {
    /// How long it would sleep; `None` until somebody wakes it.
    pub(in crate::shard) fn sleeps(&self) -> Option<Duration> {
        if self.poll.is_ready() {
            return Some(Duration::ZERO);
        }
        let now = millis(clock::now() - self.origin);
        let slept = now - self.shard.core.borrow().now();
        self.shard.sleep().map(|sleep| sleep.saturating_sub(slept))
    }

    /// Turns once on a thread that runs other shards, too.
    pub(in crate::shard) fn turn_once(&mut self) {
        CURRENT.set(Some(Rc::clone(&self.shard)));
        let _turning = Turning;
        assert!(self.poll.wait(Some(Duration::ZERO)).is_ok_and(|slept| slept));
        self.turn();
    }

    /// Lets go of everything, as the system does when a process ends. Alarms may hold the shard that holds them.
    pub(in crate::shard) fn kill(self) {
        let Shard { shared, index, core, .. } = &*self.shard;
        let watch = self.poll.watch().expect("a simulated poll is watched");
        drop(core.replace(Core::new(Arc::clone(shared), *index, watch)));
    }

    /// Whether its thread would have ended.
    pub(in crate::shard) fn is_over(&self) -> bool {
        self.shard.life.get() == Life::Over
    }

    pub(in crate::shard) fn shard(&self) -> &Rc<Shard> {
        &self.shard
    }

    /// How many letters wait for it.
    pub(in crate::shard) fn letters(&self) -> usize {
        self.inbox.len()
    }
}

impl Shard {
    /// Whether this thread runs a shard, of any server.
    pub(crate) fn runs_here() -> bool {
        CURRENT.with_borrow(Option::is_some)
    }

    /// The shard of this thread, of any server.
    pub(in crate::shard) fn here() -> Option<Rc<Self>> {
        CURRENT.with_borrow(Clone::clone)
    }

    /// The shard of this thread, if it belongs to the server of `shared`.
    pub(crate) fn current(shared: &Arc<Shared>) -> Option<Rc<Self>> {
        CURRENT
            .with_borrow(|current| current.as_ref().filter(|shard| Arc::ptr_eq(&shard.shared, shared)).map(Rc::clone))
    }

    /// Runs `act` on everything that the shard owns. It must not call code of the program, which may borrow the core, too.
    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut Core) -> R) -> R {
        act(&mut self.core.borrow_mut())
    }

    /// Its number among the shards.
    pub(crate) const fn index(&self) -> usize {
        self.index
    }

    fn new(shared: Arc<Shared>, callbacks: Arc<dyn Callbacks>, index: usize, watch: Watch, listener: Listener) -> Self {
        let limits = Limits {
            max_message_size: shared.config.max_http_buffer_size,
            max_fragments: shared.config.limits.fragments,
        };
        Self {
            index,
            core: RefCell::new(Core::new(Arc::clone(&shared), index, watch)),
            shared,
            callbacks,
            receiver: RefCell::new(Receiver::new(limits)),
            listener: RefCell::new(Some(listener)),
            accepting: Cell::new(Accepting::WhenTold),
            letters_wait: Cell::new(false),
            work: RefCell::default(),
            pace: Pace::new(clock::now()),
            stopwatch: Stopwatch::new(),
            is_congested: Cell::new(false),
            signals: RefCell::new(None),
            life: Cell::new(Life::Serving),
            is_alone: Cell::new(false),
        }
    }

    /// The time, if timings are measured.
    pub(in crate::shard) fn clock(&self) -> Option<Instant> {
        self.shared.config.ops_port.map(|_| clock::now())
    }

    /// Notes how long something took since [`clock`](Self::clock).
    pub(in crate::shard) fn took(&self, since: Option<Instant>, of: impl FnOnce(&ShardMetrics) -> &Histogram) {
        if let Some(since) = since {
            of(self.core.borrow().metrics()).record(clock::now() - since);
        }
    }

    /// How long the loop may sleep: not at all while work is left, otherwise until the next timer. This is counted from the
    /// turn's start, so a timer may be late by the length of the turn.
    fn sleep(&self) -> Option<Duration> {
        let core = self.core.borrow();
        if core.has_work() || self.letters_wait.get() || self.accepting.get() == Accepting::Now {
            return Some(Duration::ZERO);
        }
        if !core.line().is_empty(!core.is_behind()) {
            return Some(if self.others_are_full() { SLICE } else { Duration::ZERO });
        }
        let due = core.next_timer()?;
        Some((due - core.now()).min(Duration::from_secs(3600)))
    }

    fn ready(self: &Rc<Self>, key: ConnectionKey, readiness: Readiness, buffer: &mut [u8]) {
        if readiness.writable {
            let mut core = self.core.borrow_mut();
            core.writable(key);
            core.hear_eased();
        }
        if readiness.readable {
            self.readable(key, readiness.read_closed, buffer);
        }
    }

    /// Acts for a connection. Its output meanwhile is answers.
    pub(in crate::shard) fn served(self: &Rc<Self>, key: ConnectionKey, act: impl FnOnce(&Rc<Self>)) {
        self.core.borrow_mut().serve(Some(key));
        act(self);
        self.core.borrow_mut().serve(None);
    }

    fn timers(self: &Rc<Self>, due: &mut Vec<TimerKey>) {
        let mut core = self.core.borrow_mut();
        let now = core.now();
        core.timers().expire(now, due);
        drop(core);
        for timer in due.drain(..) {
            match timer {
                TimerKey::Session(key) => {
                    let mut core = self.core.borrow_mut();
                    core.session_due(key);
                    core.check_attachments(key);
                }
                TimerKey::Connection(key) => self.core.borrow_mut().connection_due(key),
                TimerKey::Socket(key) => self.core.borrow_mut().socket_due(key),
                TimerKey::Alarm(key) => self.core.borrow_mut().alarm_due(key),
                TimerKey::GoOn(key) => self.core.borrow_mut().let_go_on(key),
                TimerKey::Post(key) => self.resume_post(key),
                TimerKey::Settle(key) => self.core.borrow_mut().settle_due(key),
                TimerKey::Release(key) => self.core.borrow_mut().release(key),
                TimerKey::Cuts => self.shared.cuts.tell(clock::now()),
                TimerKey::Turn => {}
                TimerKey::Unsaid => self.core.borrow_mut().tell_unsaid(),
                TimerKey::Owners => self.core.borrow_mut().owners_due(),
                TimerKey::Wait => self.core.borrow_mut().waits_due(),
                TimerKey::Admission => self.core.borrow_mut().applicants_due(),
                TimerKey::Accept => self.accepting.set(self.accepting.get().rested()),
                TimerKey::Recovery => self.core.borrow_mut().recovery_due(),
                TimerKey::Trim => self.core.borrow_mut().trim(),
                TimerKey::Stop => self.life.set(Life::Over),
            }
            self.run_calls();
        }
    }

    /// Handles letters for a slice of time.
    fn letters(self: &Rc<Self>, inbox: &Inbox) {
        if inbox.is_full() {
            self.core.borrow().metrics().hit(Limit::Inbox);
        }
        let started = clock::now();
        self.go_on_with_work(started);
        if self.work.borrow().is_some() {
            return;
        }
        // One thread's letters are handled in order: none begins before those sent before it are done.
        for letter in inbox.drain() {
            self.letter(letter, started);
            if clock::now() - started >= SLICE || self.work.borrow().is_some() {
                break;
            }
        }
        self.letters_wait.set(!inbox.is_empty() || self.work.borrow().is_some());
    }

    /// Goes on with work that the last turn had no time to finish.
    fn go_on_with_work(self: &Rc<Self>, started: Instant) {
        let work = self.work.borrow_mut().take();
        let Some(mut work) = work else { return };
        while work(self) == Left::More {
            self.run_calls();
            if clock::now() - started >= SLICE {
                *self.work.borrow_mut() = Some(work);
                return;
            }
        }
        self.run_calls();
    }

    fn letter(self: &Rc<Self>, letter: Letter, started: Instant) {
        match letter {
            Letter::Broadcast(broadcast) => self.core.borrow_mut().broadcast(&broadcast),
            Letter::Recoverable(stamp, broadcast) => self.core.borrow_mut().broadcast_logged(stamp, &broadcast),
            Letter::Connection(hand_off) => self.take_over(*hand_off),
            Letter::Run(act, _) => act(self),
            Letter::Work(work, _) => {
                *self.work.borrow_mut() = Some(work);
                self.go_on_with_work(started);
            }
            Letter::Stop => self.stop(),
        }
        self.run_calls();
    }

    /// Ends the turn: answers polls, writes everything due, and removes closed connections.
    fn end_turn(self: &Rc<Self>) {
        loop {
            self.run_calls();
            let mut core = self.core.borrow_mut();
            core.answer_polls();
            core.flush_turn();
            core.read_pieces();
            core.tell_owners();
            core.forget_common();
            core.check_queued();
            core.check_unfinished();
            core.check_kept();
            core.check_memory();
            core.remove_closed();
            core.hear_eased();
            core.hear_endings();
            core.metrics().queued_bytes.set(core.queued() as u64);
            core.metrics().kept_bytes.set(core.kept_bytes() as u64);
            core.metrics().handshakes_waiting.set(core.handshakes_waiting() as u64);
            core.metrics().collections.set(core.waits().len() as u64);
            if !core.has_calls() && !core.has_marked() {
                break;
            }
        }
        let mut core = self.core.borrow_mut();
        core.end_relayed();
        #[cfg(debug_assertions)]
        core.assert_nobody_is_forgotten();
        core.rest_if_alone();
        core.sweep_timers();
        drop(core);
        match self.life.get() {
            Life::Serving | Life::Drained | Life::Over => {}
            Life::Draining => self.end_drain_if_alone(),
            Life::Stopping => self.end_if_alone(),
        }
    }
}

fn millis(elapsed: Duration) -> Millis {
    Millis(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
}
