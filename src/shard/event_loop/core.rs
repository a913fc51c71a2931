//! What a shard owns: connections, sessions, sockets, rooms, timers, and what is due this turn.
//!
//! The core is plain state in one `RefCell` of the [`Shard`](crate::shard::Shard). It never calls the application: what the
//! application must hear is left in `calls`, and called when the core is not borrowed.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use foldhash::fast::FixedState;
use mio::Registry;
use slab::Slab;

use super::alarms::Alarm;
use super::calls::Call;
use super::shared::Shared;
use super::waits::Waits;
use crate::engineio::{Effect, Lost, MESSAGE_OVERHEAD, Millis, Overdue, Session, Settings, SidSource};
use crate::metrics::{Limit, ShardMetrics};
use crate::shard::guard::assembly::Assembly;
use crate::shard::input::http::deferred::Handshakes;
use crate::shard::input::http::polls::CommonPayload;
use crate::shard::input::reading::Line;
use crate::shard::net::charge::Charges;
use crate::shard::net::connection::{Connection, Fate, HttpState, NEVER, Role, Stage};
use crate::shard::net::spares::Spares;
use crate::shard::recovery::Recovering;
use crate::shard::sessions::allowance::Allowance;
use crate::shard::sessions::client::Client;
use crate::shard::sessions::ledger::Ledger;
use crate::shard::sockets::life::SocketState;
use crate::shard::sockets::members::Members;
use crate::shard::sockets::namespaces::Namespaces;
use crate::shard::sockets::translation::Translation;
use crate::shard::store::batches::Batches;
use crate::shard::store::keys::{ConnectionKey, NamespaceKey, SessionKey, SocketKey, TimerKey};
use crate::shard::store::pages::{MAX_KEYS, Pages};
use crate::shard::store::rate::Account;
use crate::shard::store::timers::Timers;
use crate::socketio::DisconnectReason;

/// Departures after which memory is given back to the system.
const TRIM_AFTER: usize = 1024;

/// Time that a wave of departures has to end before memory is given back.
const TRIM_DELAY: std::time::Duration = std::time::Duration::from_millis(500);

/// Everything a shard owns.
pub(crate) struct Core {
    pub(crate) shared: Arc<Shared>,
    pub(crate) metrics: Arc<ShardMetrics>,
    pub(crate) registry: Registry,
    /// The instant at which this turn began.
    pub(crate) now: Millis,
    pub(crate) connections: Pages<Connection>,
    /// Whose they are, while the connections of an address are bounded. A WebSocket has forgotten its peer, and a socket that
    /// was reset does not tell it any more.
    pub(crate) peers: HashMap<ConnectionKey, IpAddr, FixedState>,
    /// Those that are more than there may be.
    pub(crate) spares: Spares,
    pub(crate) sessions: Pages<Client>,
    pub(crate) sockets: Pages<SocketState>,
    pub(crate) namespaces: Namespaces,
    pub(crate) sids: SidSource,
    pub(crate) timers: Timers<TimerKey>,
    pub(crate) batches: Batches,
    /// The last frames translated for a client of protocol 3 this turn.
    pub(crate) translation: Option<Translation>,
    /// The connection whose bytes are being handled: what it is sent are answers, which leave first.
    pub(crate) serving: Option<ConnectionKey>,
    /// Connections that were sent answers this turn.
    pub(crate) replies: Vec<ConnectionKey>,
    /// Connections that were sent anything else.
    pub(crate) fanout: VecDeque<ConnectionKey>,
    /// Polling sessions for which something was queued, and who have not been answered.
    pub(crate) polled: VecDeque<SessionKey>,
    /// The payload that the last of them got, for those who get the same.
    pub(crate) common_payload: Option<CommonPayload>,
    /// Connections that have something to be read.
    pub(crate) line: Line,
    /// Handshakes that wait for their turn.
    pub(crate) handshakes: Handshakes,
    /// Connections to bury at the end of the turn.
    pub(crate) doomed: Vec<ConnectionKey>,
    /// What the application must hear.
    pub(crate) calls: VecDeque<Call>,
    /// Whether a fan-out has fallen so far behind that nothing is read that could lead to more of it, until it is done.
    pub(crate) behind: bool,
    /// What waits for clients, in outboxes and in sessions.
    pub(crate) charges: Charges,
    /// What the bookkeeping of these messages costs, for each of their receivers.
    pub(crate) queued_overhead: usize,
    /// How much must wait for clients until it is looked who is to be cut off.
    pub(crate) queued_look: usize,
    /// What sessions keep.
    pub(crate) ledger: Ledger,
    /// Bytes of unfinished messages and requests that came since the last look at all of them.
    pub(crate) kept: usize,
    /// Who may go on with a large message while much is half sent.
    pub(crate) assembly: Assembly,
    /// How many sessions may begin now, if their rate is bounded.
    pub(crate) session_rate: Account,
    /// What clients may still send, of those that have sent something and if that is bounded.
    pub(crate) allowances: HashMap<SessionKey, Allowance>,
    /// When the memory in use is looked at next, and from how many bytes on that are accounted for in any case.
    pub(crate) memory_look: Millis,
    pub(crate) memory_mark: usize,
    /// When memory was given back to the system last.
    pub(crate) trimmed: Millis,
    /// What is to be done at its time.
    pub(crate) alarms: Slab<Alarm>,
    /// What others are to answer.
    pub(crate) waits: Waits,
    /// What recovery needs of this shard.
    pub(crate) recovering: Recovering,
    /// Scratch space of the flush.
    pub(crate) pieces: Vec<Bytes>,
    effects: Vec<Effect<ConnectionKey>>,
    departed: usize,
}

