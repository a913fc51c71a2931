//! Requests of other servers: done, and answered.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;

use super::reply::Reply;
use crate::app::ask::collect_here;
use crate::app::base::{everywhere, on_any_shard, on_shard};
use crate::app::send::{Broadcast, join};
use crate::cluster::{self, Answer, Extent, Operation, Opts, Place, RemoteHandshake, Request, Response, date_text};
use crate::engineio::Sid;
use crate::shard::{self, Asker, Description, NamespaceRef, Relay, ServerReply, Shard, Shared, SocketRef};
use crate::socketio;

/// Who asks, and for the sockets of which namespace.
struct Asked {
    shared: Arc<Shared>,
    namespace: NamespaceRef,
    /// The uid of the server that asks. Emitters have none.
    uid: Option<Box<str>>,
}

/// Does what another server asks.
pub(super) fn serve(shared: &Arc<Shared>, place: &Place, request: Request) {
    let Some(namespace) = shared.directory.find_namespace(&place.namespace) else {
        return answer_without_namespace(shared, place, request);
    };
    let asked = Asked { shared: Arc::clone(shared), namespace, uid: request.uid };
    match request.operation {
        Operation::Sockets { request_id, rooms } => {
            let opts = Opts { rooms, except: Vec::new() };
            let ids = |found: Vec<Description>| found.into_iter().map(|socket| (*socket.id).into()).collect();
            asked.collect(request_id, opts, Answer::SocketIds(Vec::new()), move |found| Answer::SocketIds(ids(found)));
        }
        Operation::AllRooms { request_id } => asked.all_rooms(request_id),
        Operation::Fetch { request_id, opts } => {
            let sockets = |found: Vec<Description>| found.into_iter().map(described).collect();
            asked.collect(request_id, opts, Answer::Sockets(Vec::new()), move |found| Answer::Sockets(sockets(found)));
        }
        Operation::Join { opts, rooms } => asked.sockets(opts).sockets_join(rooms),
        Operation::Leave { opts, rooms } => asked.sockets(opts).sockets_leave(rooms),
        Operation::Disconnect { opts, close } => asked.sockets(opts).disconnect_sockets(close),
        Operation::JoinOne { request_id, sid, room } => {
            asked.one(request_id, &sid, room.len(), move |shard, socket| join(shard, socket, &room));
        }
        Operation::LeaveOne { request_id, sid, room } => {
            asked.one(request_id, &sid, room.len(), move |shard, socket| {
                shard.with(|core| core.leave_room(socket, &room));
            })
        }
        Operation::DisconnectOne { request_id, sid, close } => asked.one(request_id, &sid, 0, move |shard, socket| {
            shard.with(|core| core.disconnect(socket, close));
        }),
        Operation::ServerSideEmit { request_id, event } => asked.server_event(request_id, event),
        Operation::Broadcast { request_id, broadcast } => asked.broadcast(request_id, &broadcast),
        Operation::Goodbye { stayed } => asked.uid.iter().for_each(|uid| place.goodbye(uid, stayed)),
    }
}

impl Asked {
    /// The sockets here that are meant.
    fn sockets(&self, opts: Opts) -> Broadcast {
        Broadcast::here(&self.shared, self.namespace.clone(), opts)
    }

    /// The right to answer; `none` is the answer that says nothing.
    fn reply(&self, request_id: Box<str>, none: Answer) -> Reply {
        let namespace = self.namespace.name(&self.shared);
        Reply::new(&self.shared, namespace, self.uid.as_deref(), request_id, none)
    }

    /// Answers with what becomes of the sockets that are meant.
    fn collect(
        self,
        request_id: Box<str>,
        opts: Opts,
        none: Answer,
        answer: impl FnOnce(Vec<Description>) -> Answer + Send + 'static,
    ) {
        let (key, target) = (self.namespace.key(), self.sockets(opts).target);
        let reply = self.reply(request_id, none);
        collect_here(
            &Arc::clone(&self.shared),
            target.bytes(),
            move |shard| shard.with(|core| core.describe(key, &target)),
            move |sockets| reply.send(answer(sockets)),
        );
    }

    fn all_rooms(self, request_id: Box<str>) {
        let key = self.namespace.key();
        let reply = self.reply(request_id, Answer::Rooms(Vec::new()));
        collect_here(
            &self.shared,
            0,
            move |shard| shard.with(|core| core.all_rooms(key)),
            move |mut rooms| {
                rooms.sort_unstable();
                rooms.dedup();
                reply.send(Answer::Rooms(rooms.into_iter().map(Into::into).collect()));
            },
        );
    }

