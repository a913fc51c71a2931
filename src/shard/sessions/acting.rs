//! Carries out the effects of sessions on their connections, sends frames by their transport, and keeps their timers.

use crate::engineio::{Effect, Frames, Lost, MAX_ANSWER, Millis, Overdue, Reason, Route, Session, Settings};
use crate::metrics::Limit;
use crate::shard::net::connection::{CloseCause, Connection, HttpState, Role, Stage};
use crate::shard::sessions::Sessions;
use crate::shard::shared::target::Urgency;
use crate::shard::store::keys::{ConnectionKey, SessionKey, TimerKey};
use crate::shard::store::timers::NEVER;

/// What has ended of a session, for its sockets to hear.
#[derive(Debug, Clone, Copy)]
pub(in crate::shard) enum SessionEnd {
    /// It is over, but its client has yet to fetch the news. Its sockets leave now.
    Left(Reason),
    /// It has closed.
    Closed(Reason),
    /// Its wait for an upgrade.
    Wait,
}

impl Sessions {
    /// Runs `act` on a session, carries out its effects, and keeps its timer.
    pub(in crate::shard) fn act<R>(
        &mut self,
        key: SessionKey,
        act: impl FnOnce(&mut Session<ConnectionKey>, Millis, &Settings, &mut Vec<Effect<ConnectionKey>>) -> R,
    ) -> Option<R> {
        let client = self.clients.get_mut(key.0)?;
        let mut effects = std::mem::take(&mut self.effects);
        let queued = client.session.queued_messages();
        let result = act(&mut client.session, self.net.now(), &self.net.shared().settings, &mut effects);
        self.net.messages_queued(queued, client.session.queued_messages());
        for effect in effects.drain(..) {
            self.carry_out(key, effect);
        }
        self.effects = effects;
        self.arm_session(key);
        Some(result)
    }

    pub(super) fn carry_out(&mut self, session: SessionKey, effect: Effect<ConnectionKey>) {
        match effect {
            Effect::Answer(to, frames) => {
                if self.shared().sends_away() {
                    self.part_with(session, to);
                }
                self.answer_poll(to, self.encoding(session), frames);
                self.answered_session(session, to);
            }
            Effect::Accept(to) => self.answer_post(to),
            Effect::Refuse(to) => self.refuse_empty(to),
            Effect::Send(to, frames) => self.push(to, frames.bytes()),
            Effect::Beat(to, frames) => self.push_beat(to, frames.bytes()),
            Effect::Shut(websocket) => {
                self.shut_websocket(websocket);
                self.websocket_gone(session);
            }
            Effect::Cut(to) => self.mark_closed(to, CloseCause::Cut),
            Effect::Left(reason) => self.endings.push_back((session, SessionEnd::Left(reason))),
            Effect::Closed(reason) => self.endings.push_back((session, SessionEnd::Closed(reason))),
        }
    }

    /// Keeps a timer for the session's next deadline. A timer that comes too early costs less than cancelling one.
    pub(super) fn arm_session(&mut self, key: SessionKey) {
        let Some(client) = self.clients.get_mut(key.0) else { return };
        let Some(deadline) = client.session.deadline() else { return };
        if deadline < client.armed {
            client.armed = deadline;
            self.timers().arm(deadline, TimerKey::Session(key));
        }
    }

    /// A session's timer came up.
    pub(in crate::shard) fn session_due(&mut self, key: SessionKey) {
        let Some(client) = self.clients.get_mut(key.0) else { return };
        if client.armed > self.net.now() {
            return;
        }
        // While it counts as armed, what the look does arms no timer for a deadline that has passed.
        if client.session.is_missed(self.net.now()) {
            self.look_for_life(key);
        }
        if let Some(client) = self.clients.get_mut(key.0) {
            client.armed = NEVER;
        }
        let overdue = self.act(key, |session, now, settings, effects| session.tick(now, settings, effects));
        match overdue.flatten() {
            Some(Overdue::Upgrade) => self.metrics().hit(Limit::UpgradeTimeout),
            Some(Overdue::Connect) => self.metrics().hit(Limit::ConnectTimeout),
            Some(Overdue::Pong) => self.metrics().hit(Limit::PingTimeout),
            Some(Overdue::Close) => self.metrics().hit(Limit::CloseTimeout),
            Some(Overdue::Fetch(queued)) => self.note_cut(Limit::WriteStall, queued, None),
            None => {}
        }
    }

