//! The members of one namespace in one shard, their rooms, and the selection among them.

use crate::shard::shared::target::Target;
use crate::shard::store::keys::SocketKey;
use crate::socketio::{Room, Rooms};

/// The members of a namespace in a shard.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// Every connected socket. Each knows its place here.
    everyone: Vec<SocketKey>,
    pub(super) rooms: Rooms,
}

impl Members {
    /// Every connected socket, in no particular order.
    pub(super) fn everyone(&self) -> &[SocketKey] {
        &self.everyone
    }

    /// Adds a socket and returns its place.
    pub(super) fn add(&mut self, socket: SocketKey) -> u32 {
        self.everyone.push(socket);
        u32::try_from(self.everyone.len() - 1).unwrap_or(u32::MAX)
    }

    /// Removes the socket at `place`; returns the one that takes its place.
    pub(super) fn remove(&mut self, place: u32) -> Option<SocketKey> {
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

    /// Appends the sockets that `target` selects to `out`, each once, including the sender. `own` finds the socket that has the
    /// room's name as its id.
    ///
    /// A client may have chosen the names, and may repeat them. So the cost is linear in the names and in the members of the
    /// named rooms, each counted once.
    pub(super) fn select(&self, target: &Target, own: impl Fn(&str) -> Option<SocketKey>, out: &mut Vec<SocketKey>) {
        match &target.rooms[..] {
            [] => out.extend_from_slice(&self.everyone),
            [room] => {
                out.extend(self.rooms.members(room).map(SocketKey));
                out.extend(own(room));
            }
            rooms => {
                self.rooms.each(rooms).for_each(|room| self.extend(out, room));
                out.extend(rooms.iter().filter_map(|room| own(room)));
            }
        }
        if !target.rooms.is_empty() {
            out.sort_unstable();
            out.dedup();
        }
        if !target.except.is_empty() {
            self.bar(&target.except, own, out);
        }
    }

    /// Takes out the sockets that are in one of these rooms.
    fn bar(&self, names: &[Box<str>], own: impl Fn(&str) -> Option<SocketKey>, out: &mut Vec<SocketKey>) {
        let mut barred: Vec<SocketKey> = names.iter().filter_map(|name| own(name)).collect();
        for room in self.rooms.each(names) {
            if room.len() > out.len() {
                out.retain(|&socket| !room.contains(socket.0));
            } else {
                self.extend(&mut barred, room);
            }
        }
        barred.sort_unstable();
        out.retain(|socket| barred.binary_search(socket).is_err());
    }

    /// Adds the members of a room. At most three times as many sockets as there are get into `out`, however many rooms each is
    /// in.
    fn extend(&self, out: &mut Vec<SocketKey>, room: &Room) {
        out.extend(room.members().map(SocketKey));
        if out.len() > 2 * self.everyone.len() {
            out.sort_unstable();
            out.dedup();
        }
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
    fn a_selection_by_many_large_rooms_stays_small() {
        let mut members = Members::default();
        let rooms: Vec<String> = (0..1000).map(|room| room.to_string()).collect();
        for socket in 0..20 {
            members.add(SocketKey(socket));
            let mut memberships = Memberships::default();
            rooms.iter().for_each(|room| assert!(members.rooms.join(socket, &mut memberships, room)));
        }
        // Each name is repeated a hundred times.
        let names: Vec<Box<str>> = rooms.iter().cycle().take(100_000).map(|room| room.as_str().into()).collect();
        assert_eq!(members.rooms.each(&names).count(), 1000);
        let mut out = Vec::new();
        let target = Target { rooms: names.clone(), ..Target::default() };
        members.select(&target, |_| None, &mut out);
        assert_eq!(out, (0..20).map(SocketKey).collect::<Vec<_>>());
        assert!(out.capacity() <= 128, "{}", out.capacity());
        let target = Target { except: names, ..Target::default() };
        out.clear();
        members.select(&target, |_| None, &mut out);
        assert!(out.is_empty());
    }

    #[test]
    fn exceptions_work_for_large_rooms_and_small_ones() {
        let mut members = Members::default();
        let mut memberships: Vec<Memberships> = (0..100).map(|_| Memberships::default()).collect();
        for socket in 0..100 {
            members.add(SocketKey(socket));
            let joined = &mut memberships[socket as usize];
            members.rooms.join(socket, joined, if socket < 90 { "large" } else { "small" });
            members.rooms.join(socket, joined, &format!("of {socket}"));
        }
        assert_eq!(select(&members, &["of 7", "of 95", "of 7"], &["large", "large"]), [95]);
        assert_eq!(select(&members, &["large"], &["small", "of 3"]).len(), 89);
        assert_eq!(select(&members, &[], &["small", "nobody", "#5", "#5"]).len(), 89);
    }

    #[test]
    fn the_last_member_takes_the_place_of_one_that_left() {
        let mut members = Members::default();
        let places: Vec<u32> = (0..3).map(|socket| members.add(SocketKey(socket))).collect();
        assert_eq!(members.remove(places[0]), Some(SocketKey(2)));
        assert_eq!(members.remove(1), None);
        assert_eq!(select(&members, &[], &[]), [2]);
    }
}
