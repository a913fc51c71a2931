//! Messages for many sockets.

use std::sync::Arc;

use bytes::Bytes;

use super::event::Event;
use crate::app::base::args::{self, Args};
use crate::cluster::message::{Chosen, Manner};
use crate::cluster::{Data, Membership, Source};
use crate::engineio::{Frames, Sid};
use crate::error::{EmitError, TooLarge};
use crate::log_line::Excerpt;
use crate::shard::{self, Letter, NamespaceRef, Shard, Shared, Target, Urgency, Wake, broadcast_recoverable};
use crate::socketio::{self, Parser};

/// A message for many sockets of one namespace: first its target, then its content.
///
/// Rooms add up: a socket in any of them gets the message, once. Exceptions win. A socket's id is a room.
///
/// ```no_run
/// # fn handler(socket: &kinglet::Socket) -> Result<(), kinglet::EmitError> {
/// socket.to("room-1").to("room-2").except("muted").volatile().emit("news", ("text", 1))
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a broadcast does nothing until it is emitted"]
pub struct Broadcast {
    /// `None` before the server has started, when there is nobody to reach.
    pub(super) shared: Option<Arc<Shared>>,
    pub(super) namespace: Result<NamespaceRef, String>,
    pub(in crate::app) target: Target,
    pub(in crate::app) urgency: Urgency,
    pub(in crate::app) compress: bool,
    pub(super) reach: Reach,
    /// What other servers know it by, if it came from one.
    pub(super) source: Source,
}

/// The reach of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// To all servers of the cluster.
    Cluster,
    /// The same, to one socket of another server.
    RemoteSocket,
    /// To this server's sockets alone.
    Server,
    /// The same, received from another server. The shards are woken once, after all messages that came together.
    Received,
}

impl Reach {
    /// Whether other servers are told.
    const fn leaves(self) -> bool {
        matches!(self, Self::Cluster | Self::RemoteSocket)
    }

    /// When the shards are woken for it.
    const fn wake(self) -> Wake {
        match self {
            Self::Received => Wake::Later,
            Self::Cluster | Self::RemoteSocket | Self::Server => Wake::Now,
        }
    }
}

impl Broadcast {
    pub(in crate::app) fn new(
        shared: Option<Arc<Shared>>,
        namespace: Result<NamespaceRef, String>,
        sender: Option<Sid>,
    ) -> Self {
        let target = Target { sender, ..Target::default() };
        let (urgency, reach, source) = (Urgency::Reliable, Reach::Cluster, Source::Here);
        Self { shared, namespace, target, urgency, compress: true, reach, source }
    }

    /// Adds a room. Its sockets get the message.
    pub fn to(mut self, room: impl Into<String>) -> Self {
        self.target.rooms.push(room.into().into_boxed_str());
        self
    }

    /// The same as [`to`](Self::to); it is called `in` in JavaScript, which is a keyword here.
    pub fn within(self, room: impl Into<String>) -> Self {
        self.to(room)
    }

    /// Excludes a room. Its sockets do not get the message, whatever other rooms they are in.
    pub fn except(mut self, room: impl Into<String>) -> Self {
        self.target.except.push(room.into().into_boxed_str());
        self
    }

    /// Leaves out clients that are not ready to receive, because they do not read fast enough or are between two polls.
    pub fn volatile(mut self) -> Self {
        self.urgency = Urgency::Volatile;
        self
    }

    /// Keeps the message to this server of a cluster. A server without a cluster is alone anyway.
    pub fn local(self) -> Self {
        Self { reach: Reach::Server, ..self }
    }

    /// Whether the polling answers that carry the message may be compressed. Default yes.
    pub fn compress(mut self, compress: bool) -> Self {
        self.compress = compress;
        self
    }

    /// Sends an event.
    ///
    /// # Errors
    /// If the name is reserved, the arguments cannot be written as JSON, or the namespace does not exist. The last is no error
    /// in a cluster, where another server may have it. If the message is too long for the other servers of a cluster
    /// ([`EmitError::TooLarge`]), nobody gets it: [`local`](Self::local) sends it to this server's clients.
    pub fn emit(self, event: &str, args: impl Args) -> Result<(), EmitError> {
        let written = args::write(Some(event), &args)?;
        let heard = |shared: &Shared, namespace: &NamespaceRef| written.heard(shared, namespace, event);
        self.send(&written.json, &written.attachments, heard)
    }

