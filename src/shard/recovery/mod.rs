//! Connection state recovery: a client that comes back soon finds its socket as it was, and gets what it missed.
//!
//! All of this is there only while [`Config::recovery`](crate::Config::recovery) is on. Each shard logs what it delivers
//! ([`Log`]), the server keeps the sockets it has lost ([`RecoveryLogs`]), and a CONNECT that names a lost socket is served from
//! both ([`Restoration`](crate::shard::shared::recovery::Restoration) without I/O, [`connect`] with it). The logs and the lost
//! sockets are behind locks: a shard's log is locked by others only while a client comes back, the lost sockets only when one
//! is lost or comes back.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use foldhash::fast::FixedState;

use crate::cluster::peers::message::recovery::Taken;
use crate::engineio::{Frames, Millis, Sid};
use crate::metrics::Limit;
use crate::shard::Shard;
use crate::shard::kernel::poll::Watch;
use crate::shard::recovery::seeker::Search;
use crate::shard::recovery::way_back::CatchingUp;
use crate::shard::shared::Shared;
use crate::shard::shared::mailbox::{Letter, Mailbox, Wake};
use crate::shard::shared::recovery::{Log, lock};
use crate::shard::shared::recovery::{Lost, Recipient, RecoveryLogs};
use crate::shard::shared::target::{Broadcast, Stamp, Urgency};
use crate::shard::sockets::Sockets;
use crate::shard::sockets::state::SocketPhase;
use crate::shard::store::keys::{SessionKey, SocketKey, SocketRef, TimerKey};
use crate::socketio::{DisconnectReason, Event, Offset};

mod connect;
mod holder;
mod inquiry;
mod left_behind;
mod peers;
mod records;
#[cfg(test)]
mod recount;
mod seeker;
mod way_back;

pub(crate) use self::peers::told as told_of_recovery;
pub(crate) use self::records::leave_records;

/// A shard's state of recovery, and below it the sockets. It is empty while recovery is off.
pub(crate) struct Recovering {
    sockets: Sockets,
    /// Sockets that have come back from another shard, and wait for this shard to catch up with it.
    pending: Vec<CatchingUp>,
    /// Sockets that have come back, and that the middlewares have yet to let in, with the sessions that are charged for what
    /// they missed.
    returning: HashMap<SocketKey, (SessionKey, CatchingUp), FixedState>,
    /// Questions to other servers, and the number of the last.
    searches: Vec<Search>,
    last_search: u64,
    /// Whether a timer is armed for forgetting what is too old.
    armed: bool,
}

impl Deref for Recovering {
    type Target = Sockets;

    fn deref(&self) -> &Sockets {
        &self.sockets
    }
}

impl DerefMut for Recovering {
    fn deref_mut(&mut self) -> &mut Sockets {
        &mut self.sockets
    }
}

impl Recovering {
    pub(in crate::shard) fn new(shared: Arc<Shared>, index: usize, watch: Watch) -> Self {
        Self {
            sockets: Sockets::new(shared, index, watch),
            pending: Vec::new(),
            returning: HashMap::default(),
            searches: Vec::new(),
            last_search: 0,
            armed: false,
        }
    }
}

/// Sends a broadcast that every shard logs: at once to the sockets of this thread's shard, by letter to the other shards.
/// `publish` gets the offset to write into the frames and the shard of this thread, and gives the event to other servers. Those
/// get the events of a thread in the order in which the shards here do.
///
/// # Errors
/// Those of `publish`.
pub(crate) fn broadcast<E>(
    shared: &Arc<Shared>,
    recovery: &RecoveryLogs,
    wake: Wake,
    publish: impl FnOnce(&str, Option<usize>) -> Result<Broadcast, E>,
) -> Result<(), E> {
    let current = Shard::current(shared);
    // Not while the lock is held: a shard of another server waits for that, too.
    shared.mailboxes.iter().for_each(Mailbox::wait_for_room);
    let _in_order = current.is_none().then(|| lock(&recovery.outside));
    let here = current.as_ref().map(|shard| shard.index());
    let stamp = Stamp { offset: recovery.next_offset(), origin: here.unwrap_or(recovery.logs.len()) };
    let broadcast = Arc::new(publish(&stamp.offset.to_text(), here)?);
    if let Some(current) = current {
        current.core.borrow_mut().broadcast_logged(stamp, &broadcast);
    }
    for (index, mailbox) in shared.mailboxes.iter().enumerate() {
        if Some(index) != here {
            mailbox.put(Letter::Recoverable(stamp, Arc::clone(&broadcast)), wake);
        }
    }
    Ok(())
}

