//! What can be done with many sockets at once besides sending to them.

use std::time::Duration;

use super::answers::{Answers, MissingAnswers};
use super::args::{self, Args};
use super::broadcast::Broadcast;
use super::everywhere::{everywhere, gather};
use super::handlers::guard;
use super::remote_socket::RemoteSocket;
use crate::error::EmitError;
use crate::shard::{self, Collection, Shard};
use crate::socketio;

/// What is done to each socket of a selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Membership {
    Join,
    Leave,
}

impl Broadcast {
    /// Sends an event to all these sockets and collects their acknowledgements, which `callback` gets on one of the
    /// server's threads: all of them when the last has come, or those that came within `timeout` and how many are missing.
    /// A client that leaves before it answers is missing, too. If nobody gets the event, that is no answer, and no failure.
    /// If the server stops meanwhile, `callback` is not called.
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
        let Some(shared) = self.shared else {
            callback(Ok(Answers::default()));
            return Ok(());
        };
        let namespace = self.namespace.map_err(EmitError::UnknownNamespace)?;
        let id = namespace.next_ack_id(&shared);
        let frames = socketio::event(namespace.name(&shared), Some(id), &written.json, &written.attachments);
        let frames = frames.compress(self.compress);
        let heard = written.heard(&shared, &namespace, event);
        let (namespace, target, urgency) = (namespace.key(), self.target, self.urgency);
        let broadcast = shard::Broadcast { namespace, target, frames, urgency, heard };
        let collection = Collection::new(
            shared.mailboxes.len(),
            Box::new(|shard, answers, missing| {
                let answers = Answers::new(answers);
                let result = match missing {
                    None => Ok(answers),
                    Some(missing) => Err(MissingAnswers { answers, missing }),
                };
                guard(shard, "acknowledgements", || {
                    callback(result);
                    None
                });
            }),
        );
        let keeper = Shard::current(&shared).map_or(0, |shard| shard.index());
        everywhere(&shared, move |shard| {
            let mut core = shard.core.borrow_mut();
            let deadline = core.now + timeout;
            if shard.index() == keeper {
                core.arm_collection(&collection, deadline);
            }
            core.broadcast_with_ack(&broadcast, id, deadline, &collection);
        });
        Ok(())
    }

    /// Gathers what is known of these sockets; `receive` is called with it, perhaps before this returns, on one of the
    /// server's threads, and not at all if the server stops meanwhile. A namespace that does not exist has none.
    ///
    /// ```no_run
    /// # let handle = kinglet::Server::new(kinglet::Config::default())?.handle();
    /// handle.to("lobby").fetch_sockets(|sockets| {
    ///     for socket in sockets {
    ///         log::info!("{} is in {:?}", socket.id(), socket.rooms());
    ///         socket.leave("lobby");
    ///     }
    /// });
    /// # Ok::<(), kinglet::Error>(())
    /// ```
    pub fn fetch_sockets(self, receive: impl FnOnce(Vec<RemoteSocket>) + Send + 'static) {
        let (Some(shared), Ok(namespace)) = (self.shared, self.namespace) else { return receive(Vec::new()) };
        let (target, of) = (self.target, namespace.key());
        let server = shared.clone();
        gather(
            &shared,
            move |shard| shard.core.borrow().describe(of, &target),
            move |parts| {
                let described = parts.into_iter().flatten();
                receive(described.map(|socket| RemoteSocket::new(&server, &namespace, socket)).collect());
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
        let (Some(shared), Ok(namespace), target) = (self.shared, self.namespace, self.target) else { return };
        everywhere(&shared, move |shard| {
            let mut core = shard.core.borrow_mut();
            for socket in core.selected(namespace.key(), &target) {
                core.disconnect(socket, close);
            }
        });
    }

    fn change<R: Into<String>>(self, change: Membership, rooms: impl IntoIterator<Item = R>) {
        let (Some(shared), Ok(namespace), target) = (self.shared, self.namespace, self.target) else { return };
        let rooms: Vec<String> = rooms.into_iter().map(Into::into).collect();
        everywhere(&shared, move |shard| {
            let mut core = shard.core.borrow_mut();
            for socket in core.selected(namespace.key(), &target) {
                for room in &rooms {
                    match change {
                        Membership::Join => {
                            if let Err(error) = core.join(socket, room) {
                                log::debug!("socket {}: {error}", socket.key.0);
                            }
                        }
                        Membership::Leave => core.leave_room(socket, room),
                    }
                }
            }
        });
    }
}