    /// Sends a received event on as it is: its JSON is not parsed and its attachments are not copied.
    ///
    /// # Errors
    /// If the namespace does not exist, or the message is too long, as for [`emit`](Self::emit).
    pub fn relay(self, event: &Event) -> Result<(), EmitError> {
        self.send(event.raw(), event.attachments(), |shared, namespace| {
            shared.directory.hears_outgoing(namespace).then(|| event.inner().clone())
        })
    }

    fn send(
        self,
        json: &str,
        attachments: &[Bytes],
        heard: impl FnOnce(&Shared, &NamespaceRef) -> Option<socketio::Event>,
    ) -> Result<(), EmitError> {
        let parser = self.shared.as_ref().map_or_else(Parser::default, |shared| shared.config.parser);
        let payload = parser.arguments(json, attachments)?;
        let Some(shared) = self.shared.clone() else { return Ok(()) };
        let recovery = shared.recovery.as_ref().filter(|_| self.urgency == Urgency::Reliable);
        let namespace = match &self.namespace {
            // Other servers may have it.
            Err(_) if shared.cluster.is_some() && self.reach.leaves() => {
                let shard = recovery.and_then(|_| Shard::current(&shared)).map(|shard| shard.index());
                self.publish(Data { json, attachments }, shard)?;
                return Ok(());
            }
            namespace => namespace.clone().map_err(EmitError::UnknownNamespace)?,
        };
        let heard = heard(&shared, &namespace);
        let (name, key, wake) = (namespace.name(&shared), namespace.key(), self.reach.wake());
        // Published first: an event that is too long for other servers is an error, and nobody gets it.
        let publish = |frames: Frames, shard: Option<usize>| {
            let source = self.publish(Data { json, attachments }, shard)?;
            let frames = frames.compress(self.compress);
            Ok::<_, TooLarge>(shard::Broadcast::new(key, self.target, frames, self.urgency, heard).known_by(source))
        };
        match recovery {
            Some(recovery) => {
                broadcast_recoverable(&shared, recovery, wake, |offset, shard| {
                    publish(payload.event_at(name, offset), shard)
                })?;
            }
            None => deliver(&shared, publish(payload.event(name, None), None)?, wake),
        }
        Ok(())
    }
}

impl Broadcast {
    /// One of another server, for the sockets of this one. `None` if the namespace is not here any more.
    pub(in crate::app) fn received(
        shared: &Arc<Shared>,
        namespace: &str,
        chosen: Chosen,
        manner: Manner,
        source: Source,
    ) -> Option<Self> {
        let namespace = shared.directory.find_namespace(namespace)?;
        Some(Self {
            urgency: if manner.volatile { Urgency::Volatile } else { Urgency::Reliable },
            compress: manner.compress,
            reach: Reach::Received,
            source,
            ..Self::here(shared, namespace, chosen)
        })
    }

    /// The sockets of this server that another means.
    pub(in crate::app) fn here(shared: &Arc<Shared>, namespace: NamespaceRef, chosen: Chosen) -> Self {
        let Chosen { rooms, except } = chosen;
        let everybody = Self::new(Some(Arc::clone(shared)), Ok(namespace), None);
        Self { target: Target { rooms, except, sender: None }, reach: Reach::Server, ..everybody }
    }

    /// Delivers an event of another server.
    pub(in crate::app) fn deliver_received(self, event: &socketio::Event) {
        let sent = self.send(event.arguments.json(), event.arguments.attachments(), |shared, namespace| {
            // The event waits in letters, and must not keep its message's buffer alive.
            shared.directory.hears_outgoing(namespace).then(|| event.copied())
        });
        if let Err(error) = sent {
            log::debug!("an event of another server: {}", Excerpt(error));
        }
    }

