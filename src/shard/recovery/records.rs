//! Lost sockets that outlive their server: at its end it leaves them in Redis, each as a record.
//!
//! While a server ends, it marks the events again and again: each mark goes to all servers and comes back to this one. A record
//! names the last mark that came back to its shard's log, so that the server where the client shows up can tell what is beyond
//! the record: it knows the mark's place in its own log. One that is younger than the mark cannot tell.

use std::rc::Rc;
use std::time::Duration;

use crate::clock;
use crate::cluster::peers::Instance;
use crate::cluster::peers::record::{LONGEST, Record};
use crate::engineio::Sid;
use crate::shard::Shard;
use crate::shard::recovery::holder::describe;
use crate::shard::shared::Shared;
use crate::shard::shared::mailbox::{Letter, Wake};
use crate::shard::shared::recovery::{Lost, RecoveryLogs};

/// Most bytes of all records of a server.
const MOST: usize = 16 * 1024 * 1024;

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

/// Leaves the lost sockets in Redis. The event loops have ended.
pub(crate) fn leave_records(shared: &Shared) {
    let (Some(recovery), Some(cluster)) = (&shared.recovery, &shared.cluster) else { return };
    let (mut left, now, keep) = (MOST, recovery.now(), recovery.settings.max_disconnection_duration);
    let lost = recovery.lost().take_all();
    for (pid, lost) in lost {
        let time = keep.saturating_sub(now - lost.at);
        let Some(record) = record(shared, recovery, &lost, time).filter(|_| !time.is_zero()) else { continue };
        let Some(less) = left.checked_sub(record.hand_over.len()) else { return };
        left = less;
        cluster.keep_record(&pid.to_text(), &record, time);
    }
}

/// Has Redis keep a record again that was taken and is not used, for the time that is left to it.
pub(super) fn put_back(shared: &Shared, pid: Sid, record: &Record) {
    let (Some(recovery), Some(cluster)) = (&shared.recovery, &shared.cluster) else { return };
    let left = Duration::from_millis(record.until.saturating_sub(since_epoch()));
    // The clocks of servers may differ.
    let time = left.min(recovery.settings.max_disconnection_duration);
    if !time.is_zero() {
        cluster.keep_record(&pid.to_text(), record, time);
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
    let log = recovery.log(lost.shard)?;
    let (mark, place) = log.last_mark(own)?;
    let addressee = lost.addressee();
    // Nobody else has a window of time with this server any more: the order of events tells.
    let progress = log.progress(&addressee, place, Duration::ZERO)?;
    let rest = describe(lost, Vec::new(), progress).len() + namespace.len();
    let missed = log.tail(&addressee, LONGEST.checked_sub(rest)?);
    let hand_over = describe(lost, missed, log.progress(&addressee, place, Duration::ZERO)?);
    Some(Record { namespace, instance: own, mark, until: since_epoch() + millis(time), hand_over })
}
