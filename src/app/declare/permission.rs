//! Hooks that decide about handshakes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use super::admission::taken;
use super::pool::Pool;
use crate::app::base::{on_any_shard, panicked};
use crate::shard::{Admission, Asked, Handshake, Refusal, Shard};

type Decide = dyn Fn(&Handshake) -> Result<(), String> + Send + Sync;
type Ask = dyn Fn(&Rc<Shard>, Arc<Handshake>, Admission) -> Asked + Send + Sync;

/// A hook that decides whether a handshake may go on.
pub(crate) enum Permission {
    /// At once.
    Now(Box<Decide>),
    /// Later, by the admission.
    Later(Box<Ask>),
}

impl Permission {
    /// A hook that decides at once.
    pub(crate) fn now(hook: impl Fn(&Handshake) -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self::Now(Box::new(hook))
    }

    /// A hook that decides later.
    pub(crate) fn deferred(hook: impl Fn(Arc<Handshake>, Admission) + Send + Sync + 'static) -> Self {
        Self::Later(Box::new(move |_, handshake, admission| {
            hook(handshake, admission);
            Asked::Yes
        }))
    }

    /// A hook that may block, and runs on a thread of the pool.
    pub(crate) fn blocking(
        pool: Arc<Pool>,
        hook: impl Fn(&Handshake) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        pool.want();
        let hook: Arc<Decide> = Arc::new(hook);
        Self::Later(Box::new(move |shard, handshake, admission| {
            pool.decide_handshake(shard, handshake, admission, &hook)
        }))
    }
}

impl Pool {
    /// Has a hook decide about a handshake. A client that has left by then is not asked about.
    fn decide_handshake(
        &self,
        shard: &Rc<Shard>,
        handshake: Arc<Handshake>,
        admission: Admission,
        hook: &Arc<Decide>,
    ) -> Asked {
        let headers = handshake.headers().map(|(name, value)| name.len() + value.len());
        let size = handshake.url().len() + headers.sum::<usize>();
        let (shared, hook) = (Arc::clone(&shard.shared), Arc::clone(hook));
        let job = move || {
            if !admission.is_pending() {
                return;
            }
            match catch_unwind(AssertUnwindSafe(|| hook(&handshake))) {
                Ok(Ok(())) => admission.admit(),
                Ok(Err(message)) => admission.refuse(Refusal::new(message)),
                // The admission is dropped, which refuses.
                Err(_) => on_any_shard(&shared, 0, move |shard| {
                    let from = handshake.address().ip();
                    panicked(shard, || format!("allow_request panicked: the handshake is refused (from {from})"));
                }),
            }
        };
        taken(self.submit(size, None, job), |limit| shard.with(|core| core.metrics().hit(limit)))
    }
}
