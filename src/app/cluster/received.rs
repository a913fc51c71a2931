//! What comes from other servers and emitters.

use std::sync::Arc;

use bytes::Bytes;
use log::Level;

use super::requests;
use crate::app::send::{Broadcast, Handle};
use crate::cluster::redis::{Incoming, Loss};
use crate::cluster::{self, DecodeError, DropReason, Membership, Place, Request, Response};
use crate::engineio::Sid;
use crate::log_line::{Excerpt, LineKind};
use crate::shard::{Mailbox, Shared};

/// For each reason, a line a minute.
static DROPPED: [LineKind; DropReason::ALL.len()] =
    [const { LineKind::each_minute(Level::Warn, module_path!(), "messages of Redis that were dropped") };
        DropReason::ALL.len()];

/// Handles what the subscriber tells.
pub(crate) fn receive(server: &Handle, incoming: Incoming) {
    let shared = server.wait();
    let Some(cluster) = &shared.cluster else { return };
    let (topic, channel, payload) = match incoming {
        Incoming::Message { topic, channel, payload } => (topic, channel, payload),
        Incoming::Skipped { channel } => {
            let error = DecodeError::TooLong { most: shared.config.limits.redis_message };
            return dropped(cluster, &String::from_utf8_lossy(&channel), &error);
        }
        // Messages that came together are delivered together: the shards are woken once for them.
        Incoming::Pause => return shared.mailboxes.iter().for_each(Mailbox::wake),
        Incoming::Subscribed(topic) => return cluster.subscribed(&topic),
        Incoming::Up | Incoming::Down(_) => return,
    };
    let channel = String::from_utf8_lossy(&channel);
    let known = cluster.recognise(&topic, &channel).or_else(|| cluster.recognise_left(&channel));
    let Some((place, incoming)) = known else { return };
    let result = match incoming {
        cluster::Incoming::Broadcast { room } => broadcast(shared, cluster, &place, room, &payload),
        cluster::Incoming::Request => Request::decode(&payload).map(|request| {
            if request.uid.as_deref().is_none_or(|uid| !cluster.is_own(uid)) {
                cluster.counters.requests.one();
                requests::serve(shared, &place, request);
            }
        }),
        cluster::Incoming::Response => Response::decode(&payload).map(|response| cluster.answered(response)),
    };
    if let Err(error) = result {
        dropped(cluster, &channel, &error);
    }
}

/// Counts a message that is dropped. Whoever publishes it may be in another language, and sees nothing amiss.
fn dropped(cluster: &Membership, channel: &str, error: &DecodeError) {
    let reason = DropReason::from(error);
    cluster.counters.dropped(reason);
    if let Some(kind) = DROPPED.get(reason as usize) {
        kind.write(|| {
            format!("a message on {:?} was dropped ({}): {}", Excerpt(channel), reason.as_str(), Excerpt(error))
        });
    }
}

/// Handles that something is not subscribed to any more.
pub(crate) fn lost(server: &Handle, loss: Loss) {
    if let Some(cluster) = &server.wait().cluster {
        cluster.lost(loss);
    }
}

/// Delivers to the sockets here. What is for nobody here, or came from here, is not decoded.
fn broadcast(
    shared: &Arc<Shared>,
    cluster: &Membership,
    place: &Place,
    room: Option<&str>,
    payload: &Bytes,
) -> Result<(), DecodeError> {
    if room.is_some_and(|room| !may_be_here(shared, cluster, place, room))
        || cluster.is_own(&cluster::Broadcast::sender(payload)?)
    {
        cluster.counters.passed_over.one();
        return Ok(());
    }
    let message = cluster::Broadcast::decode(payload)?;
    if message.namespace != place.namespace {
        return Err(DecodeError::Namespace(message.namespace));
    }
    cluster.counters.broadcasts.one();
    if let Some(broadcast) = Broadcast::received(shared, &message) {
        broadcast.deliver_received(&message.event);
    }
    Ok(())
}

/// Whether a room may have members here, or have had them: those that may come back are told what they missed.
fn may_be_here(shared: &Shared, cluster: &Membership, place: &Place, room: &str) -> bool {
    let own = || {
        let sid = room.rsplit_once('#').map_or(room, |(_, sid)| sid);
        Sid::parse(sid).is_some_and(|sid| sid.instance == shared.instance)
    };
    shared.recovery.is_some() || cluster.rooms.may_have(&place.namespace, room) || own()
}
