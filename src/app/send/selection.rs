//! What can be done with many sockets at once besides sending to them.

use std::sync::Arc;
use std::time::Duration;

use super::broadcast::Broadcast;
use super::remote_socket::{Found, RemoteSocket};
use crate::app::ask::{Question, ask_for_acks, gather_all};
use crate::app::base::args::{self, Args, Written};
use crate::app::base::{
    Answers, MissingAnswers, MissingServers, Subject, everywhere, for_each_socket, guard, on_any_shard,
};
use crate::cluster::{self, Answer, Operation};
use crate::error::EmitError;
use crate::memory::allocated;
use crate::shard::{self, Asker, Collection, NamespaceRef, Others, Shard, Shared, SocketRef};
use crate::socketio::{self, Arguments};

/// What is done to each socket of a selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Membership {
    Join,
    Leave,
}

impl Membership {
    fn make(self, shard: &Shard, socket: SocketRef, room: &str) {
        let mut core = shard.core.borrow_mut();
        match self {
            Self::Join => {
                if let Err(error) = core.join(socket, room) {
                    log::debug!("socket {}: {error}", socket.key.0);
                }
            }
            Self::Leave => core.leave_room(socket, room),
        }
    }
}

/// Ends a collection when its time is up.
fn end_after(shared: &Arc<Shared>, timeout: Duration, collection: &Arc<Collection>) {
    let collection = Arc::clone(collection);
    on_any_shard(shared, 0, move |shard| {
        let deadline = shard.core.borrow().now + timeout;
        collection.end_at(shard, deadline);
    });
}

