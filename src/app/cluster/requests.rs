//! Questions of other servers: done, and answered.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;

use crate::app::ask::collect_here;
use crate::app::base::{everywhere, on_any_shard, on_shard};
use crate::app::send::{Broadcast, join};
use crate::cluster::Reply;
use crate::cluster::message::{Answer, Ask, Change, Chosen, Described, DescribedHandshake, Emission, Whom};
use crate::engineio::Sid;
use crate::log_line::Excerpt;
use crate::shard::{self, Asker, Description, NamespaceRef, Relay, ServerReply, Shard, Shared};
use crate::socketio::Event;

/// The namespace of a question.
struct Asked {
    shared: Arc<Shared>,
    namespace: NamespaceRef,
}

/// Does what another server asks. Without a reply, that server wants no answer.
pub(super) fn serve(shared: &Arc<Shared>, namespace: &str, ask: Ask, reply: Option<Reply>) {
    let Some(namespace) = shared.directory.find_namespace(namespace) else {
        return answer_without_namespace(&ask, reply);
    };
    let asked = Asked { shared: Arc::clone(shared), namespace };
    match (ask, reply) {
        (Ask::Rooms, Some(reply)) => asked.all_rooms(reply),
        (Ask::Describe(chosen), Some(reply)) => asked.describe(chosen, reply),
        (Ask::Rooms | Ask::Describe(_), None) => {}
        (Ask::Change { whom: Whom::Chosen(chosen), change }, _) => asked.change(chosen, change),
        (Ask::Change { whom: Whom::One(id), change }, reply) => asked.change_one(&id, change, reply),
        (Ask::Event(event), reply) => asked.server_event(event, reply),
        (Ask::Emit { emission, timeout }, reply) => asked.emit(emission, timeout, reply),
    }
}

impl Asked {
    /// The sockets here that are meant.
    fn sockets(&self, chosen: Chosen) -> Broadcast {
        Broadcast::here(&self.shared, self.namespace.clone(), chosen)
    }

    fn describe(self, chosen: Chosen, reply: Reply) {
        let (key, target) = (self.namespace.key(), self.sockets(chosen).target);
        collect_here(
            &self.shared,
            target.bytes(),
            move |shard| shard.with(|core| core.describe(key, &target)),
            move |sockets| {
                reply.send(Answer::Sockets(sockets.into_iter().map(described).collect()));
                None
            },
        );
    }

    fn all_rooms(self, reply: Reply) {
        let key = self.namespace.key();
        collect_here(
            &self.shared,
            0,
            move |shard| shard.with(|core| core.all_rooms(key)),
            move |mut rooms| {
                rooms.sort_unstable();
                rooms.dedup();
                reply.send(Answer::Rooms(rooms.into_iter().map(Into::into).collect()));
                None
            },
        );
    }

    fn change(self, chosen: Chosen, change: Change) {
        let sockets = self.sockets(chosen);
        match change {
            Change::Join(rooms) => sockets.sockets_join(rooms),
            Change::Leave(rooms) => sockets.sockets_leave(rooms),
            Change::Disconnect { close } => sockets.disconnect_sockets(close),
        }
    }

    /// Changes one socket, if it is here, and says so.
    fn change_one(self, id: &str, change: Change, reply: Option<Reply>) {
        // A socket that has come back may be on any shard, and have been made by any server.
        let may_be_anywhere = self.shared.recovery.is_some();
        let is_here = |sid: &Sid| may_be_anywhere || sid.instance == self.shared.instance();
        let Some(sid) = Sid::parse(id).filter(is_here) else { return };
        let carried = change.bytes() + reply.as_ref().map_or(0, Reply::bytes);
        let act = move |shard: &Rc<Shard>| {
            let Some(socket) = shard.with(|core| core.find_sid(sid)) else { return };
            match &change {
                Change::Join(rooms) => rooms.iter().for_each(|room| join(shard, socket, room)),
                Change::Leave(rooms) => {
                    rooms.iter().for_each(|room| shard.with(|core| core.leave_room(socket, room)));
                }
                Change::Disconnect { close } => shard.with(|core| core.disconnect(socket, *close)),
            }
            reply.iter().for_each(|reply| reply.send(Answer::Done));
        };
        if may_be_anywhere {
            everywhere(&self.shared, carried, act);
        } else {
            on_shard(&self.shared, sid.shard, carried, act);
        }
    }

    fn server_event(self, event: Event, reply: Option<Reply>) {
        let reply = reply.map(|reply| Box::new(move |answer| reply.send(answer)) as ServerReply);
        on_any_shard(&Arc::clone(&self.shared), event.bytes(), move |shard| {
            shard.callbacks.server_event(shard, &self.namespace, event, reply);
        });
    }

    /// Sends to the sockets that are meant, and sends on what they answer.
    fn emit(self, emission: Emission, timeout: Option<Duration>, reply: Option<Reply>) {
        let Emission { event, chosen, .. } = emission;
        let shared = Arc::clone(&self.shared);
        let timeout = timeout.unwrap_or(shared.config.limits.requests_timeout);
        let arguments = &event.arguments;
        let id = self.namespace.next_ack_id(&shared);
        let payload = match shared.config.parser.arguments(arguments.json(), arguments.attachments()) {
            Ok(payload) => payload,
            Err(error) => return log::debug!("an event of another server: {}", Excerpt(error)),
        };
        let frames = payload.event(self.namespace.name(&shared), Some(id));
        let heard = shared.directory.hears_outgoing(&self.namespace).then(|| event.clone());
        // The manner does not count here, as on Node.
        let broadcast = shard::Broadcast::new(
            self.namespace.key(),
            self.sockets(chosen).target,
            frames,
            shard::Urgency::Reliable,
            heard,
        );
        let send = move |answer| {
            if let Some(reply) = &reply {
                reply.send(answer);
            }
        };
        let asker = Asker::Relay(Relay::new(shared.mailboxes.len(), Box::new(send)));
        everywhere(&shared, broadcast.bytes(), move |shard| ask(shard, &broadcast, id, timeout, &asker));
    }
}

/// Answers for a namespace that has just gone: no socket is in it. Who listened there for events between servers does so no more.
fn answer_without_namespace(ask: &Ask, reply: Option<Reply>) {
    let nothing = match ask {
        Ask::Rooms => Answer::Rooms(Vec::new()),
        Ask::Describe(_) => Answer::Sockets(Vec::new()),
        Ask::Emit { .. } => Answer::ClientCount(0),
        Ask::Event(_) | Ask::Change { .. } => return,
    };
    if let Some(reply) = reply {
        reply.send(nothing);
    }
}

fn ask(shard: &Rc<Shard>, broadcast: &shard::Broadcast, id: u64, timeout: Duration, asker: &Asker) {
    shard.with(|core| core.broadcast_with_ack(broadcast, id, timeout, asker));
}

/// The description of a socket, for other servers.
fn described(socket: Description) -> Described {
    let handshake = &socket.handshake;
    Described {
        id: (*socket.id).into(),
        handshake: DescribedHandshake {
            url: handshake.url().to_owned(),
            headers: handshake.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            address: handshake.address().ip(),
            cross_origin: handshake.is_cross_origin(),
            secure: handshake.is_secure(),
            issued: handshake.issued(),
        },
        rooms: socket.rooms.into_iter().map(Into::into).collect(),
        auth: socket.auth.and_then(|auth| RawValue::from_string(auth.to_string()).ok()),
        data: socket.data,
    }
}
