//! Rooms and their members: the rooms of one namespace, for the members in one shard.
//!
//! The room of every socket's own id is not kept here: an id names the place of its socket.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use foldhash::fast::FixedState;
use slab::Slab;

use crate::chance::RandomState;

/// A member: the socket's place in its shard.
pub type Member = u32;

/// The rooms of one namespace in one shard. A room exists while it has members.
#[derive(Debug, Default)]
pub struct Rooms {
    by_name: HashMap<Rc<str>, usize, RandomState>,
    rooms: Slab<Room>,
}

/// A room. It has members.
#[derive(Debug)]
pub struct Room {
    name: Rc<str>,
    members: HashSet<Member, FixedState>,
}

impl Room {
    /// How many members it has.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether it has no member, which is never the case.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Its members, in no particular order.
    pub fn members(&self) -> impl Iterator<Item = Member> {
        self.members.iter().copied()
    }

    /// Whether `member` is in it.
    pub fn contains(&self, member: Member) -> bool {
        self.members.contains(&member)
    }
}

/// The rooms that one socket is in, in the order in which it joined them.
#[derive(Debug, Default)]
pub struct Memberships {
    rooms: Vec<usize>,
    name_bytes: usize,
}

impl Memberships {
    /// How many rooms these are.
    pub fn len(&self) -> usize {
        self.rooms.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rooms.is_empty()
    }

    /// Bytes of their names.
    pub fn name_bytes(&self) -> usize {
        self.name_bytes
    }
}

impl Rooms {
    /// How many rooms there are.
    pub fn len(&self) -> usize {
        self.rooms.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rooms.is_empty()
    }

    /// Whether there is a room of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// Puts `member` into the room `name`, which is created if necessary. Returns whether the member is new there.
    pub fn join(&mut self, member: Member, memberships: &mut Memberships, name: &str) -> bool {
        let key = match self.by_name.get(name) {
            Some(&key) => key,
            None => self.create(name),
        };
        let joined = self.rooms.get_mut(key).is_some_and(|room| room.members.insert(member));
        if joined {
            memberships.rooms.push(key);
            memberships.name_bytes += name.len();
        }
        joined
    }

    /// Takes `member` out of the room `name`. Returns whether it was a member.
    pub fn leave(&mut self, member: Member, memberships: &mut Memberships, name: &str) -> bool {
        let Some(&key) = self.by_name.get(name) else { return false };
        let Some(place) = memberships.rooms.iter().position(|&joined| joined == key) else { return false };
        memberships.rooms.remove(place);
        memberships.name_bytes -= name.len();
        self.remove(key, member);
        true
    }

    /// Takes `member` out of all its rooms.
    pub fn leave_all(&mut self, member: Member, memberships: &mut Memberships) {
        for key in std::mem::take(memberships).rooms {
            self.remove(key, member);
        }
    }

    /// The names of the rooms in `memberships`.
    pub fn names<'a>(&'a self, memberships: &'a Memberships) -> impl Iterator<Item = &'a str> {
        memberships.rooms.iter().filter_map(|&key| self.rooms.get(key)).map(|room| &*room.name)
    }

    /// The names of all rooms, in no particular order.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(|name| &**name)
    }

    /// The members of the room `name`, in no particular order.
    pub fn members(&self, name: &str) -> impl Iterator<Item = Member> {
        self.room(name).into_iter().flat_map(|room| room.members.iter().copied())
    }

    /// Whether `member` is in the room `name`.
    pub fn has(&self, name: &str, member: Member) -> bool {
        self.room(name).is_some_and(|room| room.contains(member))
    }

    /// The rooms of these names, each once.
    pub fn each(&self, names: &[Box<str>]) -> impl Iterator<Item = &Room> {
        let mut keys: Vec<usize> = names.iter().filter_map(|name| self.by_name.get(&**name).copied()).collect();
        keys.sort_unstable();
        keys.dedup();
        keys.into_iter().filter_map(|key| self.rooms.get(key))
    }

    fn room(&self, name: &str) -> Option<&Room> {
        self.rooms.get(*self.by_name.get(name)?)
    }

    fn create(&mut self, name: &str) -> usize {
        let name: Rc<str> = name.into();
        let key = self.rooms.insert(Room { name: Rc::clone(&name), members: HashSet::default() });
        self.by_name.insert(name, key);
        key
    }

    fn remove(&mut self, key: usize, member: Member) {
        let Some(room) = self.rooms.get_mut(key) else { return };
        room.members.remove(&member);
        if room.members.is_empty() {
            let room = self.rooms.remove(key);
            self.by_name.remove(&room.name);
            self.shrink();
        } else if room.members.len() * 4 < room.members.capacity() {
            room.members.shrink_to_fit();
        }
    }

    /// Rooms come and go in waves; the memory of a wave is given back.
    fn shrink(&mut self) {
        const SMALL: usize = 64;
        if self.by_name.capacity() > SMALL && self.by_name.len() * 4 < self.by_name.capacity() {
            self.by_name.shrink_to(self.by_name.len() * 2);
        }
        if self.rooms.is_empty() && self.rooms.capacity() > SMALL {
            self.rooms = Slab::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn a_room_lives_as_long_as_its_members() {
        let (mut rooms, mut ann, mut bob) = (Rooms::default(), Memberships::default(), Memberships::default());
        assert!(rooms.join(1, &mut ann, "a"));
        assert!(!rooms.join(1, &mut ann, "a"));
        assert!(rooms.join(2, &mut bob, "a"));
        assert!(rooms.leave(1, &mut ann, "a"));
        assert!(!rooms.leave(1, &mut ann, "a"));
        assert_eq!(rooms.members("a").collect::<Vec<_>>(), [2]);
        rooms.leave_all(2, &mut bob);
        assert!(rooms.is_empty() && !rooms.contains("a") && bob.is_empty());
    }

    proptest! {
        /// The index and the memberships always agree.
        #[test]
        fn index_equals_membership(steps in proptest::collection::vec((0u32..4, 0usize..5, 0u8..6), 0..200)) {
            let names = ["a", "b", "c", "d", "e"];
            let mut rooms = Rooms::default();
            let mut sockets: Vec<Memberships> = (0..4).map(|_| Memberships::default()).collect();
            let mut model: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
            for (member, room, action) in steps {
                let (memberships, name) = (&mut sockets[member as usize], names[room]);
                match action {
                    0..=2 => {
                        prop_assert_eq!(rooms.join(member, memberships, name), model.entry(name).or_default().insert(member));
                    }
                    3 | 4 => {
                        let left = model.get_mut(name).is_some_and(|members| members.remove(&member));
                        prop_assert_eq!(rooms.leave(member, memberships, name), left);
                    }
                    _ => {
                        rooms.leave_all(member, memberships);
                        model.values_mut().for_each(|members| { members.remove(&member); });
                    }
                }
                model.retain(|_, members| !members.is_empty());
                prop_assert_eq!(rooms.len(), model.len());
                for name in names {
                    let members: BTreeSet<u32> = rooms.members(name).collect();
                    prop_assert_eq!(&members, &model.get(name).cloned().unwrap_or_default());
                }
                for (member, memberships) in (0..).zip(&sockets) {
                    let joined: BTreeSet<&str> = rooms.names(memberships).collect();
                    let expected: BTreeSet<&str> =
                        model.iter().filter(|(_, members)| members.contains(&member)).map(|(name, _)| *name).collect();
                    prop_assert_eq!(memberships.name_bytes(), joined.iter().map(|name| name.len()).sum::<usize>());
                    prop_assert_eq!(joined, expected);
                }
            }
        }
    }
}