    /// Acts on one socket, if it is here, and says so. `carried`: bytes that `act` holds beside itself.
    fn one(
        self,
        request_id: Box<str>,
        sid: &str,
        carried: usize,
        act: impl FnOnce(&Rc<Shard>, SocketRef) + Send + 'static,
    ) {
        let Some(sid) = Sid::parse(sid).filter(|sid| sid.instance == self.shared.instance) else { return };
        on_shard(&Arc::clone(&self.shared), sid.shard, request_id.len() + carried, move |shard| {
            let socket = shard.with(|core| core.find_sid(sid));
            if let Some(socket) = socket {
                act(shard, socket);
                if let Some(cluster) = &self.shared.cluster {
                    let namespace = self.namespace.name(&self.shared);
                    let response = Response { request_id, answer: Answer::Done, extent: Extent::Whole };
                    cluster.respond(namespace, self.uid.as_deref(), response);
                }
            }
        });
    }

    fn server_event(self, request_id: Option<Box<str>>, event: socketio::Event) {
        let reply = request_id.map(|request_id| {
            let reply = self.reply(request_id, Answer::ServerSideEmit(None));
            Box::new(move |answer| reply.send(answer)) as ServerReply
        });
        on_any_shard(&Arc::clone(&self.shared), event.bytes(), move |shard| {
            shard.callbacks.server_event(shard, &self.namespace, event, reply);
        });
    }

    /// Sends to the sockets that are meant, and sends on what they answer.
    fn broadcast(self, request_id: Box<str>, message: &cluster::Broadcast) {
        let Some(broadcast) = Broadcast::received(&self.shared, message) else { return };
        let shared = Arc::clone(&self.shared);
        let timeout = message.flags.timeout.unwrap_or(shared.config.limits.requests_timeout);
        let arguments = &message.event.arguments;
        let id = self.namespace.next_ack_id(&shared);
        let frames = socketio::event(self.namespace.name(&shared), Some(id), arguments.json(), arguments.attachments());
        let heard = shared.directory.hears_outgoing(&self.namespace).then(|| message.event.clone());
        // Of the flags only the rooms count here, as on Node.
        let broadcast = shard::Broadcast {
            namespace: self.namespace.key(),
            target: broadcast.target,
            frames,
            urgency: shard::Urgency::Reliable,
            heard,
        };
        let reply = self.reply(request_id, Answer::ClientCount(0));
        let send = move |answer| reply.send(answer);
        let asker = Asker::Relay(Relay::new(shared.mailboxes.len(), Box::new(send)));
        everywhere(&shared, broadcast.bytes(), move |shard| ask(shard, &broadcast, id, timeout, &asker));
    }
}

/// Answers for a namespace that has just gone: no socket is in it. Who listened there for events between servers does so no more.
fn answer_without_namespace(shared: &Arc<Shared>, place: &Place, request: Request) {
    let reply =
        |request_id, none: Answer| Reply::new(shared, &place.namespace, request.uid.as_deref(), request_id, none);
    match request.operation {
        Operation::Sockets { request_id, .. } => reply(request_id, Answer::SocketIds(Vec::new())).send_none(),
        Operation::AllRooms { request_id } => reply(request_id, Answer::Rooms(Vec::new())).send_none(),
        Operation::Fetch { request_id, .. } => reply(request_id, Answer::Sockets(Vec::new())).send_none(),
        Operation::Broadcast { request_id, .. } => reply(request_id, Answer::ClientCount(0)).send_none(),
        Operation::ServerSideEmit { request_id, .. } => {
            drop(request_id.map(|request_id| reply(request_id, Answer::ServerSideEmit(None))));
        }
        Operation::Join { .. }
        | Operation::JoinOne { .. }
        | Operation::Leave { .. }
        | Operation::LeaveOne { .. }
        | Operation::Disconnect { .. }
        | Operation::DisconnectOne { .. }
        | Operation::Goodbye { .. } => {}
    }
}

fn ask(shard: &Rc<Shard>, broadcast: &shard::Broadcast, id: u64, timeout: Duration, asker: &Asker) {
    shard.with(|core| core.broadcast_with_ack(broadcast, id, timeout, asker));
}

/// A socket, as other servers are told of it.
fn described(socket: Description) -> cluster::RemoteSocket {
    let handshake = &socket.handshake;
    let issued = u64::try_from(handshake.issued().as_millis()).unwrap_or(u64::MAX);
    let pairs = |pairs: &mut dyn Iterator<Item = (&str, &str)>| {
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    let raw = |json: &str| RawValue::from_string(json.to_owned()).ok();
    cluster::RemoteSocket {
        id: (*socket.id).into(),
        handshake: RemoteHandshake {
            headers: pairs(&mut handshake.headers()),
            time: date_text(issued),
            address: handshake.address().ip().to_string(),
            xdomain: handshake.is_cross_origin(),
            secure: handshake.is_secure(),
            issued,
            url: handshake.url().to_owned(),
            query: handshake.query(),
            // As on Node, where a client that shows nothing shows an empty object.
            auth: raw(socket.auth.as_deref().unwrap_or("{}")),
        },
        rooms: socket.rooms.into_iter().map(Into::into).collect(),
        data: socket.data,
    }
}
