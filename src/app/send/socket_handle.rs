//! Handles to one socket, for any thread.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use log::Level;
use serde::Serialize;

use super::broadcast::{Broadcast, Reach};
use super::flags::Flags;
use super::handle::Handle;
use super::known::Known;
use super::outcome::{Outcome, failure};
use super::sockets::join;
use crate::app::base::args::{self, Args};
use crate::app::base::{Answers, Fault, MissingAnswers, Pending, Subject, guard, on_shard, record};
use crate::engineio::Frames;
use crate::error::{AckError, EmitError};
use crate::log_line::LineKind;
use crate::shard::{NamespaceRef, Shard, Shared, SocketRef};
use crate::socketio::{self, Arguments, SocketId};

/// Data that was not stored with its socket.
static UNKEPT_DATA: LineKind = LineKind::new(Level::Warn, module_path!(), "data that was not kept");

/// A handle to one socket, for any thread and any time ([`Socket::handle`](crate::Socket::handle)). It can do what the socket
/// can, and knows what the socket knows:
///
/// - What stays the same it has with it: [`id`](Self::id), [`namespace`](Self::namespace), [`handshake`](Self::handshake),
///   [`auth`](Self::auth), [`recovered`](Self::recovered).
/// - What changes it asks the thread that serves the socket: [`is_connected`](Self::is_connected), [`rooms`](Self::rooms),
///   [`data`](Self::data), [`transport`](Self::transport), [`queued_bytes`](Self::queued_bytes). The answer is right when it is
///   given, for all earlier calls of this thread. A blocking handler has a snapshot of the data with it.
/// - What the program keeps with the socket ([`insert`](Self::insert), [`get`](Self::get)) all threads share.
///
/// The thread that serves the socket carries out its calls, those of one thread in order. For a socket that has left, nothing
/// happens. But if clients may come back ([`Config::recovery`](crate::Config::recovery)), events of [`emit`](Self::emit) are
/// kept for the socket until it comes back, and reach it afterwards, too: they go to the room of its id. For all else the socket
/// that is back has a handle of its own.
///
/// ```no_run
/// # let mut server = kinglet::Server::new(kinglet::Config::default())?;
/// server.of("/").on("watch", |socket, _| {
///     let socket = socket.handle();
///     std::thread::spawn(move || {
///         std::thread::sleep(std::time::Duration::from_secs(60));
///         socket.emit("minute", "over")
///     });
/// });
/// # Ok::<(), kinglet::Error>(())
/// ```
#[derive(Clone)]
pub struct SocketHandle {
    pub(super) shared: Arc<Shared>,
    whereabouts: Whereabouts,
    id: SocketId,
    flags: Flags,
}

/// The place of a socket.
#[derive(Debug, Clone)]
enum Whereabouts {
    /// On this server.
    Here(Arc<Known>),
    /// On another server of the cluster, in a namespace that this server may not have.
    Elsewhere { namespace: Result<NamespaceRef, String> },
}

impl SocketHandle {
    pub(in crate::app) fn new(shared: &Arc<Shared>, id: SocketId, known: Known, flags: Flags) -> Self {
        Self { shared: Arc::clone(shared), whereabouts: Whereabouts::Here(Arc::new(known)), id, flags }
    }

    /// A handle to a socket of another server.
    pub(super) fn elsewhere(shared: &Arc<Shared>, id: SocketId, namespace: Result<NamespaceRef, String>) -> Self {
        Self { shared: Arc::clone(shared), whereabouts: Whereabouts::Elsewhere { namespace }, id, flags: Flags::NONE }
    }

    /// The socket's id, as [`Socket::id`](crate::Socket::id) gives it.
    pub fn id(&self) -> &SocketId {
        &self.id
    }

    /// The name of its namespace.
    pub fn namespace(&self) -> &str {
        match &self.whereabouts {
            Whereabouts::Here(known) => known.namespace.name(&self.shared),
            Whereabouts::Elsewhere { namespace: Ok(namespace) } => namespace.name(&self.shared),
            Whereabouts::Elsewhere { namespace: Err(name) } => name,
        }
    }

    /// Sends an event to the client.
    ///
    /// # Errors
    /// If the name is reserved or the arguments cannot be written as JSON.
    pub fn emit(&self, event: &str, args: impl Args) -> Result<(), EmitError> {
        let namespace = match &self.whereabouts {
            Whereabouts::Here(known) if self.shared.recovery.is_none() => &known.namespace,
            _ => return self.own_room().emit(event, args),
        };
        let ((frames, heard), urgency) = (self.encode(namespace, event, None, &args)?, self.flags.urgency);
        self.run(carried(&frames, heard.as_ref()), move |shard, socket| {
            shard.with(|core| core.send_event(socket.key, &frames, urgency, heard.as_ref()));
        });
        Ok(())
    }

