//! Runs work on one shard, or on all.

use std::rc::Rc;
use std::sync::Arc;

use crate::shard::{Left, Letter, Shard, Shared, SocketRef};

/// Sockets that are handled between two looks at the clock.
const AT_ONCE: usize = 16;

/// Acts on one shard: at once if it is this thread's. `carried`: bytes that `act` holds beside itself.
pub(in crate::app) fn on_shard(
    shared: &Arc<Shared>,
    index: u8,
    carried: usize,
    act: impl FnOnce(&Rc<Shard>) + Send + 'static,
) {
    let index = usize::from(index);
    match Shard::current(shared).filter(|current| current.index() == index) {
        Some(current) => act(&current),
        None => {
            if let Some(mailbox) = shared.mailboxes.get(index) {
                mailbox.send(Letter::run(carried, act));
            }
        }
    }
}

/// Acts on a shard: at once if this thread runs one, else on the first. `carried`: bytes that `act` holds beside itself.
pub(in crate::app) fn on_any_shard(
    shared: &Arc<Shared>,
    carried: usize,
    act: impl FnOnce(&Rc<Shard>) + Send + 'static,
) {
    match Shard::current(shared) {
        Some(current) => act(&current),
        None => {
            if let Some(mailbox) = shared.mailboxes.first() {
                mailbox.send(Letter::run(carried, act));
            }
        }
    }
}

/// Acts on every shard: on this thread's at once, on the others when they read their letters. `carried`: bytes that `act`
/// holds beside itself.
pub(in crate::app) fn everywhere<A: Fn(&Rc<Shard>) + Send + Sync + 'static>(
    shared: &Arc<Shared>,
    carried: usize,
    act: A,
) {
    let current = Shard::current(shared);
    if let Some(current) = &current {
        act(current);
    }
    let here = current.map(|shard| shard.index());
    let act = Arc::new(act);
    for (_, mailbox) in shared.mailboxes.iter().enumerate().filter(|(index, _)| Some(*index) != here) {
        let act = Arc::clone(&act);
        mailbox.send(Letter::run(size_of::<A>() + carried, move |shard| act(shard)));
    }
}

/// Acts on sockets of every shard, which the shard chooses: on this thread's shard at once, on the others when they read their
/// letters. Each turn handles a part of them, because there may be many. `carried`: bytes that the two closures hold beside
/// themselves.
pub(in crate::app) fn for_each_socket(
    shared: &Arc<Shared>,
    carried: usize,
    choose: impl Fn(&Shard) -> Vec<SocketRef> + Send + Sync + 'static,
    act: impl Fn(&Shard, SocketRef) + Send + Sync + 'static,
) {
    let current = Shard::current(shared);
    if let Some(current) = &current {
        choose(current).into_iter().for_each(|socket| act(current, socket));
    }
    let here = current.map(|shard| shard.index());
    let task = Arc::new((choose, act));
    for (_, mailbox) in shared.mailboxes.iter().enumerate().filter(|(index, _)| Some(*index) != here) {
        let task = Arc::clone(&task);
        let carried = size_of_val(&*task) + carried;
        let mut chosen = None;
        let work = move |shard: &Rc<Shard>| {
            let (choose, act) = &*task;
            let chosen = chosen.get_or_insert_with(|| choose(shard).into_iter());
            chosen.by_ref().take(AT_ONCE).for_each(|socket| act(shard, socket));
            if chosen.len() == 0 { Left::Nothing } else { Left::More }
        };
        mailbox.send(Letter::Work(Box::new(work), carried));
    }
}
