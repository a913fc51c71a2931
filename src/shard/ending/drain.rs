//! The drain: a server that is about to end disconnects its clients spread over a window, so that they do not all reach
//! their next servers at the same moment.
//!
//! Health checks and handshakes are answered `503` from the first moment. Existing sessions are served until they are
//! disconnected. That happens when nothing is under way: no upgrade, no half-read request, nothing queued, no
//! acknowledgement due, no decision about one of its sockets. A session that is never at rest is closed at the end of the
//! window. Tunnels of sessions that live elsewhere are closed in the same way, and their held GETs are answered by their owners, so
//! that their clients poll elsewhere. The plan of a drain takes eight bytes for each of them, and travels with the drain's alarm.

use std::hash::BuildHasher;
use std::rc::Rc;
use std::time::Duration;

use foldhash::fast::FixedState;

use crate::chance;
use crate::engineio::{Millis, Route};
use crate::shard::Shard;
use crate::shard::ending::life::Life;
use crate::shard::input::Intake;
use crate::shard::net::connection::Stage;
use crate::shard::sessions::client::Client;
use crate::shard::shared::Shared;
use crate::shard::shared::mailbox::Letter;
use crate::shard::store::keys::{ConnectionKey, SessionKey};
use crate::socketio::DisconnectReason;

/// Time between two checks whether busy sessions are at rest.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The plan: when each client is disconnected.
struct Drain {
    began: Millis,
    window: Duration,
    /// The number of clients when it began.
    count: usize,
    /// Clients that are not due yet, in random order.
    ahead: Vec<Leaving>,
    /// Clients that are due and were not at rest.
    busy: Vec<Leaving>,
    /// When the busy clients are checked again.
    look: Millis,
}

/// A client that is to go: its session, or the connection of its errand. No new session or tunnel takes a key while the drain lasts;
/// a GET that does is answered a little early.
#[derive(Clone, Copy, Hash)]
enum Leaving {
    Session(SessionKey),
    Errand(ConnectionKey),
}

impl Drain {
    /// When the next session ahead is due. The window has an equal part for each session, which is due in the middle of
    /// its part.
    fn next(&self) -> Option<Millis> {
        let place = u128::try_from(self.count - self.ahead.len()).ok()?;
        let parts = u128::try_from(self.count).ok().filter(|_| !self.ahead.is_empty())?;
        let after = self.window.as_millis() * (2 * place + 1) / (2 * parts);
        Some(self.began + Duration::from_millis(u64::try_from(after).ok()?))
    }

    fn end(&self) -> Millis {
        self.began + self.window
    }
}

impl Shard {
    /// Begins the drain, at the speed of the settings. Does nothing if it has begun.
    pub(super) fn drain(self: &Rc<Self>) {
        let window = self.shared.config.drain;
        if window.is_zero() {
            return self.stop();
        }
        if self.life.get() != Life::Serving {
            return;
        }
        self.life.set(Life::Draining);
        self.shared.leave();
        self.begin_marks();
        let core = self.core.borrow();
        let sessions = core.clients().map(|(key, _)| Leaving::Session(key));
        let errands = core.connections().filter(|(_, it)| it.errand().is_some());
        let mut ahead: Vec<_> = sessions.chain(errands.map(|(key, _)| Leaving::Errand(key))).collect();
        // Without random bits it is the same order each time, which does no harm.
        let mut seed = [0; 8];
        let _ = chance::fill(&mut seed);
        let order = FixedState::with_seed(u64::from_ne_bytes(seed));
        ahead.sort_by_cached_key(|key| order.hash_one(key));
        let drain = Drain { began: core.now(), window, count: ahead.len(), ahead, busy: Vec::new(), look: core.now() };
        drop(core);
        self.go_on(drain);
    }

