//! A client: its session, and its Socket.IO state across namespaces.

use std::fmt;
use std::sync::Arc;

use crate::cluster::peers::Instance;
use crate::engineio::{Millis, Session, Sid};
use crate::http::Status;
use crate::log_line::no_random_numbers;
use crate::metrics::Limit;
use crate::shard::sessions::Sessions;
use crate::shard::sessions::handshake::Handshake;
use crate::shard::shared::carrier::Owner;
use crate::shard::store::keys::{ConnectionKey, SessionKey, SessionRef, SocketKey};
use crate::shard::store::timers::NEVER;
use crate::socketio::Decoder;

/// A session's name in the log: its shard and its place there. Its sid is a secret of its client.
pub(in crate::shard) struct SessionName {
    shard: u8,
    key: SessionKey,
}

impl fmt::Display for SessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session {}-{}", self.shard, self.key.0)
    }
}

/// A client's session, and what Socket.IO keeps for it.
pub(in crate::shard) struct Client {
    pub(in crate::shard) session: Session<ConnectionKey>,
    /// The random part of its sid.
    pub(super) random: u64,
    /// The instant for which a timer was armed last.
    pub(super) armed: Millis,
    pub(in crate::shard) handshake: Arc<Handshake>,
    pub(in crate::shard) decoder: Decoder,
    /// The first of its sockets; each knows the next.
    pub(in crate::shard) sockets: FirstSocket,
    /// Bytes that it keeps, as the ledger counts them.
    pub(super) ledger_bytes: u32,
    /// The connection of the last answer to one of its GETs. The key may be another connection's by now.
    pub(super) answered: ConnectionKey,
    /// Whether its queue is to be flushed at the end of the turn.
    pub(super) polled: bool,
    /// Whether its first CONNECT has waited for an upgrade.
    pub(super) settled: bool,
}

impl Client {
    pub(super) fn new(session: Session<ConnectionKey>, random: u64, handshake: Arc<Handshake>) -> Self {
        let decoder = Decoder::default();
        let answered = ConnectionKey(u32::MAX);
        let sockets = FirstSocket::NONE;
        Self {
            session,
            random,
            armed: NEVER,
            handshake,
            decoder,
            sockets,
            ledger_bytes: 0,
            answered,
            polled: false,
            settled: false,
        }
    }
}

/// Where the list of a session's sockets begins, in four bytes.
#[derive(Debug, Clone, Copy)]
pub(in crate::shard) struct FirstSocket(u32);

impl FirstSocket {
    const NONE: Self = Self(u32::MAX);

    pub(in crate::shard) fn get(self) -> Option<SocketKey> {
        (self.0 != Self::NONE.0).then_some(SocketKey(self.0))
    }

    pub(in crate::shard) fn set(&mut self, first: Option<SocketKey>) {
        self.0 = first.map_or(Self::NONE.0, |key| key.0);
    }
}

/// Where the session of a sid is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shard) enum Lookup {
    /// In this shard.
    Here(SessionKey),
    /// In another shard of this process.
    Elsewhere(usize),
    /// In another instance, if there is one of that name.
    Abroad(Owner),
    /// Nowhere.
    Unknown,
}

impl Sessions {
    /// Finds the session that a sid names.
    pub(in crate::shard) fn find_session(&self, sid: &str) -> Lookup {
        let Some(sid) = Sid::parse(sid) else { return Lookup::Unknown };
        if sid.instance != self.shared().instance() {
            return self.find_abroad(sid);
        }
        let shard = usize::from(sid.shard);
        if sid.shard != self.sids.shard() {
            return if shard < self.shared().mailboxes.len() { Lookup::Elsewhere(shard) } else { Lookup::Unknown };
        }
        match self.clients.get(sid.slot) {
            Some(client) if client.random == sid.random && client.session.found().is_some() => {
                Lookup::Here(SessionKey(sid.slot))
            }
            _ => Lookup::Unknown,
        }
    }

    /// The place of a session that another instance may have. If there is none of that name, the way there tells.
    fn find_abroad(&self, sid: Sid) -> Lookup {
        match self.shared().carrier {
            Some(_) => Lookup::Abroad(Owner { instance: Instance(sid.instance), shard: sid.shard }),
            None => Lookup::Unknown,
        }
    }

    /// Opens a session for a handshake.
    ///
    /// # Errors
    /// The status of the answer: at the limits of sessions, of all and of the client's address, and if the system has no random
    /// numbers.
    pub(in crate::shard) fn open_session(
        &mut self,
        handshake: Arc<Handshake>,
        begin: impl FnOnce(&Self) -> Session<ConnectionKey>,
    ) -> Result<Sid, Status> {
        let unavailable = Status::ServiceUnavailable;
        let slot = self.clients.vacant_key().ok_or(unavailable)?;
        let random = self.next_sid(slot);
        let sid = random.inspect_err(no_random_numbers).map_err(|_| unavailable)?;
        let address = handshake.address().ip();
        if self.shared().addresses.as_ref().is_some_and(|addresses| !addresses.enter(address)) {
            self.metrics().hit(Limit::SessionsPerAddress);
            log::debug!("a session too many from {address}");
            return Err(Status::TooManyRequests);
        }
        let kept = handshake.bytes();
        let client = Client::new(begin(self), sid.random, handshake);
        let key = self.clients.insert(client).map_err(|_| unavailable)?;
        self.metrics().handshakes.one();
        self.metrics().sessions.set(self.clients.len() as u64);
        log::debug!("{}: opened", self.name_session(SessionKey(key)));
        self.keep_session(SessionKey(key), kept);
        self.act(SessionKey(key), |_, _, _, _| ());
        Ok(sid)
    }

    /// Forgets a session that has closed.
    pub(in crate::shard) fn forget_session(&mut self, session: SessionRef) {
        if self.clients.get(session.key.0).is_some_and(|client| client.random == session.random) {
            self.remove_session(session.key);
            self.metrics().sessions_closed.one();
        }
    }

    /// Removes a session with all that is kept for it.
    pub(super) fn remove_session(&mut self, key: SessionKey) {
        let client = self.clients.remove(key.0);
        self.forget_kept(client.as_ref().map_or(0, |client| client.ledger_bytes));
        self.departed();
        if let Some((addresses, client)) = self.shared().addresses.as_ref().zip(client) {
            addresses.leave(client.handshake.address().ip());
        }
        self.allowances.remove(&key);
        self.settling.remove(&key);
        self.metrics().sessions.set(self.clients.len() as u64);
    }

    /// The sid of a session.
    pub(crate) fn session_sid(&self, session: SessionRef) -> Sid {
        Sid {
            slot: session.key.0,
            random: session.random,
            instance: self.shared().instance(),
            shard: self.sids.shard(),
        }
    }

    /// A session, as each line of the log names it.
    pub(in crate::shard) fn name_session(&self, key: SessionKey) -> SessionName {
        SessionName { shard: self.sids.shard(), key }
    }

    /// A session and its client's address, for the log.
    pub(crate) fn describe_session(&self, key: SessionKey) -> String {
        let Some(client) = self.clients.get(key.0) else { return "a session that has ended".to_owned() };
        format!("{}, from {}", self.name_session(key), client.handshake.address().ip())
    }

    /// A session by its key, safe against the slot being used again.
    pub(crate) fn session_ref(&self, key: SessionKey) -> Option<SessionRef> {
        self.clients.get(key.0).map(|client| SessionRef { key, random: client.random })
    }
}
