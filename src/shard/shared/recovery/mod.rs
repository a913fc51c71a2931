//! The shards' shared state for recovery: a log for each shard, and the lost sockets. It does no I/O.
//!
//! Both are behind locks: a shard's log is locked by others only while a client comes back, the lost sockets only when one is
//! lost or comes back.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::clock;
use crate::cluster::peers::{Instance, OwnInstance};
use crate::config::{Config, Recovery as Settings};
use crate::engineio::{Millis, Sid};
use crate::shard::shared::recovery::lost::LostSockets;
use crate::socketio::{Offset, OffsetSource};

mod hand_overs;
mod lanes;
mod log;
mod lost;
mod places;
mod recipient;
mod restoration;
#[cfg(test)]
mod tests;

pub(in crate::shard) use self::hand_overs::{HandOvers, Questions};
pub(in crate::shard) use self::log::{Log, Mark, Sought};
pub(in crate::shard) use self::lost::Lost;
pub(in crate::shard) use self::recipient::Recipient;
pub(in crate::shard) use self::restoration::{ELSEWHERE, Restoration, hand_over};

/// One socket may take at most this part (a sixteenth) of the lost sockets' memory and of each log.
const SHARE: usize = 16;

/// The shards' shared state for recovery.
#[derive(Debug)]
pub(crate) struct RecoveryLogs {
    pub(in crate::shard) settings: Settings,
    own: Arc<OwnInstance>,
    offsets: OffsetSource,
    /// The log of each shard.
    pub(in crate::shard) logs: Box<[Mutex<Log>]>,
    lost: Mutex<LostSockets>,
    hand_overs: Mutex<HandOvers>,
    questions: Mutex<Questions>,
    /// Whether a socket of another server has ever come here.
    has_taken_over: AtomicBool,
    marks: AtomicU64,
    /// Held while a thread that is not a shard sends a broadcast to all shards, so that all shards get such broadcasts in the
    /// same order.
    pub(in crate::shard) outside: Mutex<()>,
    /// The start of the lost sockets' clock.
    begin: Instant,
}

impl RecoveryLogs {
    /// `None` if recovery is off.
    pub(in crate::shard::shared) fn new(config: &Config, own: &Arc<OwnInstance>, shards: usize) -> Option<Self> {
        let settings = config.recovery.clone()?;
        let keep = settings.max_disconnection_duration;
        // Clients may see offsets of several servers.
        let Instance([_, high, low]) = own.get();
        let tagged = || OffsetSource::tagged(u16::from_be_bytes([high, low]));
        let offsets = config.redis.as_ref().map_or_else(OffsetSource::default, |_| tagged());
        let log = || Mutex::new(Log::new(shards + 1, config.limits.recovery_packets / shards, keep));
        Some(Self {
            logs: (0..shards).map(|_| log()).collect(),
            lost: Mutex::new(LostSockets::new(config.limits.recovery_sessions, keep)),
            hand_overs: Mutex::default(),
            questions: Mutex::default(),
            has_taken_over: AtomicBool::new(false),
            marks: AtomicU64::new(0),
            settings,
            own: Arc::clone(own),
            offsets,
            outside: Mutex::default(),
            begin: clock::now(),
        })
    }

    /// The offset of an event that is sent now.
    pub(crate) fn next_offset(&self) -> Offset {
        let now = clock::since_epoch();
        self.offsets.next(u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
    }

    pub(in crate::shard) fn lost(&self) -> MutexGuard<'_, LostSockets> {
        lock(&self.lost)
    }

    /// The sockets that were handed over to other servers and may have to be taken back.
    pub(in crate::shard) fn hand_overs(&self) -> MutexGuard<'_, HandOvers> {
        lock(&self.hand_overs)
    }

    /// The number of the next mark of this server.
    pub(in crate::shard) fn next_mark(&self) -> u64 {
        self.marks.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether this server may have the socket with that private id: it has made it, or a socket of another server has come
    /// here.
    pub(in crate::shard) fn may_be_here(&self, pid: Sid) -> bool {
        pid.instance == self.own.get().0 || self.has_taken_over.load(Ordering::Relaxed)
    }

    /// A socket of another server has come here.
    pub(in crate::shard) fn note_taken_over(&self) {
        self.has_taken_over.store(true, Ordering::Relaxed);
    }

    /// The questions to other servers.
    pub(in crate::shard) fn questions(&self) -> MutexGuard<'_, Questions> {
        lock(&self.questions)
    }

    pub(in crate::shard) fn log(&self, shard: usize) -> Option<MutexGuard<'_, Log>> {
        self.logs.get(shard).map(lock)
    }

    pub(in crate::shard) fn now(&self) -> Millis {
        Millis(0) + (clock::now() - self.begin)
    }
}

/// No user code runs while a lock is held, so the data is consistent even after a panic.
pub(in crate::shard) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