impl Recovering {
    /// Logs a broadcast and sends it to its sockets of this shard.
    pub(in crate::shard) fn broadcast_logged(&mut self, stamp: Stamp, broadcast: &Arc<Broadcast>) {
        self.logged(|log, now| log.broadcast(now, stamp, Arc::clone(broadcast)));
        self.broadcast(broadcast);
        self.call_pending(broadcast);
    }

    /// Logs an event for one socket and sends it. A socket that is just being lost gets it when it comes back.
    pub(crate) fn emit_logged(&mut self, socket: SocketRef, offset: Offset, frames: &Frames, heard: Option<&Event>) {
        let Some(state) = self.socket(socket).filter(|state| state.phase != SocketPhase::Joining) else { return };
        let to = Recipient { namespace: state.namespace, sid: self.socket_sid(socket) };
        self.logged(|log, now| log.emit(now, offset, to, frames.clone()));
        self.send_event(socket.key, frames, Urgency::Reliable, heard);
    }

    fn logged(&mut self, note: impl FnOnce(&mut Log, Millis) -> u64) {
        let shared = Arc::clone(self.shared());
        let Some(recovery) = &shared.recovery else { return };
        let Some(dropped) = recovery.log(self.index()).map(|mut log| note(&mut log, self.now())) else { return };
        self.metrics().limit(Limit::RecoveryPackets).add(dropped);
        self.arm_recovery();
    }

    /// Keeps a socket that leaves for a reason that may pass; it is still in its rooms.
    pub(in crate::shard) fn keep_lost(&mut self, socket: SocketRef, reason: DisconnectReason) {
        let Some(recovery) = self.shared().recovery.as_ref().filter(|_| reason.is_recoverable()) else { return };
        let (Some(pid), Some(state)) = (self.pid(socket), self.socket(socket)) else { return };
        let lost = Lost {
            namespace: state.namespace,
            sid: self.socket_sid(socket),
            rooms: self.rooms(socket).into_iter().map(String::into_boxed_str).collect(),
            data: state.extra.as_ref().and_then(|extra| extra.data.clone()),
            values: self.values().and_then(|values| values.copy(&self.location(socket))),
            shard: self.index(),
            generation: self.generation(socket),
            doubt: None,
            at: recovery.now(),
        };
        self.keep(pid, lost);
    }

    fn keep(&mut self, pid: Sid, lost: Lost) {
        let Some(recovery) = &self.shared().recovery else { return };
        let dropped = recovery.lost().keep(recovery.now(), pid, lost);
        self.metrics().limit(Limit::RecoverySessions).add(dropped);
        self.arm_recovery();
    }

    /// A socket is gone. If it was on its way back, the lost socket is kept for the next time.
    pub(in crate::shard) fn keep_pending(&mut self, socket: SocketRef) {
        let on_its_way = self.take_pending(socket).or_else(|| self.take_returning(socket));
        match on_its_way {
            Some(CatchingUp { pid, abroad, .. }) if !abroad.is_none() => abroad.tell(self.shared(), pid, Taken::No),
            Some(CatchingUp { pid, restoration, .. }) => self.keep(pid, restoration.lost),
            None => {}
        }
    }

    /// Keeps a timer while there is something to forget.
    pub(in crate::shard) fn arm_recovery(&mut self) {
        let Some(recovery) = self.sockets.shared().recovery.as_ref().filter(|_| !self.armed) else { return };
        let at = self.sockets.now() + recovery.settings.max_disconnection_duration;
        self.armed = true;
        self.timers().arm(at, TimerKey::Recovery);
    }

    /// The timer of recovery came up: forgets what is too old.
    pub(in crate::shard) fn recovery_due(&mut self) {
        let shared = Arc::clone(self.shared());
        let Some(recovery) = &shared.recovery else { return };
        let mut kept = recovery.lost().expire(recovery.now()) + shared.directory.sweep_namespaces(&shared);
        if let Some(mut log) = recovery.log(self.index()) {
            kept += log.expire(self.now());
        }
        self.armed = kept > 0;
        if self.armed {
            // Forgetting a little late costs less than a timer for each.
            let at = self.now() + recovery.settings.max_disconnection_duration / 4;
            self.timers().arm(at, TimerKey::Recovery);
        }
    }

    fn index(&self) -> usize {
        usize::from(self.shard_of_sids())
    }
}