impl Broadcast {
    /// Sends an event to all these sockets and collects their acknowledgements, which `callback` gets on one of the
    /// server's threads: all of them when the last has come, or those that came within `timeout` and how many are missing.
    /// A client that leaves before it answers is missing, too, and not waited for. In a cluster, the clients of other servers are asked as well;
    /// servers that do not say in time how many got the event leave theirs uncounted, and so do all of them if Redis cannot
    /// say how many there are: then `timeout` is waited for. If nobody gets the event, that is no answer, and no failure. If
    /// the server stops meanwhile, `callback` is not called.
    ///
    /// The time belongs to the call (`timeout()` in JavaScript): without one, nothing would end the waiting.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # fn handler(socket: &kinglet::Socket) -> Result<(), kinglet::EmitError> {
    /// socket.to("voters").emit_with_ack("vote", "tea?", Duration::from_secs(10), |answers| match answers {
    ///     Ok(answers) => log::info!("all have voted: {:?}", answers.values::<bool>()),
    ///     Err(late) => log::info!("{} have not voted, {} have", late.missing, late.answers.len()),
    /// })
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`emit`](Self::emit); then `callback` is not called.
    #[doc(alias = "timeout")]
    pub fn emit_with_ack(
        self,
        event: &str,
        args: impl Args,
        timeout: Duration,
        callback: impl FnOnce(Result<Answers, MissingAnswers>) + Send + 'static,
    ) -> Result<(), EmitError> {
        let written = args::write(Some(event), &args)?;
        let Some(shared) = self.shared.clone() else {
            callback(Ok(Answers::default()));
            return Ok(());
        };
        let namespace = match self.namespace.clone() {
            // Other servers may have it.
            Err(_) if self.cluster().is_some() => None,
            namespace => Some(namespace.map_err(EmitError::UnknownNamespace)?),
        };
        let shards = namespace.as_ref().map_or(0, |_| shared.mailboxes.len());
        let others = if self.cluster().is_some() { Others::Uncounted } else { Others::Counted };
        let collection = Collection::new(
            &shared.answer_budget,
            shards,
            others,
            Box::new(|shard, answers, missing| {
                let answers = Answers::new(answers);
                let result = match missing {
                    None => Ok(answers),
                    Some(missing) => Err(MissingAnswers { answers, missing }),
                };
                guard(shard, Subject::Nobody, "acknowledgements", || {
                    callback(result);
                    None
                });
            }),
        );
        self.ask_others(event, &written, timeout, &collection)?;
        end_after(&shared, timeout, &collection);
        let Some(namespace) = namespace else { return Ok(()) };
        let id = namespace.next_ack_id(&shared);
        let frames = socketio::event(namespace.name(&shared), Some(id), &written.json, &written.attachments);
        let frames = frames.compress(self.compress);
        let heard = written.heard(&shared, &namespace, event);
        let (target, urgency) = (self.target, self.urgency);
        let broadcast = shard::Broadcast { namespace: namespace.key(), target, frames, urgency, heard };
        let asker = Asker::Collection(collection);
        everywhere(&shared, broadcast.bytes(), move |shard| {
            let mut core = shard.core.borrow_mut();
            let deadline = core.now + timeout;
            core.broadcast_with_ack(&broadcast, id, deadline, &asker);
        });
        Ok(())
    }

    /// Sends an event to the sockets of other servers, whose acknowledgements are collected.
    fn ask_others(
        &self,
        event: &str,
        written: &Written,
        timeout: Duration,
        collection: &Arc<Collection>,
    ) -> Result<(), EmitError> {
        let (Some(shared), Some((cluster, namespace))) = (&self.shared, self.cluster()) else { return Ok(()) };
        let arguments = Arguments::named(written.json.as_str().into(), written.attachments.as_slice().into());
        let broadcast = cluster::Broadcast {
            namespace: namespace.into(),
            event: socketio::Event { name: event.into(), arguments },
            opts: self.opts(),
            flags: self.flags(Some(timeout)),
        };
        cluster.check_broadcast(&broadcast)?;
        let operation = |request_id| Operation::Broadcast { request_id, broadcast };
        ask_for_acks(shared, namespace, timeout, collection, operation);
        Ok(())
    }

    /// Gathers what is known of these sockets, in the whole cluster unless [`local`](Self::local); `receive` is called with it,
    /// perhaps before this returns, on one of the server's threads, and not at all if the server stops meanwhile. Of a namespace
    /// that this server does not have, it gathers those of others. See [`MissingServers`] for when they are all.
    ///
    /// ```no_run
    /// # let handle = kinglet::Server::new(kinglet::Config::default())?.handle();
    /// handle.to("lobby").fetch_sockets(|sockets| {
    ///     for socket in sockets.unwrap_or_else(|partial| partial.answers) {
    ///         log::info!("{} is in {:?}", socket.id(), socket.rooms());
    ///         socket.leave("lobby");
    ///     }
    /// });
    /// # Ok::<(), kinglet::Error>(())
    /// ```
    pub fn fetch_sockets(
        self,
        receive: impl FnOnce(Result<Vec<RemoteSocket>, MissingServers<Vec<RemoteSocket>>>) + Send + 'static,
    ) {
        let Some(shared) = &self.shared else { return receive(Ok(Vec::new())) };
        let opts = self.opts();
        let question = self.cluster().map(|_| Question {
            request: Box::new(|request_id| Operation::Fetch { request_id, opts }),
            read: |answer, _| match answer {
                Answer::Sockets(sockets) => Some(sockets.into_iter().map(Found::Elsewhere).collect()),
                _ => None,
            },
        });
        let (target, of) = (self.target.clone(), self.namespace.as_ref().ok().map(NamespaceRef::key));
        let (server, place) = (Arc::clone(shared), self.namespace.clone());
        gather_all(
            shared,
            self.name(),
            target.bytes(),
            move |shard| {
                let described = |of| shard.core.borrow().describe(of, &target);
                of.map_or_else(Vec::new, described).into_iter().map(Found::Here).collect()
            },
            question,
            move |found, missing| {
                let sockets = found.into_iter().filter_map(|found| RemoteSocket::new(&server, &place, found)).collect();
                receive(MissingServers::check(sockets, missing));
            },
        );
    }

    /// Makes these sockets join rooms. Joins that meet a limit of rooms fail and are counted.
    pub fn sockets_join<R: Into<String>>(self, rooms: impl IntoIterator<Item = R>) {
        self.change(Membership::Join, rooms);
    }

    /// Makes these sockets leave rooms.
    pub fn sockets_leave<R: Into<String>>(self, rooms: impl IntoIterator<Item = R>) {
        self.change(Membership::Leave, rooms);
    }

    /// Makes these sockets leave their namespace, and if `close`, their clients' connections end, as
    /// [`Socket::disconnect`](crate::Socket::disconnect) does.
    pub fn disconnect_sockets(self, close: bool) {
        if let Some((cluster, namespace)) = self.cluster() {
            cluster.request(namespace, Operation::Disconnect { opts: self.opts(), close });
        }
        let (Some(shared), Ok(namespace), target) = (self.shared, self.namespace, self.target) else { return };
        for_each_socket(
            &shared,
            target.bytes(),
            move |shard| shard.core.borrow().selected(namespace.key(), &target),
            move |shard, socket| shard.core.borrow_mut().disconnect(socket, close),
        );
    }

    fn change<R: Into<String>>(self, change: Membership, rooms: impl IntoIterator<Item = R>) {
        let rooms: Vec<String> = rooms.into_iter().map(Into::into).collect();
        if let Some((cluster, namespace)) = self.cluster() {
            let (opts, rooms) = (self.opts(), rooms.iter().map(|room| room.as_str().into()).collect());
            cluster.request(
                namespace,
                match change {
                    Membership::Join => Operation::Join { opts, rooms },
                    Membership::Leave => Operation::Leave { opts, rooms },
                },
            );
        }
        let (Some(shared), Ok(namespace), target) = (self.shared, self.namespace, self.target) else { return };
        let carried =
            target.bytes() + rooms.iter().map(|room| size_of::<String>() + allocated(room.capacity())).sum::<usize>();
        for_each_socket(
            &shared,
            carried,
            move |shard| shard.core.borrow().selected(namespace.key(), &target),
            move |shard, socket| rooms.iter().for_each(|room| change.make(shard, socket, room)),
        );
    }
}
