//! Another server asks for a lost socket: the holder's part.
//!
//! Every shard marks where the question came among the events, and ends its turn; then it ends the session of the socket if it
//! still has it, as an [`Inquiry`](super::inquiry) does. The lost socket is handed over with what its client missed. Until
//! the other server says that it has taken the socket, this one may have to take it back.

use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::cluster::peers::message::recovery::{HandOver, Progress, Recover, Recovery, Taken};
use crate::cluster::peers::{Body, Instance, Unheard};
use crate::engineio::{Frames, Sid};
use crate::shard::Shard;
use crate::shard::recovery::inquiry::Wanted;
use crate::shard::shared::Shared;
use crate::shard::shared::mailbox::{Letter, Wake};
use crate::shard::shared::recovery::{Lost, Mark, RecoveryLogs, hand_over};
use crate::socketio::Offset;

/// How long the other server may take to say whether it has taken a socket.
const CONFIRMATION: Duration = Duration::from_secs(2);

/// A question of another server, at all shards. It is answered when it is dropped, so a shard that ends answers, too.
struct Search {
    shared: Arc<Shared>,
    from: Instance,
    recover: Recover,
    wanted: Wanted,
    /// Where the question came among the events of each shard.
    marks: Marks,
}

/// Where a question came among the events of each shard, and how the namespace was heard then.
type Marks = Box<[OnceLock<(Mark, Heard)>]>;

/// How a namespace was heard.
#[derive(Debug, Clone, Copy)]
struct Heard {
    /// The connection to Redis.
    connection: u64,
    time: Duration,
    /// For how long what came was read at once.
    prompt: Duration,
    /// Whether something was missed before, perhaps.
    after_outage: bool,
}

/// Another server asks. The letters to the shards do not wake them: the caller does so after its last one.
pub(super) fn search(shared: &Arc<Shared>, recovery: &RecoveryLogs, from: Instance, recover: Recover) {
    if !recovery.may_be_here(recover.pid) {
        return;
    }
    let namespace = shared.directory.find_namespace(&recover.namespace);
    let Some(namespace) = namespace.filter(|_| recover.form == form(shared)) else { return };
    let wanted = Wanted { namespace: namespace.key(), pid: recover.pid };
    let marks = shared.mailboxes.iter().map(|_| OnceLock::new()).collect();
    let search = Arc::new(Search { shared: Arc::clone(shared), from, recover, wanted, marks });
    for (index, mailbox) in shared.mailboxes.iter().enumerate() {
        let search = Arc::clone(&search);
        mailbox.wait_for_room();
        let mark = move |shard: &Rc<Shard>| {
            search.mark(shard);
            // Sessions hear of connections that ended in a turn at its end.
            if let Some(mailbox) = shard.shared.mailboxes.get(index) {
                mailbox.send(Letter::run(0, move |shard| shard.end_half_open(search.wanted)));
            }
        };
        mailbox.put(Letter::run(0, mark), Wake::Later);
    }
}

/// The form of this server's packets, for other servers.
pub(super) fn form(shared: &Shared) -> u8 {
    shared.config.parser as u8
}

impl Search {
    fn mark(&self, shard: &Rc<Shard>) {
        let (Some(mark), Some(cluster)) = (self.marks.get(shard.index()), &self.shared.cluster) else { return };
        let Some(hearing) = cluster.hearing(&self.recover.namespace) else { return };
        let (connection, after_outage) = (hearing.connection, hearing.after_outage);
        let heard = Heard { connection, time: hearing.age(), prompt: hearing.prompt(), after_outage };
        if let Some(log) = self.shared.recovery.as_ref().and_then(|recovery| recovery.log(shard.index())) {
            let _ = mark.set((log.mark(shard.core.borrow().now()), heard));
        }
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        let (from, recover, wanted, marks) =
            (self.from, self.recover.clone(), self.wanted, std::mem::take(&mut self.marks));
        // A thread of the program may have dropped it; a shard has a clock and timers.
        let shard = usize::from(wanted.pid.shard) % self.shared.mailboxes.len().max(1);
        if let Some(mailbox) = self.shared.mailboxes.get(shard) {
            mailbox.send(Letter::run(0, move |shard| shard.give_away(from, &recover, wanted, &marks)));
        }
    }
}