    fn tell_session(&mut self, key: ConnectionKey, connection: &Connection) {
        let lost = match connection.close_cause {
            Some(CloseCause::Closed) => Lost::Closed,
            Some(CloseCause::Error) => Lost::Error,
            Some(CloseCause::Cut) | None => return,
        };
        match &connection.stage {
            Stage::Http(http) => match &http.state {
                HttpState::Held(session) => {
                    self.act(*session, |session, _, _, effects| session.poll_lost(key, effects));
                }
                HttpState::Post(post) => {
                    self.act(post.session, |session, _, _, effects| session.post_lost(key, effects));
                }
                HttpState::Waiting(waiting) => {
                    self.act(waiting.session.key, |session, _, _, effects| session.post_lost(key, effects));
                }
                HttpState::Head
                | HttpState::Deferred(_)
                | HttpState::Asked(_)
                | HttpState::Discard(_)
                | HttpState::Body(_)
                | HttpState::Routed(_)
                | HttpState::Sending(_)
                | HttpState::Relayed(_) => {}
            },
            Stage::WebSocket(websocket) => {
                if let Role::Session(session) = websocket.role {
                    self.act(session, |session, _, _, effects| session.websocket_lost(key, lost, effects));
                    self.websocket_gone(session);
                }
            }
            Stage::Tunnel(_) | Stage::Lingering => {}
        }
    }

    /// Tells the entries of relayed requests what was done for them this turn, and buries those that are answered.
    #[inline]
    pub(in crate::shard) fn end_relayed(&mut self) {
        if self.exchange_count() > 0 {
            self.tell_entries();
            self.remove_closed();
        }
    }

    /// Buries the connections that ended this turn, and tells their sessions.
    pub(in crate::shard) fn remove_closed(&mut self) {
        while let Some((key, connection)) = self.next_closed() {
            self.tell_session(key, &connection);
        }
    }

    /// Sends to a session by the transport it is on.
    #[inline]
    pub(crate) fn send_to_session(&mut self, key: SessionKey, frames: &Frames, urgency: Urgency) {
        let Some(client) = self.clients.get_mut(key.0) else { return };
        match client.session.route() {
            Route::WebSocket(connection) => {
                if urgency == Urgency::Volatile && !self.is_writable(connection) {
                    self.metrics().volatile_dropped.one();
                    return;
                }
                self.push(connection, frames.bytes());
            }
            Route::Translated(connection, encoding) => {
                if urgency == Urgency::Volatile && !self.is_writable(connection) {
                    self.metrics().volatile_dropped.one();
                    return;
                }
                let translated = self.translated(frames, encoding);
                self.push(connection, &translated);
            }
            Route::Queue => {
                if urgency == Urgency::Volatile && !client.session.is_writable() {
                    self.metrics().volatile_dropped.one();
                    return;
                }
                self.enqueue(key, frames);
            }
            Route::Gone => return,
        }
        self.metrics().delivered.one();
    }

    /// Queues a message for a polling client.
    pub(super) fn enqueue(&mut self, key: SessionKey, frames: &Frames) {
        let charged = frames.charged(self.charge_for(frames.bytes()));
        let Some(client) = self.clients.get_mut(key.0) else { return };
        let before = client.session.queued_bytes();
        client.session.enqueue(self.net.now(), charged, &self.net.shared().settings);
        let after = client.session.queued_bytes();
        self.net.messages_queued(0, 1);
        if !client.polled {
            client.polled = true;
            self.polled.push_back(key);
        }
        if before > self.shared().queued_per_client {
            self.cut_off(key, Limit::QueuedPerClient);
        } else if after > MAX_ANSWER {
            self.arm_session(key);
        }
    }

    /// Writes this turn's queue: all answers, and as much of the rest as one turn may.
    pub(in crate::shard) fn flush_turn(&mut self) {
        self.translation = None;
        self.flush_due();
    }

    /// Forgets the buffers that several receivers share, once all of them have them.
    pub(in crate::shard) fn forget_common(&mut self) {
        if self.polled.is_empty() {
            self.net.forget_last_charge();
        }
    }
}
