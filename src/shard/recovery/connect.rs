//! CONNECT while recovery is on: every socket gets a private id, and a client that names a lost socket may get it back.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use log::Level;
use serde::Deserialize;

use crate::cluster::peers::message::recovery::Taken;
use crate::engineio::{MESSAGE_OVERHEAD, Sid};
use crate::log_line::LineKind;
use crate::metrics::{Limit, RecoveryOutcome};
use crate::shard::Shard;
use crate::shard::recovery::Recovering;
use crate::shard::recovery::inquiry::{Asked, Inquiry, Wanted};
use crate::shard::recovery::way_back::{Abroad, CatchingUp, Claim, are_trusted, has_peers};
use crate::shard::shared::recovery::{Lost, RecoveryLogs, Restoration};
use crate::shard::shared::target::{Broadcast, Urgency};
use crate::shard::sockets::calls::Call;
use crate::shard::sockets::state::SocketPhase;
use crate::shard::store::keys::SocketRef;
use crate::socketio::Offset;

static LOST_ROOMS: LineKind = LineKind::new(Level::Warn, module_path!(), "rooms that were lost");

/// A client's claim to a lost socket, in the auth of its CONNECT.
#[derive(Deserialize)]
struct Auth<'a> {
    #[serde(borrow)]
    pid: Cow<'a, str>,
    #[serde(borrow)]
    offset: Cow<'a, str>,
}

/// How a socket joins.
enum Way {
    /// As a new socket.
    New,
    /// Not known until all shards were asked for the socket.
    Ask(Wanted),
    /// Not known until other servers were asked.
    Seek(Claim),
    /// Not now: once its shard has caught up, or not at all because it has joined already.
    Later,
    /// As the lost socket.
    Back(Box<CatchingUp>),
}

impl Shard {
    /// A socket asks to join its namespace. `recovery` is on.
    pub(in crate::shard) fn connect_recoverable(self: &Rc<Self>, recovery: &RecoveryLogs, socket: SocketRef) {
        // Clients of protocol 3 do not know recovery.
        let is_v3 = |core: &Recovering| core.socket(socket).is_some_and(|state| core.is_v3(state.session));
        if is_v3(&self.core.borrow()) {
            return self.admit(socket);
        }
        self.connect_asked(recovery, socket, Asked::Nobody);
    }

    pub(super) fn connect_asked(self: &Rc<Self>, recovery: &RecoveryLogs, socket: SocketRef, asked: Asked) {
        let way = self.core.borrow_mut().way(recovery, socket, asked);
        match way {
            Way::New => {
                if self.core.borrow_mut().identify(socket) {
                    self.admit(socket);
                }
            }
            Way::Ask(wanted) => Inquiry::begin(self, socket, wanted),
            Way::Seek(claim) => self.seek(recovery, socket, claim),
            Way::Later => {}
            Way::Back(pending) => self.bring_back(recovery, socket, *pending),
        }
    }

    fn bring_back(self: &Rc<Self>, recovery: &RecoveryLogs, socket: SocketRef, pending: CatchingUp) {
        // Without a key, anyone in Redis may say that the middlewares have let a client in. What they have kept with a socket of
        // another server, they must keep with it here.
        let may_skip = pending.abroad.is_none() || are_trusted(&self.shared) && !pending.abroad.had_values;
        self.core.borrow_mut().restore(socket, pending);
        if recovery.settings.skip_middlewares && may_skip { self.let_in(socket) } else { self.admit(socket) }
    }
}

