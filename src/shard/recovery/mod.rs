//! Connection state recovery: a client that comes back soon finds its socket as it was, and gets what it missed.
//!
//! All of this is there only while [`Config::recovery`](crate::Config::recovery) is on. Each shard logs what it delivers
//! ([`log`]), the server keeps the sockets it has lost ([`lost`]), and a CONNECT that names one is served from both
//! ([`restoration`] without I/O, [`connect`] with it). The logs and the lost sockets are behind locks: a shard's log is
//! locked by others only while a client comes back, the lost sockets only when one is lost or comes back.

mod connect;
mod inquiry;
mod log;
mod lost;
mod places;
mod recipient;
mod restoration;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use self::connect::Pending;
use self::log::Log;
pub(crate) use self::log::Stamp;
use self::lost::{Lost, LostSockets};
use self::recipient::Recipient;
use crate::config::{Config, Recovery as Settings};
use crate::engineio::{Frames, Millis, Sid};
use crate::metrics::Limit;
use crate::shard::event_loop::core::Core;
use crate::shard::event_loop::inbox::{Letter, Mailbox, Wake};
use crate::shard::event_loop::shared::Shared;
use crate::shard::event_loop::turn::Shard;
use crate::shard::sessions::sending::Urgency;
use crate::shard::sockets::life::Status;
use crate::shard::sockets::target::Broadcast;
use crate::shard::store::keys::{SocketRef, TimerKey};
use crate::socketio::{DisconnectReason, Event, Offset, OffsetSource};

/// One socket may take so much of what is kept of all: one part of sixteen, of the lost sockets as of each log.
const SHARE: usize = 16;

/// What the shards of a server share about recovery.
#[derive(Debug)]
pub(crate) struct Recovery {
    settings: Settings,
    offsets: OffsetSource,
    /// Each shard's.
    logs: Box<[Mutex<Log>]>,
    lost: Mutex<LostSockets>,
    /// Held while a thread that is no shard sends a broadcast to all of them, so that each gets the threads' broadcasts in
    /// the same order.
    outside: Mutex<()>,
    /// The origin of the time that the lost sockets are kept by.
    begin: Instant,
}

/// What one shard keeps about recovery. It is empty while recovery is off.
#[derive(Debug, Default)]
pub(crate) struct Recovering {
    /// Sockets that have come back from another shard, and may join when this one has delivered as much.
    pending: Vec<Pending>,
    /// Whether a timer will come up to look for what is to be forgotten.
    armed: bool,
}

impl Recovery {
    /// `None` while it is off.
    pub(crate) fn new(config: &Config, instance: [u8; 3], shards: usize) -> Option<Self> {
        let settings = config.recovery.clone()?;
        let keep = settings.max_disconnection_duration;
        let log = || Mutex::new(Log::new(instance, shards + 1, config.limits.recovery_packets / shards, keep));
        Some(Self {
            logs: (0..shards).map(|_| log()).collect(),
            lost: Mutex::new(LostSockets::new(config.limits.recovery_sessions, keep)),
            settings,
            offsets: OffsetSource::default(),
            outside: Mutex::default(),
            begin: Instant::now(),
        })
    }

    /// The offset of an event that is sent now.
    pub(crate) fn next_offset(&self) -> Offset {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.offsets.next(u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
    }

    fn lost(&self) -> MutexGuard<'_, LostSockets> {
        lock(&self.lost)
    }

    fn log(&self, shard: usize) -> Option<MutexGuard<'_, Log>> {
        self.logs.get(shard).map(lock)
    }

    fn now(&self) -> Millis {
        Millis(0) + self.begin.elapsed()
    }
}

/// The locks are never held while foreign code runs, so what a panic left behind is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Broadcasts what every shard is to log: to the sockets of this thread's shard at once, to the others by letter. `make`
/// gets the offset to write into the frames.
pub(crate) fn broadcast(shared: &Arc<Shared>, recovery: &Recovery, wake: Wake, make: impl FnOnce(&str) -> Broadcast) {
    let current = Shard::current(shared);
    // Not while the lock is held: a shard of another server waits for that, too.
    shared.mailboxes.iter().for_each(Mailbox::wait_for_room);
    let _in_order = current.is_none().then(|| lock(&recovery.outside));
    let here = current.as_ref().map(|shard| shard.index());
    let stamp = Stamp { offset: recovery.next_offset(), origin: here.unwrap_or(recovery.logs.len()) };
    let broadcast = Arc::new(make(&stamp.offset.to_text()));
    if let Some(current) = current {
        current.core.borrow_mut().broadcast_logged(stamp, &broadcast);
    }
    for (index, mailbox) in shared.mailboxes.iter().enumerate() {
        if Some(index) != here {
            mailbox.put(Letter::Recoverable(stamp, Arc::clone(&broadcast)), wake);
        }
    }
}

