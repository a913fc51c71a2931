//! Lost sockets that outlive their server: at its end it leaves them in Redis, each as a record.
//!
//! While a server ends, it marks the events again and again: each mark goes to all servers and comes back to this one. A record
//! names the last mark that came back to its shard's log, so that the server where the client shows up can tell what is beyond
//! the record: it knows the mark's place in its own log. One that is younger than the mark cannot tell.

use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::clock;
use crate::cluster::peers::Instance;
use crate::cluster::peers::record::{LONGEST, Record};
use crate::cluster::redis::{Refusal, State};
use crate::engineio::Sid;
use crate::shard::Shard;
use crate::shard::recovery::holder::describe;
use crate::shard::shared::Shared;
use crate::shard::shared::mailbox::{Letter, Wake};
use crate::shard::shared::recovery::{Lost, RecoveryLogs};

/// Most bytes of all records of a server.
const MOST: usize = 16 * 1024 * 1024;

/// For how long a server may leave records.
const LEAVING: Duration = Duration::from_secs(1);

/// What a server may yet leave.
struct Allowance {
    bytes: usize,
    until: Instant,
}

/// Why the other lost sockets of a server are not left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Stop {
    #[error("all together take more than 16 MiB")]
    Bytes,
    #[error("it takes longer than 1 s")]
    Time,
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// A mark of a server has come. The letters to the shards do not wake them: the caller does so after its last one.
pub(super) fn marked(shared: &Shared, from: Instance, number: u64) {
    for mailbox in &shared.mailboxes {
        mailbox.wait_for_room();
        let note = move |shard: &Rc<Shard>| {
            let now = shard.core.borrow().now();
            if let Some(mut log) = shard.shared.recovery.as_ref().and_then(|recovery| recovery.log(shard.index())) {
                log.note_mark(from, number, now);
            }
        };
        mailbox.put(Letter::run(0, note), Wake::Later);
    }
}

/// Leaves the lost sockets in Redis, first those whose clients have been away for the shortest time. The event loops have ended.
pub(crate) fn leave_records(shared: &Shared) {
    let Some(recovery) = &shared.recovery else { return };
    let mut allowance = Allowance::new();
    let mut lost = recovery.lost().take_all(recovery.now()).into_iter();
    while let Some((pid, socket)) = lost.next() {
        if let Err(stop) = leave(shared, recovery, pid, &socket, &mut allowance) {
            let count = lost.len() + 1;
            log::warn!("{count} lost sockets are not left in Redis, their clients will be new ones: {stop}");
            return;
        }
    }
}

/// Leaves a lost socket, unless something is in doubt.
fn leave(
    shared: &Shared,
    recovery: &RecoveryLogs,
    pid: Sid,
    lost: &Lost,
    allowance: &mut Allowance,
) -> Result<(), Stop> {
    let Some(cluster) = &shared.cluster else { return Ok(()) };
    if !matches!(cluster.redis_state(), State::Up) {
        return Err(Stop::Refused(Refusal::Away));
    }
    let time = recovery.settings.max_disconnection_duration.saturating_sub(recovery.now() - lost.at);
    let record = record(shared, recovery, lost, time).filter(|_| !time.is_zero());
    let Some(record) = record else { return Ok(()) };
    allowance.take(record.len())?;
    Ok(cluster.keep_record(&pid.to_text(), &record, time)?)
}

impl Allowance {
    fn new() -> Self {
        Self { bytes: MOST, until: clock::now() + LEAVING }
    }

    fn take(&mut self, bytes: usize) -> Result<(), Stop> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or(Stop::Bytes)?;
        if clock::now() < self.until { Ok(()) } else { Err(Stop::Time) }
    }
}

/// Has Redis keep a record again that was taken and is not used, for the time that is left to it.
pub(super) fn put_back(shared: &Shared, pid: Sid, record: &Record) {
    let (Some(recovery), Some(cluster)) = (&shared.recovery, &shared.cluster) else { return };
    let left = Duration::from_millis(record.until.saturating_sub(since_epoch()));
    // The clocks of servers may differ.
    let time = left.min(recovery.settings.max_disconnection_duration);
    if time.is_zero() {
        return;
    }
    if let Err(refusal) = cluster.keep_record(&pid.to_text(), record, time) {
        log::debug!("a lost socket does not go back to Redis: {refusal}");
    }
}

fn since_epoch() -> u64 {
    millis(clock::since_epoch())
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The record of a lost socket for so long, unless something is in doubt.
fn record(shared: &Shared, recovery: &RecoveryLogs, lost: &Lost, time: Duration) -> Option<Record> {
    let own = Instance(shared.instance());
    let is_declared = (lost.namespace.0 as usize) < shared.directory.namespaces();
    if !is_declared || lost.doubt.is_some() {
        return None;
    }
    let namespace: Box<str> = shared.directory.namespace_name(lost.namespace).into();
    let hearing = shared.cluster.as_ref()?.hearing(&namespace)?;
    if hearing.after_outage && recovery.now() - lost.at >= hearing.age() {
        return None;
    }
    let whole = hearing.after_outage.then(|| recovery.now() - hearing.age());
    let log = recovery.log(lost.shard)?;
    let (mark, place) = log.last_mark(own)?;
    let addressee = lost.addressee();
    // Nobody else has a window of time with this server any more: the order of events tells.
    let progress = log.progress(&addressee, place, Duration::ZERO)?;
    let until = since_epoch() + millis(time);
    let hand_over = describe(lost, Vec::new(), progress);
    let mut record = Record { namespace, instance: own, mark, until, hand_over };
    record.hand_over.missed = log.tail(&addressee, LONGEST.checked_sub(record.len())?, whole);
    Some(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_leaves_so_many_bytes_for_so_long() {
        let _stopped = clock::simulated::stop();
        let mut allowance = Allowance::new();
        assert_eq!(allowance.take(MOST), Ok(()));
        assert_eq!(allowance.take(1), Err(Stop::Bytes));
        let mut allowance = Allowance::new();
        clock::simulated::advance(LEAVING - Duration::from_millis(1));
        assert_eq!(allowance.take(1), Ok(()));
        clock::simulated::advance(Duration::from_millis(1));
        assert_eq!(allowance.take(1), Err(Stop::Time));
    }
}