impl Core {
    pub(crate) fn new(shared: Arc<Shared>, index: usize, registry: Registry) -> Self {
        Self {
            metrics: Arc::clone(&shared.metrics[index]),
            registry,
            now: Millis(0),
            connections: Pages::new(MAX_KEYS),
            peers: HashMap::default(),
            spares: Spares::new(shared.mailboxes.len()),
            sessions: Pages::new(MAX_KEYS),
            sockets: Pages::new(MAX_KEYS),
            namespaces: Namespaces::new(shared.directory.namespaces()),
            sids: SidSource::new(shared.instance, u8::try_from(index).unwrap_or(u8::MAX)),
            timers: Timers::new(),
            batches: Batches::default(),
            translation: None,
            serving: None,
            replies: Vec::new(),
            fanout: VecDeque::new(),
            polled: VecDeque::new(),
            common_payload: None,
            line: Line::default(),
            handshakes: Handshakes::default(),
            doomed: Vec::new(),
            calls: VecDeque::new(),
            behind: false,
            charges: Charges::default(),
            queued_overhead: 0,
            queued_look: 0,
            ledger: Ledger::default(),
            kept: 0,
            assembly: Assembly::default(),
            session_rate: Account::new(),
            allowances: HashMap::new(),
            memory_look: Millis(0),
            memory_mark: 0,
            trimmed: Millis(0),
            alarms: Slab::new(),
            waits: Waits::new(),
            recovering: Recovering::default(),
            pieces: Vec::new(),
            effects: Vec::new(),
            departed: 0,
            shared,
        }
    }

    /// A turn of the loop begins.
    pub(crate) fn begin_turn(&mut self, now: Millis) {
        self.now = now;
        self.handshakes.begin_turn();
    }

    /// Whether the turn has left work for the next: something to write, or handshakes.
    pub(crate) fn has_work(&self) -> bool {
        let unwritten = !self.fanout.is_empty() || !self.replies.is_empty() || !self.polled.is_empty();
        unwritten || self.handshakes.waiting() > 0
    }

