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

use crate::engineio::{Effect, Millis, Sid, SidSource};
use crate::metrics::ShardMetrics;
use crate::shard::event_loop::alarms::Alarm;
use crate::shard::event_loop::calls::Call;
use crate::shard::event_loop::shared::Shared;
use crate::shard::event_loop::waits::Waits;
use crate::shard::guard::assembly::Assembly;
use crate::shard::input::http::deferred::Handshakes;
use crate::shard::net::charge::Charges;
use crate::shard::net::connection::Connection;
use crate::shard::net::line::Line;
use crate::shard::net::spares::Spares;
use crate::shard::recovery::Recovering;
use crate::shard::sessions::acting::Ending;
use crate::shard::sessions::allowance::Allowance;
use crate::shard::sessions::client::Client;
use crate::shard::sessions::ledger::Ledger;
use crate::shard::sessions::polls::CommonPayload;
use crate::shard::sessions::translation::Translation;
use crate::shard::sockets::life::SocketState;
use crate::shard::sockets::namespaces::Namespaces;
use crate::shard::store::batches::Batches;
use crate::shard::store::keys::{ConnectionKey, SessionKey, SocketKey, SocketRef, TimerKey};
use crate::shard::store::pages::{MAX_KEYS, Pages};
use crate::shard::store::rate::Account;
use crate::shard::store::timers::Timers;

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
    pub(crate) effects: Vec<Effect<ConnectionKey>>,
    /// Sessions that have ended, of which their sockets have yet to hear.
    pub(crate) endings: VecDeque<(SessionKey, Ending)>,
    /// Connections that have taken something of what waits for them.
    pub(crate) eased: Vec<ConnectionKey>,
    /// The sockets that have come back, by the ids they had and have again. Their places are others now.
    pub(crate) restored: HashMap<Sid, SocketRef, FixedState>,
    pub(crate) departed: usize,
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
            endings: VecDeque::new(),
            eased: Vec::new(),
            restored: HashMap::default(),
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
}
