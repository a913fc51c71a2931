//! Counts anew what the counters of the sockets say, for the simulation.

use std::iter;

use crate::engineio::Millis;
use crate::shard::sockets::Sockets;
use crate::shard::sockets::costs::{ADMISSION, IDENTITY, PENDING_ACK};
use crate::shard::sockets::namespaces::Namespaces;
use crate::shard::sockets::state::{SocketPhase, SocketState};
use crate::shard::store::keys::{NamespaceKey, SessionKey, SocketKey};

/// The sockets of a namespace.
#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    sockets: usize,
    connected: usize,
    memberships: usize,
}

impl Sockets {
    /// A session's sockets.
    pub(in crate::shard) fn states_of(&self, session: SessionKey) -> impl Iterator<Item = (SocketKey, &SocketState)> {
        let first = self.client(session).and_then(|client| client.sockets.get());
        let keys = iter::successors(first, |key| self.states.get(key.0)?.next);
        keys.filter_map(|key| Some((key, self.states.get(key.0)?)))
    }

    /// Bytes that a session's sockets keep.
    pub(in crate::shard) fn bytes_of_sockets(&self, session: SessionKey) -> usize {
        let waiting = |key| if self.applicants.has(key) { ADMISSION } else { 0 };
        let bytes =
            |(key, state): (_, &SocketState)| self.socket_cost(state.namespace) + bytes_of(state) + waiting(key);
        self.states_of(session).map(bytes).sum()
    }

    /// What is wrong with the sockets, their places among the members and their rooms.
    pub(in crate::shard) fn contradiction(&self) -> Option<String> {
        let wrong = self.states.iter().find_map(|(key, state)| self.wrong_with(SocketKey(key), state));
        let counted = self.counted();
        let counted = |key| counted.iter().find(|(of, _)| *of == key).map_or_else(Counted::default, |(_, it)| *it);
        wrong.or_else(|| self.namespaces.keys().find_map(|key| self.wrong_within(key, counted(key)))).or_else(|| {
            let rooms: usize =
                self.namespaces.keys().filter_map(|key| Some(self.namespaces.get(key)?.rooms.len())).sum();
            let counted = self.namespaces.rooms;
            (rooms != counted).then(|| format!("{rooms} rooms are counted as {counted}"))
        })
    }

    fn wrong_with(&self, key: SocketKey, state: &SocketState) -> Option<String> {
        if self.applicants.has(key) && state.phase != SocketPhase::Joining {
            return Some(format!("{key:?} ({:?}) waits to be let in", state.phase));
        }
        let members = self.namespaces.get(state.namespace);
        let Some(members) = members else { return Some(format!("{key:?} is in no namespace")) };
        let place = members.everyone().get(state.place as usize);
        let is_member = state.phase == SocketPhase::Connected;
        if is_member != (place == Some(&key)) {
            return Some(format!("{key:?} ({:?}) has the place of {place:?}", state.phase));
        }
        if !self.states_of(state.session).any(|(other, _)| other == key) {
            return Some(format!("the session of {key:?} does not know it"));
        }
        let mut rooms = state.extra.iter().flat_map(|extra| members.rooms.names(&extra.memberships));
        let room = rooms.find(|room| !members.rooms.has(room, key.0))?;
        Some(format!("{key:?} believes to be in {room:?}"))
    }

    /// What is wrong with a namespace, of whose sockets these are the counts.
    fn wrong_within(&self, key: NamespaceKey, counted: Counted) -> Option<String> {
        let members = self.namespaces.get(key)?;
        let Counted { sockets, connected, memberships } = counted;
        let of_rooms: usize = members.rooms.all().map(|room| members.rooms.members(room).count()).sum();
        if connected != members.everyone().len() {
            return Some(format!("{connected} sockets of {key:?} are {} members", members.everyone().len()));
        }
        if memberships != of_rooms {
            return Some(format!("{memberships} memberships are {of_rooms} of the rooms"));
        }
        let counted = self.namespaces.counted_sockets(key).filter(|counted| *counted != sockets)?;
        Some(format!("{sockets} sockets of {key:?} are counted as {counted}"))
    }

    /// Counts the sockets of each namespace that has any: there are few.
    fn counted(&self) -> Vec<(NamespaceKey, Counted)> {
        let mut all: Vec<(NamespaceKey, Counted)> = Vec::new();
        for (_, state) in self.states.iter() {
            let place = all.iter().position(|(key, _)| *key == state.namespace).unwrap_or_else(|| {
                all.push((state.namespace, Counted::default()));
                all.len() - 1
            });
            let counted = &mut all[place].1;
            counted.sockets += 1;
            counted.connected += usize::from(state.phase == SocketPhase::Connected);
            counted.memberships += state.extra.as_ref().map_or(0, |extra| extra.memberships.len());
        }
        all
    }

    /// The sockets that wait for acknowledgements: each one's earliest deadline, and the instant of its timer.
    pub(in crate::shard) fn awaited_acks(&self) -> impl Iterator<Item = (SocketKey, Millis, Millis)> {
        self.states.iter().filter_map(|(key, state)| {
            let extra = state.extra.as_ref()?;
            let first = extra.acks.iter().map(|ack| ack.deadline).min()?;
            Some((SocketKey(key), first, extra.armed))
        })
    }
}

impl Namespaces {
    fn keys(&self) -> impl Iterator<Item = NamespaceKey> {
        (0..self.declared_count()).map(NamespaceKey).chain(self.child_keys())
    }
}

/// Bytes that a socket keeps beside its own cost.
fn bytes_of(state: &SocketState) -> usize {
    let Some(extra) = &state.extra else { return 0 };
    let rooms = extra.memberships.len() * Sockets::membership_cost("") + extra.memberships.name_bytes();
    let texts = extra.auth.as_ref().map_or(0, |auth| auth.len()) + extra.data.as_ref().map_or(0, |it| it.get().len());
    rooms + texts + extra.acks.len() * PENDING_ACK + extra.identity.as_ref().map_or(0, |_| IDENTITY)
}
