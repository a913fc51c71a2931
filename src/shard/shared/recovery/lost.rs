//! Sockets that were lost and may come back.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use foldhash::fast::FixedState;
use serde_json::value::RawValue;

use crate::chance::RandomState;
use crate::engineio::{Millis, Sid};
use crate::memory::allocated;
use crate::shard::shared::recovery::SHARE;
use crate::shard::shared::recovery::recipient::Recipient;
use crate::shard::shared::target::Broadcast;
use crate::shard::store::keys::NamespaceKey;
use crate::values::Values;

/// The cost of a socket beside its data and the names of its rooms: its state, its places in the two indexes, and the overhead
/// of allocator and indexes.
const ENTRY: usize = size_of::<Kept>() + 2 * size_of::<Sid>() + size_of::<Place>() + 192;

/// A lost socket, as it was.
#[derive(Debug)]
pub(in crate::shard) struct Lost {
    pub(in crate::shard) namespace: NamespaceKey,
    pub(in crate::shard) sid: Sid,
    /// Its rooms, including its own.
    pub(in crate::shard) rooms: Box<[Box<str>]>,
    pub(in crate::shard) data: Option<Box<RawValue>>,
    /// What the program has kept with it.
    pub(in crate::shard) values: Option<Values>,
    /// The shard that lost it. That shard's log contains what it was sent.
    pub(in crate::shard) shard: usize,
    /// How often another server has handed it over.
    pub(in crate::shard) generation: u32,
    /// The number under which it was handed over to another server, which then did not say whether it has taken it.
    pub(in crate::shard) doubt: Option<u64>,
    /// When it was lost.
    pub(in crate::shard) at: Millis,
}

/// A lost socket, prepared for many look-ups.
pub(in crate::shard) struct Addressee<'a> {
    lost: &'a Lost,
    rooms: HashSet<&'a str, RandomState>,
}

impl Lost {
    /// The socket, prepared for questions about what was meant for it.
    pub(in crate::shard) fn addressee(&self) -> Addressee<'_> {
        Addressee { lost: self, rooms: self.rooms.iter().map(|room| &**room).collect() }
    }

    fn bytes(&self) -> usize {
        let rooms: usize = self.rooms.iter().map(|room| size_of::<Box<str>>() + allocated(room.len())).sum();
        let data = self.data.as_ref().map_or(0, |data| allocated(data.get().len()));
        ENTRY + rooms + data + self.values.as_ref().map_or(0, Values::bytes)
    }
}

impl Addressee<'_> {
    /// Whether a broadcast would have reached the socket.
    pub(in crate::shard::shared) fn is_meant_by(&self, broadcast: &Broadcast) -> bool {
        let target = &broadcast.target;
        let is_in = |rooms: &[Box<str>]| rooms.iter().any(|room| self.rooms.contains(&**room));
        broadcast.namespace == self.lost.namespace
            && (target.rooms.is_empty() || is_in(&target.rooms))
            && target.sender != Some(self.lost.sid)
            && !is_in(&target.except)
    }

    /// Its namespace.
    pub(in crate::shard::shared) fn namespace(&self) -> NamespaceKey {
        self.lost.namespace
    }

    /// Its id.
    pub(in crate::shard::shared) fn sid(&self) -> Sid {
        self.lost.sid
    }

    /// Whether it is in that namespace.
    pub(in crate::shard::shared) fn is_in(&self, namespace: NamespaceKey) -> bool {
        self.lost.namespace == namespace
    }

    /// Whether it is that socket.
    pub(in crate::shard::shared) fn is(&self, socket: Recipient) -> bool {
        self.is_in(socket.namespace) && self.lost.sid == socket.sid
    }

    /// The sockets whose own messages it gets: itself, and the sockets whose own rooms it was in.
    pub(in crate::shard::shared) fn sharers(&self) -> impl Iterator<Item = Recipient> {
        let rooms = self.rooms.iter().filter_map(|room| Sid::parse(room));
        let namespace = self.lost.namespace;
        std::iter::once(self.lost.sid).chain(rooms).map(move |sid| Recipient { namespace, sid })
    }

    /// Whether that socket is one of these.
    pub(in crate::shard::shared) fn shares_with(&self, socket: Recipient) -> bool {
        self.is(socket) || self.is_in(socket.namespace) && self.rooms.contains(&*socket.sid.to_text())
    }
}

/// The lost sockets of a server, by their private ids. A socket that comes back is taken out, so ids are unique.
#[derive(Debug)]
pub(in crate::shard) struct LostSockets {
    by_pid: HashMap<Sid, Kept, FixedState>,
    /// Their ids, in the order in which they were lost.
    order: BTreeMap<Place, Sid>,
    next: u64,
    bytes: usize,
    max_bytes: usize,
    keep: Duration,
}

