//! The sockets of one namespace that live in one shard, and the choice among them.

use super::keys::SocketKey;
use super::target::Target;
use crate::socketio::Rooms;

/// The members of a namespace in a shard.
#[derive(Debug, Default)]
pub(crate) struct Members {
    /// Every connected socket; each knows its place here.
    everyone: Vec<SocketKey>,
    pub(crate) rooms: Rooms,
}

impl Members {
    /// Every connected socket, in no particular order.
    pub(crate) fn everyone(&self) -> &[SocketKey] {
        &self.everyone
    }

    /// Adds a socket and says where it stands.
    pub(crate) fn add(&mut self, socket: SocketKey) -> u32 {
        self.everyone.push(socket);
        u32::try_from(self.everyone.len() - 1).unwrap_or(u32::MAX)
    }

    /// Removes the socket that stands at `place`; gives back the one that now stands there instead.
    pub(crate) fn remove(&mut self, place: u32) -> Option<SocketKey> {
        let place = place as usize;
        if place >= self.everyone.len() {
            return None;
        }
        self.everyone.swap_remove(place);
        if self.everyone.len() * 4 < self.everyone.capacity() {
            self.everyone.shrink_to(self.everyone.len() * 2);
        }
        self.everyone.get(place).copied()
    }

    /// Appends the sockets that `target` means to `out`, each once, the sender among them. `own` finds the socket whose id is the room's name.
    pub(crate) fn select(&self, target: &Target, own: impl Fn(&str) -> Option<SocketKey>, out: &mut Vec<SocketKey>) {
        match &target.rooms[..] {
            [] => out.extend_from_slice(&self.everyone),
            [room] => self.room(room, &own, out),
            rooms => rooms.iter().for_each(|room| self.room(room, &own, out)),
        }
        if !target.rooms.is_empty() {
            out.sort_unstable();
            out.dedup();
        }
        for room in &target.except {
            let barred = own(room);
            out.retain(|&socket| Some(socket) != barred && !self.rooms.has(room, socket.0));
        }
    }

    fn room(&self, room: &str, own: &impl Fn(&str) -> Option<SocketKey>, out: &mut Vec<SocketKey>) {
        out.extend(self.rooms.members(room).map(SocketKey));
        out.extend(own(room));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socketio::Memberships;

    fn select(members: &Members, rooms: &[&str], except: &[&str]) -> Vec<u32> {
        let boxed = |names: &[&str]| names.iter().map(|&name| name.into()).collect();
        let target = Target { rooms: boxed(rooms), except: boxed(except), sender: None };
        let mut out = Vec::new();
        members.select(&target, |name| name.strip_prefix('#')?.parse().ok().map(SocketKey), &mut out);
        out.into_iter().map(|key| key.0).collect()
    }

    #[test]
    fn rooms_are_a_union_and_except_wins() {
        let mut members = Members::default();
        let mut memberships: Vec<Memberships> = (0..4).map(|_| Memberships::default()).collect();
        for socket in 0..4 {
            members.add(SocketKey(socket));
        }
        for (socket, room) in [(0, "a"), (1, "a"), (1, "b"), (2, "b")] {
            members.rooms.join(socket, &mut memberships[socket as usize], room);
        }
        assert_eq!(select(&members, &[], &[]), [0, 1, 2, 3]);
        assert_eq!(select(&members, &["a", "b"], &[]), [0, 1, 2]);
        assert_eq!(select(&members, &["a", "b"], &["b"]), [0]);
        assert_eq!(select(&members, &[], &["a"]), [2, 3]);
        assert_eq!(select(&members, &["#3", "a"], &["#0"]), [1, 3]);
        assert_eq!(select(&members, &["nobody"], &[]), [0u32; 0]);
    }

    #[test]
    fn the_last_takes_the_place_of_one_who_left() {
        let mut members = Members::default();
        let places: Vec<u32> = (0..3).map(|socket| members.add(SocketKey(socket))).collect();
        assert_eq!(members.remove(places[0]), Some(SocketKey(2)));
        assert_eq!(members.remove(1), None);
        assert_eq!(select(&members, &[], &[]), [2]);
    }
}