impl Recovering {
    fn way(&mut self, recovery: &RecoveryLogs, socket: SocketRef, asked: Asked) -> Way {
        // A waiting socket may have been called twice.
        let Some(state) = self.socket(socket).filter(|state| state.phase == SocketPhase::Joining) else {
            return Way::Later;
        };
        let namespace = state.namespace;
        let mut pending = match self.take_pending(socket) {
            Some(pending) => pending,
            None => {
                let Some(Claim { pid, offset }) = self.claim(socket) else { return Way::New };
                let outcome = match asked {
                    Asked::Nobody if self.may_be_here(recovery, pid) => return Way::Ask(Wanted { namespace, pid }),
                    Asked::Nobody | Asked::Shards if self.may_be_elsewhere(recovery, pid) => {
                        return Way::Seek(Claim { pid, offset });
                    }
                    Asked::Nobody | Asked::Shards => RecoveryOutcome::Unknown,
                    Asked::InVain(outcome) | Asked::NoServer(outcome) => outcome,
                };
                let is_left = matches!(asked, Asked::NoServer(_)) && recovery.lost().is_doubtful(pid);
                let lost = if is_left { None } else { recovery.lost().take(recovery.now(), pid, namespace) };
                let Some(lost) = lost else {
                    log::debug!("{}: its client is a new one: {}", self.describe_socket(socket), outcome.name());
                    self.metrics().came_back(outcome);
                    return Way::New;
                };
                match self.begin_here(recovery, socket, Claim { pid, offset }, lost) {
                    Ok(pending) => pending,
                    Err(outcome) => {
                        self.metrics().came_back(outcome);
                        return Way::New;
                    }
                }
            }
        };
        if !self.is_ready(recovery, &pending.restoration) {
            self.pending.push(pending);
            return Way::Later;
        }
        let has_heard_all = self.has_heard_all(pending.restoration.lost.namespace, &pending.abroad);
        match self.go_on(recovery, &mut pending.restoration).filter(|()| has_heard_all) {
            Some(()) => Way::Back(Box::new(pending)),
            None => {
                self.metrics().came_back(pending.abroad.outcome_without());
                pending.abroad.tell(self.shared(), pending.pid, Taken::No);
                Way::New
            }
        }
    }

    /// The way back of a socket that this server has lost. If its log has forgotten what the client missed, or other servers'
    /// events may be missing there, the lost socket is useless.
    fn begin_here(
        &self,
        recovery: &RecoveryLogs,
        socket: SocketRef,
        Claim { pid, offset }: Claim,
        lost: Lost,
    ) -> Result<CatchingUp, RecoveryOutcome> {
        let hearing = match self.shared().cluster {
            Some(_) => Some(self.hearing(lost.namespace).ok_or(RecoveryOutcome::Doubtful)?),
            None => None,
        };
        let after_outage = hearing.filter(|hearing| hearing.after_outage);
        let whole = after_outage.map(|hearing| recovery.now() - hearing.age());
        let begun = recovery.logs.get(lost.shard).and_then(|log| Restoration::begin(lost, offset, log, whole));
        let restoration = begun.filter(|restoration| self.has_room_for(restoration));
        let restoration = restoration.ok_or(RecoveryOutcome::Forgotten)?;
        let abroad = Abroad { connection: hearing.map(|hearing| hearing.connection), ..Abroad::default() };
        Ok(CatchingUp { socket, pid, restoration, abroad })
    }

    /// The socket that a client claims, if the claim is plausible.
    fn claim(&self, socket: SocketRef) -> Option<Claim> {
        let auth = self.socket(socket)?.extra.as_ref()?.auth.as_ref()?;
        let Auth { pid, offset } = serde_json::from_str(auth).ok()?;
        Some(Claim { pid: Sid::parse(&pid)?, offset: Offset::parse(&offset)? })
    }

    /// Whether a shard of this server may have the socket with that private id, or be about to lose it.
    fn may_be_here(&self, recovery: &RecoveryLogs, pid: Sid) -> bool {
        recovery.may_be_here(pid) && !recovery.lost().has(pid)
    }

    /// Whether another server may have it.
    fn may_be_elsewhere(&self, recovery: &RecoveryLogs, pid: Sid) -> bool {
        has_peers(self.shared()) && {
            let lost = recovery.lost();
            !lost.has(pid) || lost.is_doubtful(pid)
        }
    }

    /// Whether the missed events fit into the socket's queue. With more, the client would be cut off as a slow consumer.
    pub(super) fn has_room_for(&self, restoration: &Restoration) -> bool {
        let fits = restoration.bytes(MESSAGE_OVERHEAD) <= self.shared().queued_per_client;
        if !fits {
            self.metrics().hit(Limit::QueuedPerClient);
        }
        fits
    }

    fn is_ready(&self, recovery: &RecoveryLogs, restoration: &Restoration) -> bool {
        recovery.log(self.index()).is_some_and(|log| restoration.is_ready(&log))
    }

    fn go_on(&self, recovery: &RecoveryLogs, restoration: &mut Restoration) -> Option<()> {
        restoration.go_on(&*recovery.log(self.index())?)
    }

