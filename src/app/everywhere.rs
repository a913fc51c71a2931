//! Work for one shard, or for all.

use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use super::handlers::guard;
use crate::shard::{Letter, Shard, Shared};

/// Acts on one shard: at once if that is this thread's.
pub(super) fn on_shard(shared: &Arc<Shared>, index: u8, act: impl FnOnce(&Rc<Shard>) + Send + 'static) {
    let index = usize::from(index);
    match Shard::current(shared).filter(|current| current.index() == index) {
        Some(current) => act(&current),
        None => {
            if let Some(mailbox) = shared.mailboxes.get(index) {
                mailbox.send(Letter::Run(Box::new(act)));
            }
        }
    }
}

/// Acts on every shard: on this thread's at once, on the others when they read their letters.
pub(super) fn everywhere(shared: &Arc<Shared>, act: impl Fn(&Rc<Shard>) + Send + Sync + 'static) {
    let current = Shard::current(shared);
    if let Some(current) = &current {
        act(current);
    }
    let here = current.map(|shard| shard.index());
    let act = Arc::new(act);
    for (_, mailbox) in shared.mailboxes.iter().enumerate().filter(|(index, _)| Some(*index) != here) {
        let act = Arc::clone(&act);
        mailbox.send(Letter::Run(Box::new(move |shard| act(shard))));
    }
}

/// Asks every shard, and hands the answers to `finish` when the last has come.
pub(super) fn gather<T: Send + 'static>(
    shared: &Arc<Shared>,
    ask: impl Fn(&Rc<Shard>) -> T + Send + Sync + 'static,
    finish: impl FnOnce(Vec<T>) + Send + 'static,
) {
    let count = shared.mailboxes.len();
    let gathered = Mutex::new((Vec::new(), Some(finish)));
    everywhere(shared, move |shard| {
        let answer = ask(shard);
        let mut gathered = gathered.lock().unwrap_or_else(PoisonError::into_inner);
        gathered.0.push(answer);
        if gathered.0.len() == count
            && let Some(finish) = gathered.1.take()
        {
            let answers = std::mem::take(&mut gathered.0);
            drop(gathered);
            guard(shard, "what was asked of all shards", || {
                finish(answers);
                None
            });
        }
    });
}
