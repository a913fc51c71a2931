//! Operations on many sockets: join rooms, leave them, disconnect.

use super::broadcast::Broadcast;
use crate::app::base::for_each_socket;
use crate::cluster::message::{Ask, Change, Whom};
use crate::memory::allocated;
use crate::shard::{Shard, SocketRef};

/// The operation on each socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Join,
    Leave,
}

impl Broadcast {
    /// Makes these sockets join rooms. Joins that meet a limit of rooms fail and are counted.
    pub fn sockets_join<R: Into<String>>(self, rooms: impl IntoIterator<Item = R>) {
        self.change(Act::Join, rooms);
    }

    /// Makes these sockets leave rooms.
    pub fn sockets_leave<R: Into<String>>(self, rooms: impl IntoIterator<Item = R>) {
        self.change(Act::Leave, rooms);
    }

    /// Makes these sockets leave their namespace; with `close`, ends their clients' connections. See
    /// [`Socket::disconnect`](crate::Socket::disconnect).
    pub fn disconnect_sockets(self, close: bool) {
        if let Some((cluster, namespace)) = self.cluster() {
            let whom = Whom::Chosen(self.chosen());
            cluster.tell(namespace, Ask::Change { whom, change: Change::Disconnect { close } });
        }
        let (Some(shared), Ok(namespace), target) = (self.shared, self.namespace, self.target) else { return };
        for_each_socket(
            &shared,
            target.bytes(),
            move |shard| shard.with(|core| core.selected(namespace.key(), &target)),
            move |shard, socket| shard.with(|core| core.disconnect(socket, close)),
        );
    }

    fn change<R: Into<String>>(self, act: Act, rooms: impl IntoIterator<Item = R>) {
        let rooms: Vec<String> = rooms.into_iter().map(Into::into).collect();
        if let Some((cluster, namespace)) = self.cluster() {
            let (whom, rooms) = (Whom::Chosen(self.chosen()), rooms.iter().map(|room| room.as_str().into()).collect());
            let change = match act {
                Act::Join => Change::Join(rooms),
                Act::Leave => Change::Leave(rooms),
            };
            cluster.tell(namespace, Ask::Change { whom, change });
        }
        let (Some(shared), Ok(namespace), target) = (self.shared, self.namespace, self.target) else { return };
        let carried =
            target.bytes() + rooms.iter().map(|room| size_of::<String>() + allocated(room.capacity())).sum::<usize>();
        for_each_socket(
            &shared,
            carried,
            move |shard| shard.with(|core| core.selected(namespace.key(), &target)),
            move |shard, socket| {
                rooms.iter().for_each(|room| match act {
                    Act::Join => join(shard, socket, room),
                    Act::Leave => shard.with(|core| core.leave_room(socket, room)),
                });
            },
        );
    }
}

/// Makes a socket join a room. A failure is only logged.
pub(in crate::app) fn join(shard: &Shard, socket: SocketRef, room: &str) {
    if let Err(error) = shard.with(|core| core.join(socket, room)) {
        log::debug!("socket {}: {error}", socket.key.0);
    }
}
