//! Socket.IO sockets: namespaces, rooms, acknowledgements, targets, and broadcasts.

use std::collections::{HashMap, VecDeque};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::shard::kernel::poll::Watch;
use foldhash::fast::FixedState;
use slab::Slab;

use crate::engineio::Sid;
use crate::shard::sessions::Sessions;
use crate::shard::shared::Shared;
use crate::shard::sockets::applicants::Applicants;
use crate::shard::sockets::calls::{Alarm, Call};
use crate::shard::sockets::namespaces::Namespaces;
use crate::shard::sockets::state::SocketState;
use crate::shard::store::keys::{SocketKey, SocketRef, TimerKey};
use crate::shard::store::pages::{MAX_KEYS, Pages};
use crate::shard::store::waits::Waits;

pub(in crate::shard) mod acks;
pub(in crate::shard) mod alarms;
pub(in crate::shard) mod applicants;
pub(in crate::shard) mod asker;
pub(in crate::shard) mod calls;
pub(in crate::shard) mod collection;
pub(in crate::shard) mod connects;
pub(in crate::shard) mod costs;
pub(in crate::shard) mod delivery;
pub(in crate::shard) mod descriptions;
pub(in crate::shard) mod endings;
pub(in crate::shard) mod entries;
pub(in crate::shard) mod hearing;
pub(in crate::shard) mod identity;
pub(in crate::shard) mod ids;
pub(in crate::shard) mod joins;
pub(in crate::shard) mod life;
pub(in crate::shard) mod members;
pub(in crate::shard) mod namespaces;
pub(in crate::shard) mod pending_acks;
#[cfg(test)]
mod recount;
pub(in crate::shard) mod room_changes;
pub(in crate::shard) mod state;
pub(in crate::shard) mod waits;

/// The sockets of a shard and their namespaces, and below them the sessions.
pub(crate) struct Sockets {
    sessions: Sessions,
    states: Pages<SocketState>,
    namespaces: Namespaces,
    /// The sockets that have come back, by the ids they had before. Their places have changed.
    restored: HashMap<Sid, SocketRef, FixedState>,
    /// The same sockets, by their private ids.
    restored_pids: HashMap<Sid, SocketRef, FixedState>,
    /// Queued calls: what the application must hear.
    calls: VecDeque<Call>,
    /// The alarms.
    alarms: Slab<Alarm>,
    /// The waits for answers.
    waits: Waits<Alarm>,
    /// The sockets that wait for the program's decision.
    applicants: Applicants,
}

impl Deref for Sockets {
    type Target = Sessions;

    fn deref(&self) -> &Sessions {
        &self.sessions
    }
}

impl DerefMut for Sockets {
    fn deref_mut(&mut self) -> &mut Sessions {
        &mut self.sessions
    }
}

impl Sockets {
    pub(in crate::shard) fn new(shared: Arc<Shared>, index: usize, watch: Watch) -> Self {
        Self {
            states: Pages::new(MAX_KEYS),
            namespaces: Namespaces::new(shared.directory.namespaces()),
            restored: HashMap::default(),
            restored_pids: HashMap::default(),
            calls: VecDeque::new(),
            alarms: Slab::new(),
            waits: Waits::new(TimerKey::Wait),
            applicants: Applicants::new(),
            sessions: Sessions::new(shared, index, watch),
        }
    }

    /// A socket, by its key alone.
    pub(in crate::shard) fn state(&self, key: SocketKey) -> Option<&SocketState> {
        self.states.get(key.0)
    }

    /// Queues a call.
    pub(in crate::shard) fn call(&mut self, call: Call) {
        self.calls.push_back(call);
    }

    /// The next call, after telling the sockets of ended sessions.
    pub(in crate::shard) fn next_call(&mut self) -> Option<Call> {
        self.hear_endings();
        self.calls.pop_front()
    }

    /// Whether calls are queued.
    pub(in crate::shard) fn has_calls(&self) -> bool {
        !self.calls.is_empty()
    }

    /// The waits for answers.
    pub(in crate::shard) fn waits(&self) -> &Waits<Alarm> {
        &self.waits
    }

    /// The namespaces of the shard.
    pub(in crate::shard) fn namespaces(&self) -> &Namespaces {
        &self.namespaces
    }

    /// How many sockets there are.
    #[cfg(test)]
    pub(in crate::shard) fn socket_count(&self) -> usize {
        self.states.len()
    }
}
