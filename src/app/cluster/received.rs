//! Messages from other servers and emitters, for the sockets here.

use std::sync::Arc;

use super::requests;
use crate::app::send::{Broadcast, Handle};
use crate::cluster::message::Emission;
use crate::cluster::redis::{Incoming, Loss};
use crate::cluster::{Membership, Received};
use crate::engineio::Sid;
use crate::shard::{Mailbox, Shared};

/// Handles what the subscriber has received.
pub(crate) fn receive(server: &Handle, incoming: Incoming) {
    let shared = server.wait();
    let Some(cluster) = &shared.cluster else { return };
    let received = cluster.receive(incoming, |namespace, room| may_be_here(shared, cluster, namespace, room));
    tell_gone(shared, cluster);
    received.into_iter().for_each(|received| handle(shared, received));
}

fn handle(shared: &Arc<Shared>, received: Received) {
    match received {
        Received::Emission { place, emission } => deliver(shared, &place.namespace, emission),
        Received::Ask { place, ask, reply } => requests::serve(shared, &place.namespace, ask, reply),
        Received::Peer { .. } | Received::PeerGone(_) => {}
        // Messages that came together are delivered together: the shards are woken once for them.
        Received::Pause => shared.mailboxes.iter().for_each(Mailbox::wake),
    }
}

/// Handles that other kinglets are gone.
fn tell_gone(shared: &Arc<Shared>, cluster: &Membership) {
    while let Some(gone) = cluster.next_gone() {
        handle(shared, gone);
    }
}

/// Handles that something is not subscribed to any more.
pub(crate) fn lost(server: &Handle, loss: Loss) {
    let shared = server.wait();
    if let Some(cluster) = &shared.cluster {
        cluster.lost(loss);
        tell_gone(shared, cluster);
    }
}

/// Delivers to the sockets here.
fn deliver(shared: &Arc<Shared>, namespace: &str, emission: Emission) {
    let Emission { event, chosen, manner, .. } = emission;
    if let Some(broadcast) = Broadcast::received(shared, namespace, chosen, manner) {
        broadcast.deliver_received(&event);
    }
}

/// Whether a room may have members here, or have had them: those that may come back are told what they missed.
fn may_be_here(shared: &Shared, cluster: &Membership, namespace: &str, room: &str) -> bool {
    let own = || {
        let sid = room.rsplit_once('#').map_or(room, |(_, sid)| sid);
        Sid::parse(sid).is_some_and(|sid| sid.instance == shared.instance())
    };
    shared.recovery.is_some() || cluster.rooms.may_have(namespace, room) || own()
}