    /// Lets a session act, carries out what it wants done, and keeps its timer.
    pub(crate) fn session<R>(
        &mut self,
        key: SessionKey,
        act: impl FnOnce(&mut Session<ConnectionKey>, Millis, &Settings, &mut Vec<Effect<ConnectionKey>>) -> R,
    ) -> Option<R> {
        let client = self.sessions.get_mut(key.0)?;
        let mut effects = std::mem::take(&mut self.effects);
        let queued = client.session.queued_messages();
        let result = act(&mut client.session, self.now, &self.shared.settings, &mut effects);
        let before = self.queued_overhead + client.session.queued_messages() * MESSAGE_OVERHEAD;
        self.queued_overhead = before - queued * MESSAGE_OVERHEAD;
        for effect in effects.drain(..) {
            self.carry_out(key, effect);
        }
        self.effects = effects;
        self.arm_session(key);
        Some(result)
    }

    fn carry_out(&mut self, session: SessionKey, effect: Effect<ConnectionKey>) {
        match effect {
            Effect::Answer(to, frames) => {
                if self.shared.sends_away() {
                    self.part_with(session, to);
                }
                self.answer_poll(to, self.encoding(session), frames);
                self.answered_session(session, to);
            }
            Effect::Accept(to) => self.answer_post(to),
            Effect::Refuse(to) => self.refuse_empty(to),
            Effect::Send(to, frames) => self.push(to, frames.bytes()),
            Effect::Beat(to, frames) => self.push_beat(to, frames.bytes()),
            Effect::Shut(websocket) => self.shut_websocket(websocket),
            Effect::Cut(to) => self.doom(to, Fate::Cut),
            Effect::Left(reason) => self.leave_all(session, DisconnectReason::Session(reason)),
            Effect::Closed(reason) => self.session_closed(session, reason),
        }
    }

    /// Keeps a timer for the session's next deadline. A timer that comes too early costs less than one taken back.
    pub(crate) fn arm_session(&mut self, key: SessionKey) {
        let Some(client) = self.sessions.get_mut(key.0) else { return };
        let Some(deadline) = client.session.deadline() else { return };
        if deadline < client.armed {
            client.armed = deadline;
            self.timers.arm(deadline, TimerKey::Session(key));
        }
    }

    /// A session's timer came up.
    pub(crate) fn session_due(&mut self, key: SessionKey) {
        let Some(client) = self.sessions.get_mut(key.0) else { return };
        if client.armed > self.now {
            return;
        }
        client.armed = NEVER;
        if client.session.is_missed(self.now) {
            self.look_for_life(key);
        }
        let overdue = self.session(key, |session, now, settings, effects| session.tick(now, settings, effects));
        match overdue.flatten() {
            Some(Overdue::Upgrade) => self.metrics.hit(Limit::UpgradeTimeout),
            Some(Overdue::Connect) => self.metrics.hit(Limit::ConnectTimeout),
            Some(Overdue::Pong) => self.metrics.hit(Limit::PingTimeout),
            Some(Overdue::Close) => self.metrics.hit(Limit::CloseTimeout),
            Some(Overdue::Fetch(queued)) => self.note_cut(Limit::WriteStall, queued, None),
            None => {}
        }
        self.check_attachments(key);
    }

    /// Keeps a timer for the instant at which the connection is due.
    pub(crate) fn arm_connection(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connections.get_mut(key.0) else { return };
        let due = connection.due();
        if due < connection.armed {
            connection.armed = due;
            self.timers.arm(due, TimerKey::Connection(key));
        }
    }

    /// Marks a connection for burial. Nothing is read from it or written to it any more.
    pub(crate) fn doom(&mut self, key: ConnectionKey, fate: Fate) {
        let Some(connection) = self.connections.get_mut(key.0) else { return };
        if connection.fate.is_none() {
            connection.fate = Some(fate);
            self.doomed.push(key);
        }
    }