    /// The cluster and the namespace's name, if the message goes to other servers.
    pub(super) fn cluster(&self) -> Option<(&Membership, &str)> {
        let shared = self.shared.as_ref()?;
        let cluster = shared.cluster.as_ref().filter(|_| self.reach.leaves())?;
        Some((cluster, self.name()))
    }

    /// The name of the namespace.
    pub(super) fn name(&self) -> &str {
        match (&self.namespace, &self.shared) {
            (Err(name), _) => name,
            (Ok(namespace), Some(shared)) => namespace.name(shared),
            // Nothing is found before there is a server.
            (Ok(_), None) => "/",
        }
    }

    /// The target, for other servers.
    pub(super) fn chosen(&self) -> Chosen {
        let Target { rooms, except, sender } = &self.target;
        let mut except = except.clone();
        except.extend(sender.map(|sender| sender.to_string().into_boxed_str()));
        Chosen { rooms: rooms.clone(), except }
    }

    /// How the event is sent, for other servers.
    pub(super) fn manner(&self) -> Manner {
        Manner {
            volatile: self.urgency == Urgency::Volatile,
            compress: self.compress,
            to_one: self.reach == Reach::RemoteSocket,
        }
    }

    /// Gives it to other servers. `shard`: that of this thread, which counts only with recovery: see the lane of a
    /// [`Serial`](crate::cluster::Serial). Returns what those know it by.
    fn publish(&self, data: Data<'_>, shard: Option<usize>) -> Result<Source, TooLarge> {
        let Some((cluster, namespace)) = self.cluster() else { return Ok(self.source) };
        let lane = shard.and_then(|shard| u8::try_from(shard).ok()).unwrap_or(u8::MAX);
        cluster.broadcast(namespace, data, self.chosen(), self.manner(), lane)
    }
}

/// Delivers to the sockets of this thread's shard at once, and hands the rest to the other shards.
fn deliver(shared: &Arc<Shared>, broadcast: shard::Broadcast, wake: Wake) {
    let current = Shard::current(shared);
    if let Some(current) = &current {
        current.with(|core| core.broadcast(&broadcast));
    }
    let here = current.map(|shard| shard.index());
    let elsewhere = shared.mailboxes.iter().enumerate().filter(|(index, _)| Some(*index) != here);
    if here.is_some() && shared.mailboxes.len() == 1 {
        return;
    }
    let broadcast = Arc::new(broadcast);
    for (_, mailbox) in elsewhere {
        mailbox.wait_for_room();
        mailbox.put(Letter::Broadcast(Arc::clone(&broadcast)), wake);
    }
}

impl std::fmt::Debug for Broadcast {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broadcast")
            .field("namespace", &self.namespace)
            .field("target", &self.target)
            .field("urgency", &self.urgency)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Handlers;
    use crate::cluster::peers::OwnInstance;
    use crate::config::{Config, Recovery};
    use crate::shard::{Budget, Mailbox, Poll, mailbox};

    #[test]
    fn a_batch_from_another_server_wakes_a_shard_once() {
        for recovery in [None, Some(Recovery::default())] {
            let mut poll = Poll::new().unwrap();
            let (mailbox, _inbox) = mailbox(poll.waker().unwrap(), 1 << 20);
            let mut handlers = Handlers::default();
            handlers.namespace_mut("/");
            let budget =
                Budget { memory: None, max_connections: 1, queued_per_client: 1, queued: 1, kept: 1, unfinished: 1 };
            let config = Config { recovery, ..Config::default() };
            let own = Arc::new(OwnInstance::draw().unwrap());
            let shared = Arc::new(Shared::new(config, own, Arc::new(handlers), None, vec![mailbox], budget));
            let namespace = shared.directory.find_namespace("/").unwrap();
            let everybody = Broadcast::new(Some(Arc::clone(&shared)), Ok(namespace), None);
            let received = Broadcast { reach: Reach::Received, ..everybody };
            received.clone().emit("one", ()).unwrap();
            received.emit("another", ()).unwrap();
            assert_eq!(poll.wakes(), 0, "what comes with it is to be handled with it");
            shared.mailboxes.iter().for_each(Mailbox::wake);
            assert_eq!(poll.wakes(), 1);
        }
    }
}