impl Core {
    /// Logs a broadcast and sends it to the sockets of this shard that it is for.
    pub(crate) fn broadcast_logged(&mut self, stamp: Stamp, broadcast: &Arc<Broadcast>) {
        self.logged(|log, now| log.broadcast(now, stamp, Arc::clone(broadcast)));
        self.broadcast(broadcast);
        self.call_pending();
    }

    /// Logs an event for one socket and sends it. A socket that is just being lost gets it when it comes back.
    pub(crate) fn emit_logged(&mut self, socket: SocketRef, offset: Offset, frames: &Frames, heard: Option<&Event>) {
        let Some(state) = self.socket(socket).filter(|state| state.status != Status::Joining) else { return };
        let to = Recipient { namespace: state.namespace, sid: self.socket_sid(socket) };
        self.logged(|log, now| log.emit(now, offset, to, frames.clone()));
        self.send_event(socket.key, frames, Urgency::Reliable, heard);
    }

    fn logged(&mut self, note: impl FnOnce(&mut Log, Millis) -> u64) {
        let shared = Arc::clone(&self.shared);
        let Some(recovery) = &shared.recovery else { return };
        let Some(dropped) = recovery.log(self.index()).map(|mut log| note(&mut log, self.now)) else { return };
        self.metrics.limit(Limit::RecoveryPackets).add(dropped);
        self.arm_recovery();
    }

    /// Keeps a socket that leaves for a reason that may pass; it is still in its rooms.
    pub(crate) fn keep_lost(&mut self, socket: SocketRef, reason: DisconnectReason) {
        let Some(recovery) = self.shared.recovery.as_ref().filter(|_| reason.is_recoverable()) else { return };
        let (Some(pid), Some(state)) = (self.pid(socket), self.socket(socket)) else { return };
        let lost = Lost {
            namespace: state.namespace,
            sid: self.socket_sid(socket),
            rooms: self.rooms(socket).into_iter().map(String::into_boxed_str).collect(),
            data: state.extra.as_ref().and_then(|extra| extra.data.clone()),
            shard: self.index(),
            at: recovery.now(),
        };
        self.keep(pid, lost);
    }

    fn keep(&mut self, pid: Sid, lost: Lost) {
        let Some(recovery) = &self.shared.recovery else { return };
        let dropped = recovery.lost().keep(recovery.now(), pid, lost);
        self.metrics.limit(Limit::RecoverySessions).add(dropped);
        self.arm_recovery();
    }

    /// A socket is no more. If it was on its way back, what it was is kept for the next time.
    pub(crate) fn keep_pending(&mut self, socket: SocketRef) {
        if let Some(Pending { pid, restoration, .. }) = self.take_pending(socket) {
            self.keep(pid, restoration.lost);
        }
    }

    /// Keeps a timer while there is something to be forgotten.
    pub(crate) fn arm_recovery(&mut self) {
        let Some(recovery) = self.shared.recovery.as_ref().filter(|_| !self.recovering.armed) else { return };
        self.recovering.armed = true;
        self.timers.arm(self.now + recovery.settings.max_disconnection_duration, TimerKey::Recovery);
    }

    /// The timer of recovery came up: what is too old is forgotten.
    pub(crate) fn recovery_due(&mut self) {
        let shared = Arc::clone(&self.shared);
        let Some(recovery) = &shared.recovery else { return };
        let mut kept = recovery.lost().expire(recovery.now()) + shared.directory.sweep_namespaces(&shared);
        if let Some(mut log) = recovery.log(self.index()) {
            kept += log.expire(self.now);
        }
        self.recovering.armed = kept > 0;
        if self.recovering.armed {
            // What is forgotten a little late costs less than a timer for each.
            self.timers.arm(self.now + recovery.settings.max_disconnection_duration / 4, TimerKey::Recovery);
        }
    }

    fn index(&self) -> usize {
        usize::from(self.sids.shard())
    }
}