impl Shard {
    /// All shards have looked: hands the socket over, if it is among the lost ones.
    fn give_away(self: &Rc<Self>, to: Instance, recover: &Recover, wanted: Wanted, marks: &Marks) {
        let Some(recovery) = &self.shared.recovery else { return };
        let Some(lost) = recovery.lost().take(recovery.now(), wanted.pid, wanted.namespace) else { return };
        let cluster = self.shared.cluster.as_ref();
        let connection = cluster.and_then(|cluster| cluster.hearing(&recover.namespace)).map(|now| now.connection);
        let Some((missed, progress)) = missed(recovery, &lost, recover, marks, connection) else {
            return self.core.borrow_mut().keep(wanted.pid, lost);
        };
        let hand_over = describe(&lost, missed, progress);
        // Not while the table is locked.
        let given = recovery.hand_overs().give(wanted.pid, lost);
        let number = match given {
            Ok(number) => number,
            Err(lost) => return self.core.borrow_mut().keep(wanted.pid, lost),
        };
        let hand_over = Box::new(hand_over);
        let recovered = Recovery::Recovered { seeker: recover.seeker, number, pid: wanted.pid, hand_over };
        let (shared, index) = (Arc::clone(&self.shared), self.index());
        let unheard = move |why| {
            if let Some(mailbox) = shared.mailboxes.get(index) {
                let doubt = (why == Unheard::Away).then_some(number);
                mailbox.send(Letter::run(0, move |shard| shard.take_back(number, doubt)));
            }
        };
        if let Some(peers) = self.shared.cluster.as_ref().and_then(|cluster| cluster.peers()) {
            peers.send(to, Body::Recovery(recovered), unheard);
        }
        let forget = move |shard: &Rc<Self>| shard.take_back(number, Some(number));
        self.core.borrow_mut().alarm_in(CONFIRMATION, forget);
    }

    /// A socket that was handed over belongs here again, unless the other server has taken it. `doubt`: its number, if the
    /// other may have it without having said so.
    fn take_back(self: &Rc<Self>, number: u64, doubt: Option<u64>) {
        let Some(recovery) = &self.shared.recovery else { return };
        let given = recovery.hand_overs().take_back(number, doubt);
        if let Some((pid, lost)) = given {
            self.core.borrow_mut().keep(pid, lost);
        }
    }

    /// Another server says what became of a socket that was handed over to it.
    pub(super) fn taken(self: &Rc<Self>, number: u64, pid: Sid, taken: Taken) {
        let Some(recovery) = &self.shared.recovery else { return };
        match taken {
            // What the program has kept with it ends here, where nothing is borrowed.
            Taken::Yes => {
                let given = recovery.hand_overs().take(number);
                let doubtful = recovery.lost().take_doubtful(pid, number);
                drop((given, doubtful));
            }
            Taken::No => {
                self.take_back(number, None);
                recovery.lost().believe(pid, number);
            }
        }
    }
}

/// What a lost socket missed, and how far its shard is now; `connection`: by which the namespace is heard now. `None` if that
/// cannot be told.
fn missed(
    recovery: &RecoveryLogs,
    lost: &Lost,
    recover: &Recover,
    marks: &Marks,
    connection: Option<u64>,
) -> Option<(Vec<(Offset, Frames)>, Progress)> {
    let &(mark, heard) = marks.get(lost.shard)?.get()?;
    if connection != Some(heard.connection) {
        return None;
    }
    let log = recovery.logs.get(lost.shard)?;
    // Nobody knows what it has missed in an outage of Redis.
    let whole = heard.after_outage.then_some(heard.time);
    hand_over(lost, recover.offset, log, mark, heard.prompt.min(recover.heard), whole)
}

/// A lost socket for another server. What the program keeps with it does not leave the process.
pub(super) fn describe(lost: &Lost, missed: Vec<(Offset, Frames)>, progress: Progress) -> HandOver {
    HandOver {
        generation: lost.generation,
        is_doubtful: lost.doubt.is_some(),
        had_values: lost.values.is_some(),
        sid: lost.sid,
        rooms: lost.rooms.to_vec(),
        data: lost.data.as_ref().map(|data| data.get().into()),
        missed,
        progress,
    }
}