/// When a socket was lost, and a number that tells it from others of the same instant.
type Place = (Millis, u64);

#[derive(Debug)]
struct Kept {
    lost: Lost,
    number: u64,
}

impl Kept {
    fn place(&self) -> Place {
        (self.lost.at, self.number)
    }
}

impl LostSockets {
    pub(in crate::shard::shared) fn new(max_bytes: usize, keep: Duration) -> Self {
        Self { by_pid: HashMap::default(), order: BTreeMap::new(), next: 0, bytes: 0, max_bytes, keep }
    }

    /// Keeps a socket under its private id, unless it exceeds its share. Returns how many sockets were dropped: for it, or
    /// itself.
    pub(in crate::shard) fn keep(&mut self, now: Millis, pid: Sid, lost: Lost) -> u64 {
        self.expire(now);
        self.forget(pid);
        if lost.bytes() > self.max_bytes / SHARE {
            return 1;
        }
        self.bytes += lost.bytes();
        let kept = Kept { lost, number: self.next };
        self.next += 1;
        self.order.insert(kept.place(), pid);
        self.by_pid.insert(pid, kept);
        let mut dropped = 0;
        while self.bytes > self.max_bytes && self.forget_oldest() {
            dropped += 1;
        }
        dropped
    }

    /// Takes out the socket with that private id, if it is of that namespace and not too old.
    pub(in crate::shard) fn take(&mut self, now: Millis, pid: Sid, namespace: NamespaceKey) -> Option<Lost> {
        let lost = &self.by_pid.get(&pid)?.lost;
        if lost.namespace != namespace || lost.at + self.keep < now {
            return None;
        }
        self.forget(pid)
    }

    /// How often another server has handed over the socket with that private id, if it is here.
    pub(in crate::shard) fn generation(&self, pid: Sid) -> Option<u32> {
        self.by_pid.get(&pid).map(|kept| kept.lost.generation)
    }

    /// Whether the socket with that private id is here.
    pub(in crate::shard) fn has(&self, pid: Sid) -> bool {
        self.by_pid.contains_key(&pid)
    }

    /// Whether another server may have the socket with that private id.
    pub(in crate::shard) fn is_doubtful(&self, pid: Sid) -> bool {
        self.by_pid.get(&pid).is_some_and(|kept| kept.lost.doubt.is_some())
    }

    /// Takes out a socket that was handed over with this number: another server has it.
    pub(in crate::shard) fn take_doubtful(&mut self, pid: Sid, number: u64) -> Option<Lost> {
        let doubt = self.by_pid.get(&pid)?.lost.doubt;
        if doubt == Some(number) { self.forget(pid) } else { None }
    }

    /// Takes out a socket that another server has had later.
    pub(in crate::shard) fn take_outdated(&mut self, pid: Sid, generation: u32) -> Option<Lost> {
        let own = self.by_pid.get(&pid)?.lost.generation;
        if own < generation { self.forget(pid) } else { None }
    }

    /// The other server does not have it.
    pub(in crate::shard) fn believe(&mut self, pid: Sid, number: u64) {
        if let Some(kept) = self.by_pid.get_mut(&pid)
            && kept.lost.doubt == Some(number)
        {
            kept.lost.doubt = None;
        }
    }

    /// The namespaces of the sockets that a shard has lost.
    pub(in crate::shard) fn namespaces_of(&self, shard: usize) -> HashSet<NamespaceKey, RandomState> {
        let of_shard = self.by_pid.values().filter(|kept| kept.lost.shard == shard);
        of_shard.map(|kept| kept.lost.namespace).collect()
    }

    /// Takes out all sockets that are not too old, the one that was lost last first.
    pub(in crate::shard) fn take_all(&mut self, now: Millis) -> Vec<(Sid, Lost)> {
        self.expire(now);
        let pids: Vec<Sid> = self.order.values().rev().copied().collect();
        pids.into_iter().filter_map(|pid| Some((pid, self.forget(pid)?))).collect()
    }

    /// Forgets sockets that may not come back any more. Returns how many are left.
    pub(in crate::shard) fn expire(&mut self, now: Millis) -> usize {
        while let Some(((at, _), _)) = self.order.first_key_value()
            && *at + self.keep < now
        {
            self.forget_oldest();
        }
        if self.by_pid.is_empty() {
            self.by_pid = HashMap::default();
        }
        self.by_pid.len()
    }

    fn forget_oldest(&mut self) -> bool {
        let Some(pid) = self.order.first_key_value().map(|(_, pid)| *pid) else { return false };
        self.forget(pid).is_some()
    }

    fn forget(&mut self, pid: Sid) -> Option<Lost> {
        let kept = self.by_pid.remove(&pid)?;
        self.order.remove(&kept.place());
        self.bytes -= kept.lost.bytes();
        Some(kept.lost)
    }
}