    pub(super) fn take_pending(&mut self, socket: SocketRef) -> Option<CatchingUp> {
        let place = self.pending.iter().position(|pending| pending.socket == socket)?;
        Some(self.pending.swap_remove(place))
    }

    /// If the shard has caught up with this broadcast, lets the sockets that wait for that ask again.
    pub(super) fn call_pending(&mut self, by: &Broadcast) {
        if !self.pending.iter().any(|pending| pending.restoration.may_wait_for(by)) {
            return;
        }
        let shared = Arc::clone(self.shared());
        let Some(log) = shared.recovery.as_ref().and_then(|recovery| recovery.log(self.index())) else { return };
        let waiting = self.pending.iter().filter(|pending| pending.restoration.may_wait_for(by));
        let ready = waiting.filter(|pending| pending.restoration.is_ready(&log));
        ready.for_each(|pending| self.sockets.call(Call::Connect(pending.socket)));
    }

    /// Gives a socket that has come back its rooms and data, and what the program has kept with it. What it missed is kept until
    /// it is let in.
    fn restore(&mut self, socket: SocketRef, pending: CatchingUp) {
        let lost = &pending.restoration.lost;
        self.identify_again(socket, pending.pid, lost.sid, lost.generation);
        if let Some(data) = &lost.data {
            self.put_data(socket, data.clone());
        }
        if let Some((values, lost)) = self.values().zip(lost.values.as_ref()) {
            values.put(self.location(socket), lost.clone());
        }
        for room in &lost.rooms {
            if let Err(error) = self.join(socket, room) {
                LOST_ROOMS.write(|| {
                    format!("a room is lost with the connection: {error} ({})", self.describe_socket(socket))
                });
            }
        }
        if let Some(session) = self.socket(socket).map(|state| state.session) {
            self.note_kept(session, pending.restoration.bytes(MESSAGE_OVERHEAD));
            self.returning.insert(socket.key, (session, pending));
        }
    }

    /// Takes out a socket that was to be let in again.
    pub(super) fn take_returning(&mut self, socket: SocketRef) -> Option<CatchingUp> {
        self.returning.get(&socket.key).filter(|(_, pending)| pending.socket == socket)?;
        let (session, pending) = self.returning.remove(&socket.key)?;
        self.let_go_of(session, pending.restoration.bytes(MESSAGE_OVERHEAD));
        Some(pending)
    }

    /// A socket joins, with what it missed if it has come back. Returns false if it is gone.
    pub(in crate::shard) fn admit_recoverable(&mut self, recovery: &RecoveryLogs, socket: SocketRef) -> bool {
        match self.take_returning(socket) {
            Some(pending) => self.admit_restored(recovery, socket, pending),
            None => self.admit_socket(socket),
        }
    }

    /// A socket that has come back joins. The events that it missed go before the answer to its CONNECT. Returns false if it is
    /// gone.
    fn admit_restored(&mut self, recovery: &RecoveryLogs, socket: SocketRef, pending: CatchingUp) -> bool {
        let CatchingUp { pid, mut restoration, abroad, .. } = pending;
        let joining = self.socket(socket).filter(|state| state.phase == SocketPhase::Joining);
        let Some(session) = joining.map(|state| state.session) else {
            abroad.tell(self.shared(), pid, Taken::No);
            return false;
        };
        // A middleware may have broadcast, even so much that the log has forgotten this client's place. It may have taken time.
        let has_heard_all = self.has_heard_all(restoration.lost.namespace, &abroad);
        if !has_heard_all || self.go_on(recovery, &mut restoration).is_none() {
            self.metrics().came_back(abroad.outcome_without());
            abroad.tell(self.shared(), pid, Taken::No);
            self.session(session, |session, now, settings, effects| session.close(now, settings, effects));
            return false;
        }
        let here = self.index();
        let Some((missed, dropped)) = recovery.log(here).map(|mut log| restoration.end(here, self.now(), &mut log))
        else {
            return false;
        };
        self.metrics().limit(Limit::RecoveryPackets).add(dropped);
        self.metrics().came_back(abroad.outcome());
        if !abroad.is_none() {
            abroad.tell(self.shared(), pid, Taken::Yes);
        }
        self.arm_recovery();
        for frames in missed {
            self.send_to_session(session, &frames, Urgency::Reliable);
        }
        self.admit_socket(socket)
    }
}
