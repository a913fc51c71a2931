//! Socket.IO sockets: namespaces, rooms, acknowledgements, who is meant, and sending to many.

pub(in crate::shard) mod acks;
pub(in crate::shard) mod alarms;
pub(in crate::shard) mod calls;
pub(in crate::shard) mod collections;
pub(in crate::shard) mod connects;
pub(in crate::shard) mod delivery;
pub(in crate::shard) mod descriptions;
pub(in crate::shard) mod endings;
pub(in crate::shard) mod entries;
pub(in crate::shard) mod hearing;
pub(in crate::shard) mod identity;
pub(in crate::shard) mod ids;
pub(in crate::shard) mod joins;
pub(in crate::shard) mod kept;
pub(in crate::shard) mod life;
pub(in crate::shard) mod members;
pub(in crate::shard) mod namespaces;
pub(in crate::shard) mod outgoing;
pub(in crate::shard) mod pending_acks;
pub(in crate::shard) mod room_changes;
pub(in crate::shard) mod state;
pub(in crate::shard) mod waits;

use std::collections::{HashMap, VecDeque};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use foldhash::fast::FixedState;
use mio::Registry;
use slab::Slab;

use crate::engineio::Sid;
use crate::shard::sessions::Sessions;
use crate::shard::shared::Shared;
use crate::shard::sockets::calls::Alarm;
use crate::shard::sockets::calls::Call;
use crate::shard::sockets::namespaces::Namespaces;
use crate::shard::sockets::state::SocketState;
use crate::shard::store::keys::SocketRef;
use crate::shard::store::pages::{MAX_KEYS, Pages};
use crate::shard::store::waits::Waits;

/// The sockets of a shard and their namespaces, and below them the sessions.
pub(crate) struct Sockets {
    pub(in crate::shard) sessions: Sessions,
    pub(in crate::shard) states: Pages<SocketState>,
    pub(in crate::shard) namespaces: Namespaces,
    /// The sockets that have come back, by the ids they had and have again. Their places are others now.
    pub(in crate::shard) restored: HashMap<Sid, SocketRef, FixedState>,
    /// What the application must hear.
    pub(in crate::shard) calls: VecDeque<Call>,
    /// What is to be done at its time.
    pub(in crate::shard) alarms: Slab<Alarm>,
    /// What others are to answer.
    pub(in crate::shard) waits: Waits<Alarm>,
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
    pub(in crate::shard) fn new(shared: Arc<Shared>, index: usize, registry: Registry) -> Self {
        Self {
            states: Pages::new(MAX_KEYS),
            namespaces: Namespaces::new(shared.directory.namespaces()),
            restored: HashMap::default(),
            calls: VecDeque::new(),
            alarms: Slab::new(),
            waits: Waits::new(),
            sessions: Sessions::new(shared, index, registry),
        }
    }
}
