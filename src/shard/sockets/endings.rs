//! The end of sessions: when a session ends, its sockets leave.

use crate::engineio::{Effect, Millis, Reason, Session, Settings};
use crate::shard::sessions::acting::SessionEnd;
use crate::shard::sockets::Sockets;
use crate::shard::sockets::calls::Call;
use crate::shard::store::keys::{ConnectionKey, SessionKey};
use crate::socketio::DisconnectReason;

impl Sockets {
    /// Runs `act` on a session, as [`act`](crate::shard::sessions::Sessions::act) does, and tells its sockets if that has ended
    /// it.
    pub(crate) fn session<R>(
        &mut self,
        key: SessionKey,
        act: impl FnOnce(&mut Session<ConnectionKey>, Millis, &Settings, &mut Vec<Effect<ConnectionKey>>) -> R,
    ) -> Option<R> {
        let result = self.act(key, act);
        self.hear_endings();
        result
    }

    /// Tells the sockets of sessions that have ended. Each packet calls this, and there is hardly ever anything to tell.
    #[inline]
    pub(in crate::shard) fn hear_endings(&mut self) {
        if self.has_endings() {
            self.tell_endings();
        }
    }

    #[cold]
    fn tell_endings(&mut self) {
        while let Some((session, ending)) = self.next_ending() {
            match ending {
                SessionEnd::Left(reason) => self.leave_all(session, DisconnectReason::Session(reason)),
                SessionEnd::Closed(reason) => self.session_closed(session, reason),
                SessionEnd::Wait => {
                    let settled = self.session_ref(session).map(Call::Settled);
                    self.calls.extend(settled);
                }
            }
        }
    }

    /// A session has closed: its sockets leave, then it is forgotten.
    fn session_closed(&mut self, session: SessionKey, reason: Reason) {
        log::debug!("{}: closed: {reason}", self.name_session(session));
        self.metrics().closes[reason as usize].one();
        self.leave_all(session, DisconnectReason::Session(reason));
        if let Some(session) = self.session_ref(session) {
            self.calls.push_back(Call::Forget(session));
        }
    }

    /// Every socket of a session leaves.
    pub(in crate::shard) fn leave_all(&mut self, session: SessionKey, reason: DisconnectReason) {
        for socket in self.sockets_of(session) {
            self.leave(socket, reason);
        }
    }

    /// Ends a session for a packet that is out of place.
    pub(in crate::shard) fn violation(&mut self, session: SessionKey, what: &str) {
        log::debug!("{}: {what}", self.name_session(session));
        self.close_and_leave(session);
    }

    /// Closes a session. Its sockets hear at once, even if the client has yet to fetch the news.
    pub(super) fn close_and_leave(&mut self, session: SessionKey) {
        self.session(session, |session, now, settings, effects| session.close(now, settings, effects));
        self.leave_all(session, DisconnectReason::ForcedServerClose);
    }
}