    /// Disconnects the clients that are due, and sets an alarm for the others.
    fn go_on(self: &Rc<Self>, mut drain: Drain) {
        if !matches!(self.life.get(), Life::Draining | Life::Drained) {
            return;
        }
        let now = self.core.borrow().now();
        if now >= drain.end() {
            return self.stop();
        }
        if now >= drain.look {
            drain.look = now + LOOK_AGAIN;
            drain.busy.retain(|key| !self.let_go(*key));
        }
        while drain.next().is_some_and(|due| due <= now) {
            drain.busy.extend(drain.ahead.pop().filter(|key| !self.let_go(*key)));
        }
        let again = (!drain.busy.is_empty()).then_some(drain.look);
        let at = [drain.next(), again].into_iter().flatten().fold(drain.end(), Millis::min);
        self.core.borrow_mut().arm_alarm(at, move |shard| shard.go_on(drain));
    }

    /// Disconnects a client if nothing is under way for it. Returns whether it is gone, or going.
    fn let_go(self: &Rc<Self>, leaving: Leaving) -> bool {
        match leaving {
            Leaving::Session(key) => self.let_session_go(key),
            Leaving::Errand(key) => self.core.borrow_mut().let_errand_go(key),
        }
    }

    fn let_session_go(self: &Rc<Self>, key: SessionKey) -> bool {
        if !self.core.borrow().is_at_rest(key) {
            return false;
        }
        self.core.borrow_mut().leave_all(key, DisconnectReason::ServerShuttingDown);
        self.run_calls();
        self.core.borrow_mut().session(key, |session, now, settings, effects| session.close(now, settings, effects));
        true
    }

    /// Stops all shards, if this one has drained its clients, has answered the requests for routes and those that are
    /// passed on, and is the last to do so.
    pub(in crate::shard) fn end_drain_if_alone(&self) {
        let core = self.core.borrow();
        if self.life.get() == Life::Draining && core.session_count() == 0 && !core.has_routed() && !core.has_errands() {
            drop(core);
            self.life.set(Life::Drained);
            if self.shared.drained() {
                self.shared.send_all(|| Letter::Stop);
            }
        }
    }
}

impl Shared {
    /// Drains every shard. No new session begins from now on.
    pub(crate) fn drain_all(&self) {
        let (was_leaving, clients, window) = (self.leave(), self.clients(), self.config.drain);
        if !was_leaving && clients > 0 && !window.is_zero() {
            log::info!("draining: {clients} clients are let go within {} ms", window.as_millis());
        }
        self.send_all(|| Letter::run(0, Shard::drain));
    }
}

impl Intake {
    /// Has the client of an errand go on elsewhere. Returns whether it is going; a POST and an upgrade are answered soon anyhow.
    fn let_errand_go(&mut self, key: ConnectionKey) -> bool {
        match self.connection(key).map(|connection| &connection.stage) {
            Some(Stage::Tunnel(_)) => self.let_tunnel_go(key),
            Some(Stage::Http(_)) => self.let_poll_go(key),
            _ => true,
        }
    }

    /// Whether nothing would be lost if the session were closed now. A session that is gone is at rest.
    fn is_at_rest(&self, key: SessionKey) -> bool {
        let Some(client) = self.client(key) else { return true };
        client.session.is_at_rest()
            && client.decoder.held() == 0
            && self.is_written(client)
            && !self.has_applicants(key)
            && !self.has_due_acks(key)
    }

    /// Whether the client's WebSocket has taken all its output, and has no half-sent message.
    fn is_written(&self, client: &Client) -> bool {
        let (Route::WebSocket(key) | Route::Translated(key, _)) = client.session.route() else { return true };
        let connection = self.connection(key);
        connection.is_none_or(|connection| connection.outbox.is_none() && connection.unfinished() == 0)
    }

    /// Whether the program still holds an acknowledgement that the client waits for.
    fn has_due_acks(&self, key: SessionKey) -> bool {
        self.sockets_of(key).into_iter().any(|socket| self.shared().due_acks.is_due(self.location(socket)))
    }
}