    /// Buries the connections that ended this turn: the one place where a connection dies.
    pub(crate) fn bury(&mut self) {
        while let Some(key) = self.doomed.pop() {
            let Some(connection) = self.connections.remove(key.0) else { continue };
            if let Some(batch) = connection.batch {
                self.batches.release(batch);
            }
            if let Some(outbox) = &connection.outbox {
                self.queued_overhead -= outbox.overhead();
            }
            self.departed();
            self.shared.connection_closed();
            self.forget_peer(key);
            self.forget_spare(key);
            self.metrics.connections.set(self.connections.len() as u64);
            self.tell_session(key, &connection);
        }
    }

    /// A connection or a session has gone. When many have, memory goes back to the system.
    pub(crate) fn departed(&mut self) {
        self.departed += 1;
        if self.departed >= TRIM_AFTER {
            self.departed = 0;
            self.timers.arm(self.now + TRIM_DELAY, TimerKey::Trim);
        }
    }

    /// Lets the loop sleep when the last client has gone: what is armed for clients would wake it for nothing.
    pub(crate) fn rest_if_alone(&mut self) {
        if self.connections.is_empty() && self.sessions.is_empty() {
            self.timers.retain(|_, key| key.outlives_clients());
        }
    }

    /// Forgets timers that have been replaced by earlier ones, or whose owners have gone, when there may be many of them: others
    /// may choose how far away they are.
    pub(crate) fn sweep_timers(&mut self) {
        if !self.timers.is_crowded() {
            return;
        }
        let Self { timers, connections, sessions, sockets, waits, .. } = self;
        let awaited = |key: SocketKey| sockets.get(key.0)?.extra.as_deref().map(|extra| extra.armed);
        timers.retain(|at, key| match *key {
            TimerKey::Connection(key) | TimerKey::GoOn(key) | TimerKey::Post(key) | TimerKey::Release(key) => {
                connections.get(key.0).is_some()
            }
            TimerKey::Session(key) => sessions.get(key.0).is_some(),
            TimerKey::Socket(key) => awaited(key) == Some(at),
            TimerKey::Wait => waits.armed() == at,
            TimerKey::Alarm(_)
            | TimerKey::Cuts
            | TimerKey::Turn
            | TimerKey::Accept
            | TimerKey::Stop
            | TimerKey::Recovery
            | TimerKey::Trim => true,
        });
    }

    fn tell_session(&mut self, key: ConnectionKey, connection: &Connection) {
        let lost = match connection.fate {
            Some(Fate::Closed) => Lost::Closed,
            Some(Fate::Error) => Lost::Error,
            Some(Fate::Cut) | None => return,
        };
        match &connection.stage {
            Stage::Http(http) => match &http.state {
                HttpState::Held(session) => {
                    self.session(*session, |session, _, _, effects| session.poll_lost(key, effects));
                }
                HttpState::Post(post) => {
                    self.session(post.session, |session, _, _, effects| session.post_lost(key, effects));
                }
                HttpState::Waiting(waiting) => {
                    self.session(waiting.session.key, |session, _, _, effects| session.post_lost(key, effects));
                }
                HttpState::Head | HttpState::Deferred | HttpState::Discard(_) => {}
            },
            Stage::WebSocket(websocket) => {
                if let Role::Session(session) = websocket.role {
                    self.session(session, |session, _, _, effects| session.websocket_lost(key, lost, effects));
                }
            }
            Stage::Lingering => {}
        }
    }

    /// The members of a namespace.
    pub(crate) fn members(&mut self, namespace: NamespaceKey) -> Option<&mut Members> {
        self.namespaces.get_mut(namespace)
    }

    /// Keeps a timer for the earliest acknowledgement that a socket waits for.
    pub(crate) fn arm_socket(&mut self, key: SocketKey, deadline: Millis) {
        let Some(extra) = self.sockets.get_mut(key.0).and_then(|socket| socket.extra.as_deref_mut()) else { return };
        if deadline < extra.armed {
            let at = self.timers.rounded(deadline);
            if at < extra.armed {
                extra.armed = at;
                self.timers.insert(at, TimerKey::Socket(key));
            }
        }
    }
}
