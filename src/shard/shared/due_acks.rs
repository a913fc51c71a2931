//! Due acknowledgements: the program has taken them to give later, and their sockets wait.
//!
//! Most acknowledgements are given within the handler, and are never noted here.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::chance::RandomState;
use crate::engineio::Sid;
use crate::shard::shared::Shared;

/// The number of sockets for which memory is kept while none waits.
const KEPT: usize = 64;

/// How many acknowledgements each socket waits for, by the socket's place. Only waiting sockets are in it.
#[derive(Debug, Default)]
pub(in crate::shard) struct DueAcks(Mutex<HashMap<Sid, usize, RandomState>>);

impl DueAcks {
    /// Whether a socket waits for one.
    pub(in crate::shard) fn is_due(&self, socket: Sid) -> bool {
        self.lock().contains_key(&socket)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Sid, usize, RandomState>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One due acknowledgement. Its socket waits as long as this lives.
pub(crate) struct DueAck {
    shared: Arc<Shared>,
    socket: Sid,
}

impl DueAck {
    /// Notes that the socket waits.
    pub(crate) fn new(shared: &Arc<Shared>, socket: Sid) -> Self {
        *shared.due_acks.lock().entry(socket).or_default() += 1;
        Self { shared: Arc::clone(shared), socket }
    }
}

impl fmt::Debug for DueAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DueAck").field(&self.socket).finish()
    }
}

impl Drop for DueAck {
    fn drop(&mut self) {
        let mut due = self.shared.due_acks.lock();
        if let Some(count) = due.get_mut(&self.socket) {
            *count -= 1;
            if *count == 0 {
                due.remove(&self.socket);
            }
        }
        if due.is_empty() && due.capacity() > KEPT {
            due.shrink_to(KEPT);
        }
    }
}
