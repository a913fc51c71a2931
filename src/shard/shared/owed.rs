//! Acknowledgements that the program took to give later: which sockets still wait for one.
//!
//! Most acknowledgements are given in the handler, and never come here.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;

use crate::engineio::Sid;
use crate::shard::shared::Shared;

/// Sockets for which memory is kept while none waits.
const KEPT: usize = 64;

/// How many acknowledgements each socket waits for; by where it is. Those that wait for none are not in it.
#[derive(Debug, Default)]
pub(in crate::shard) struct OwedAcks(Mutex<HashMap<Sid, usize, RandomState>>);

impl OwedAcks {
    /// Whether a socket waits for one.
    pub(in crate::shard) fn is_owed(&self, socket: Sid) -> bool {
        self.lock().contains_key(&socket)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Sid, usize, RandomState>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One acknowledgement that a socket waits for, as long as this lives.
pub(crate) struct Owed {
    shared: Arc<Shared>,
    socket: Sid,
}

impl Owed {
    /// Notes that the socket waits.
    pub(crate) fn new(shared: &Arc<Shared>, socket: Sid) -> Self {
        *shared.owed.lock().entry(socket).or_default() += 1;
        Self { shared: Arc::clone(shared), socket }
    }
}

impl fmt::Debug for Owed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Owed").field(&self.socket).finish()
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        let mut owed = self.shared.owed.lock();
        if let Some(count) = owed.get_mut(&self.socket) {
            *count -= 1;
            if *count == 0 {
                owed.remove(&self.socket);
            }
        }
        if owed.is_empty() && owed.capacity() > KEPT {
            owed.shrink_to(KEPT);
        }
    }
}
