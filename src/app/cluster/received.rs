//! Messages from other servers and emitters, for the sockets here.

use std::sync::Arc;

use super::requests;
use crate::app::send::{Broadcast, Handle};
use crate::cluster::message::Emission;
use crate::cluster::peers::message::relay::{Relay, ToEntry};
use crate::cluster::peers::{Body, Instance};
use crate::cluster::redis::{Incoming, Loss};
use crate::cluster::{Membership, Received, Source};
use crate::engineio::Sid;
use crate::shard::{Letter, Mailbox, Shared, told_of_recovery};

/// Handles what the subscriber has received.
pub(crate) fn receive(server: &Handle, incoming: Incoming) {
    let shared = server.wait();
    let Some(cluster) = &shared.cluster else { return };
    let received = cluster.receive(incoming, |namespace, room| may_be_here(shared, cluster, namespace, room));
    tell_gone(shared, cluster);
    received.into_iter().for_each(|received| handle(shared, cluster, received));
}

fn handle(shared: &Arc<Shared>, cluster: &Membership, received: Received) {
    match received {
        Received::Emission { place, emission, source } => deliver(shared, &place.namespace, emission, source),
        Received::Ask { place, ask, reply } => requests::serve(shared, &place.namespace, ask, reply),
        Received::Peer { from, body: Body::Relay(message) } => relay(shared, cluster, from, message),
        Received::Peer { from, body: Body::Recovery(recovery) } => told_of_recovery(shared, from, recovery),
        Received::PeerGone(instance) => end_exchanges(shared, instance),
        // Messages that came together are delivered together: the shards are woken once for them.
        Received::Pause => shared.mailboxes.iter().for_each(Mailbox::wake),
    }
}

/// Handles that other kinglets are gone.
fn tell_gone(shared: &Arc<Shared>, cluster: &Membership) {
    while let Some(gone) = cluster.next_gone() {
        handle(shared, cluster, gone);
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

/// Hands a message about an exchange to the shard that it is for.
fn relay(shared: &Shared, cluster: &Membership, from: Instance, message: Relay) {
    let bytes = message.len();
    match message {
        Relay::ToOwner { shard, exchange, what } => match shared.mailbox_for_exchanges(shard) {
            Some(mailbox) => mailbox.send(Letter::run(bytes, move |shard| {
                shard.with(|core| core.relayed(from, exchange, what));
            })),
            None => {
                if let Some(peers) = cluster.peers() {
                    peers.send(from, Body::Relay(Relay::ToEntry { exchange, what: ToEntry::Gone }), |_| ());
                }
            }
        },
        Relay::ToEntry { exchange, what } => {
            if let Some(mailbox) = shared.mailboxes.get(usize::from(exchange.shard())) {
                mailbox.send(Letter::run(bytes, move |shard| shard.told_by_owner(from, exchange, what)));
            }
        }
    }
}

/// Another instance is gone, and with it all exchanges.
fn end_exchanges(shared: &Shared, gone: Instance) {
    for mailbox in &shared.mailboxes {
        mailbox.send(Letter::run(0, move |shard| {
            shard.with(|core| core.instance_has_gone(gone));
            shard.owner_gone(gone);
        }));
    }
}

/// Delivers to the sockets here.
fn deliver(shared: &Arc<Shared>, namespace: &str, emission: Emission, source: Source) {
    let Emission { event, chosen, manner, .. } = emission;
    if let Some(broadcast) = Broadcast::received(shared, namespace, chosen, manner, source) {
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