    /// Sends an event `message`, as [`emit`](Self::emit) does.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub fn send(&self, args: impl Args) -> Result<(), EmitError> {
        self.emit("message", args)
    }

    /// Sends an event and waits at most `timeout` for its acknowledgement. `callback` gets it, or the reason why there is none,
    /// on the thread that serves the socket. It is not called if the socket had left already. A thread that may wait can
    /// [`ask`](Self::ask) instead.
    ///
    /// # Errors
    /// As [`emit`](Self::emit); then `callback` is not called.
    pub fn emit_with_ack<R: Outcome>(
        &self,
        event: &str,
        args: impl Args,
        timeout: Duration,
        callback: impl FnOnce(Result<Arguments, AckError>) -> R + Send + 'static,
    ) -> Result<(), EmitError> {
        let Some(Known { namespace, .. }) = self.known() else {
            return self.own_room().emit_with_ack(event, args, timeout, |answers| callback(first(answers)));
        };
        let id = namespace.next_ack_id(&self.shared);
        let ((frames, heard), urgency) = (self.encode(namespace, event, Some(id), &args)?, self.flags.urgency);
        self.run(carried(&frames, heard.as_ref()), move |shard, socket| {
            let callback = |shard: &Rc<Shard>, socket: SocketRef, result| {
                guard(shard, Subject::Socket(socket), "acknowledgement", || failure(callback(result)));
            };
            shard.with(|core| {
                core.send_event(socket.key, &frames, urgency, heard.as_ref());
                core.expect_ack(socket, id, timeout, Box::new(callback));
            });
        });
        Ok(())
    }

    /// Sends an event and gives something to wait on for its acknowledgement, which comes within `timeout`, or not at all. Where
    /// nobody can wait, [`emit_with_ack`](Self::emit_with_ack) calls a callback.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # let mut server = kinglet::Server::new(kinglet::Config::default())?;
    /// server.of("/").on_blocking("order", |socket, event| {
    ///     let (dish,): (String,) = event.args()?;
    ///     let answer = socket.ask("how-many", &dish, Duration::from_secs(30))?;
    ///     log::info!("{} wants {dish}", socket.id());
    ///     let (count,): (u32,) = answer.recv()?.args()?;
    ///     kinglet::Ok(event.ack(count)?)
    /// });
    /// # Ok::<(), kinglet::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`emit`](Self::emit). If the socket has left, the pending answer says so.
    #[doc(alias = "emit_with_ack")]
    pub fn ask(
        &self,
        event: &str,
        args: impl Args,
        timeout: Duration,
    ) -> Result<Pending<Arguments, AckError>, EmitError> {
        let (answerer, pending) = Pending::new(Some(AckError::Disconnected));
        self.emit_with_ack(event, args, timeout, |answer| answerer.give(answer))?;
        Ok(pending)
    }

    /// The handle, with events that are dropped if the client is not ready to receive.
    #[must_use = "the flag holds for what is emitted through the returned handle"]
    pub fn volatile(&self) -> Self {
        Self { flags: self.flags.volatile(), ..self.clone() }
    }

    /// The handle, with events that may (the default) or may not be compressed on a polling transport.
    #[must_use = "the flag holds for what is emitted through the returned handle"]
    pub fn compress(&self, compress: bool) -> Self {
        Self { flags: self.flags.compress(compress), ..self.clone() }
    }

    /// Makes the socket join a room. A join that meets a limit of rooms fails and is counted.
    pub fn join(&self, room: impl Into<String>) {
        let room = room.into();
        if self.is_elsewhere() {
            return self.own_room().sockets_join([room]);
        }
        self.run(room.len(), move |shard, socket| join(shard, socket, &room));
    }

    /// Makes the socket leave a room.
    pub fn leave(&self, room: impl Into<String>) {
        let room = room.into();
        if self.is_elsewhere() {
            return self.own_room().sockets_leave([room]);
        }
        self.run(room.len(), move |shard, socket| shard.with(|core| core.leave_room(socket, &room)));
    }

    /// Stores data with the socket, as [`Socket::set_data`](crate::Socket::set_data) does. For a socket of another server of
    /// the cluster nothing happens. At the limit `session_memory` the earlier data stays, and the log says so.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub fn set_data(&self, data: &(impl Serialize + ?Sized)) -> Result<(), serde_json::Error> {
        let data = serde_json::value::to_raw_value(data)?;
        if let Some(snapshot) = self.known().and_then(|known| known.data.as_ref()) {
            snapshot.outdate();
        }
        self.run(data.get().len(), move |shard, socket| {
            if let Err(error) = shard.with(|core| core.set_data(socket, data)) {
                let socket_id = shard.with(|core| core.socket_sid(socket));
                UNKEPT_DATA.write(|| format!("socket {socket_id}: {error}"));
            }
        });
        Ok(())
    }

    /// Makes the socket leave its namespace; with `close`, ends the client's connection. See
    /// [`Socket::disconnect`](crate::Socket::disconnect).
    pub fn disconnect(&self, close: bool) {
        if self.is_elsewhere() {
            return self.own_room().disconnect_sockets(close);
        }
        self.run(0, move |shard, socket| shard.with(|core| core.disconnect(socket, close)));
    }

    /// Its own room, named by its id.
    fn own_room(&self) -> Broadcast {
        let everybody = Broadcast::new(Some(Arc::clone(&self.shared)), self.found_namespace(), None);
        let reach = if self.is_elsewhere() { Reach::RemoteSocket } else { Reach::Server };
        self.flags.of(Broadcast { reach, ..everybody }).to(&*self.id)
    }

    /// What is known of it. `None` for a socket of another server.
    pub(super) fn known(&self) -> Option<&Known> {
        match &self.whereabouts {
            Whereabouts::Here(known) => Some(known),
            Whereabouts::Elsewhere { .. } => None,
        }
    }

    fn is_elsewhere(&self) -> bool {
        self.known().is_none()
    }

    /// The namespace, or its name if this server does not have it.
    fn found_namespace(&self) -> Result<NamespaceRef, String> {
        match &self.whereabouts {
            Whereabouts::Here(known) => Ok(known.namespace.clone()),
            Whereabouts::Elsewhere { namespace } => namespace.clone(),
        }
    }

    /// Everybody else in the namespace.
    pub fn broadcast(&self) -> Broadcast {
        let (server, sender) = (Some(Arc::clone(&self.shared)), self.known().map(|known| known.sid));
        let everybody = self.flags.of(Broadcast::new(server, self.found_namespace(), sender));
        if self.is_elsewhere() { everybody.except(&*self.id) } else { everybody }
    }

    /// Everybody else in a room.
    pub fn to(&self, room: impl Into<String>) -> Broadcast {
        self.broadcast().to(room)
    }

    /// The same as [`to`](Self::to); it is called `in` in JavaScript, which is a keyword here.
    pub fn within(&self, room: impl Into<String>) -> Broadcast {
        self.to(room)
    }

    /// Everybody else, except the members of a room.
    pub fn except(&self, room: impl Into<String>) -> Broadcast {
        self.broadcast().except(room)
    }

    /// Everybody else on this server of a cluster.
    pub fn local(&self) -> Broadcast {
        self.broadcast().local()
    }

    /// The server.
    pub fn server(&self) -> Handle {
        Handle::started(&self.shared)
    }

    fn encode(
        &self,
        namespace: &NamespaceRef,
        event: &str,
        ack: Option<u64>,
        args: &impl Args,
    ) -> Result<(Frames, Option<socketio::Event>), EmitError> {
        let written = args::write(Some(event), args)?;
        let payload = self.shared.config.parser.arguments(&written.json, &written.attachments)?;
        let frames = payload.event(self.namespace(), ack).compress(self.flags.compress);
        Ok((frames, written.heard(&self.shared, namespace, event)))
    }

    /// Counts and logs how a handler of the socket ended, on the thread that serves it.
    pub(in crate::app) fn record(&self, what: String, fault: Fault) {
        if let Some(&Known { location, .. }) = self.known() {
            let (this, carried) = (self.clone(), what.len());
            on_shard(&self.shared, location.shard, carried, move |shard| {
                let gone = Subject::Gone { id: &this.id, namespace: this.namespace() };
                let subject = this.find(shard).map_or(gone, Subject::Socket);
                record(shard, subject, &what, fault);
            });
        }
    }

    /// The socket, if this shard has it and it is not gone.
    fn find(&self, shard: &Shard) -> Option<SocketRef> {
        let location = self.known()?.location;
        shard.with(|core| core.socket_at(location))
    }

    /// Acts on the socket on the thread that serves it, if it is not gone. `carried`: bytes that `act` holds beside itself.
    pub(super) fn run(&self, carried: usize, act: impl FnOnce(&Rc<Shard>, SocketRef) + Send + 'static) {
        let Some(&Known { location, .. }) = self.known() else { return };
        on_shard(&self.shared, location.shard, carried, move |shard| {
            let socket = shard.with(|core| core.socket_at(location));
            if let Some(socket) = socket {
                act(shard, socket);
            }
        });
    }
}

/// Bytes of an event on its way to the thread of its socket.
fn carried(frames: &Frames, heard: Option<&socketio::Event>) -> usize {
    frames.len() + heard.map_or(0, socketio::Event::bytes)
}

/// The answer of a single socket.
fn first(answers: Result<Answers, MissingAnswers>) -> Result<Arguments, AckError> {
    match answers {
        Ok(answers) => answers.into_iter().next().ok_or(AckError::Disconnected),
        Err(_) => Err(AckError::Timeout),
    }
}

impl fmt::Debug for SocketHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketHandle")
            .field("id", &self.id())
            .field("namespace", &self.namespace())
            .finish_non_exhaustive()
    }
}
