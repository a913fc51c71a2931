//! What other servers say about clients that come back, from the thread that hears it.

use std::rc::Rc;
use std::sync::Arc;

use crate::cluster::peers::Instance;
use crate::cluster::peers::message::recovery::Recovery;
use crate::shard::Shard;
use crate::shard::recovery::way_back::Giver;
use crate::shard::recovery::{holder, records};
use crate::shard::shared::Shared;
use crate::shard::shared::mailbox::{Letter, Wake};

/// Another server, or this one itself, has told about recovery, which may be off here. The letters to shards do not wake them: the caller does so after
/// the last message.
pub(crate) fn told(shared: &Arc<Shared>, from: Instance, recovery: Recovery) {
    let Some(logs) = &shared.recovery else { return };
    match recovery {
        Recovery::Recover(recover) if from.0 == shared.instance() => {
            let number = recover.seeker.number;
            to(shared, recover.seeker.shard, 0, move |shard| {
                if let Some(recovery) = &shard.shared.recovery {
                    shard.search_came_back(recovery, number);
                }
            });
        }
        Recovery::Recover(recover) => holder::search(shared, logs, from, recover),
        Recovery::Recovered { seeker, number, pid, hand_over } => {
            to(shared, seeker.shard, hand_over.len(), move |shard| {
                shard.handed_over(pid, seeker.number, Giver { instance: from, number }, *hand_over);
            });
        }
        Recovery::Mark { number } => records::marked(shared, from, number),
        Recovery::Taken { number, pid, taken } => {
            // Any shard will do.
            let any = usize::from(pid.shard) % shared.mailboxes.len().max(1);
            to(shared, any as u8, 0, move |shard| shard.taken(number, pid, taken));
        }
    }
}

/// Has a shard do something, if there is such a shard.
fn to(shared: &Shared, shard: u8, carried: usize, act: impl FnOnce(&Rc<Shard>) + Send + 'static) {
    if let Some(mailbox) = shared.mailboxes.get(usize::from(shard)) {
        mailbox.wait_for_room();
        mailbox.put(Letter::run(carried, act), Wake::Later);
    }
}
