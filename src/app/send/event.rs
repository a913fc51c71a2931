//! An event that was received, and its acknowledgement.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use bytestring::ByteString;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::app::base::args::{self, Args};
use crate::app::base::on_shard;
use crate::cluster::message::Answer;
use crate::engineio::{Frames, Sid};
use crate::error::{ArgsError, EmitError};
use crate::shard::{DueAck, NamespaceRef, ServerReply, Shard, Shared, SocketRef};
use crate::socketio::{self, Arguments};

/// An event that a client sent. For [`on_any_outgoing`](crate::Namespace::on_any_outgoing), an event that is sent to one.
pub struct Event {
    inner: socketio::Event,
    ack: RefCell<Option<Ack>>,
}

impl Event {
    pub(in crate::app) fn new(inner: socketio::Event, ack: Option<Ack>) -> Self {
        Self { inner, ack: RefCell::new(ack) }
    }

    pub(super) const fn inner(&self) -> &socketio::Event {
        &self.inner
    }

    /// A copy of the event, with the acknowledgement. It shares no buffer with other events of its message.
    pub(in crate::app) fn to_owned(&self) -> Self {
        let own = |text: &str| ByteString::from(text);
        let arguments = Arguments::named(own(self.raw()), self.attachments().into());
        Self::new(socketio::Event { name: own(self.name()), arguments }, self.take_ack())
    }

    /// The event's name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The arguments, as a tuple; one argument is a tuple of one. Further arguments are ignored, as in JavaScript.
    ///
    /// ```no_run
    /// # fn handler(event: &kinglet::Event) -> Result<(), serde_json::Error> {
    /// let (text, times): (String, u32) = event.args()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If there are too few arguments, or one is of another type.
    pub fn args<'de, T: Deserialize<'de>>(&'de self) -> Result<T, serde_json::Error> {
        self.inner.arguments.args()
    }

    /// The arguments as the parameter of a handler: a tuple is several, anything else is the first.
    pub(in crate::app) fn parameter<A: DeserializeOwned>(&self) -> Result<A, ArgsError> {
        self.inner.arguments.parameter()
    }

    /// The untouched JSON: an array that begins with the event's name. Binary data is replaced by placeholders; see
    /// [`attachments`](Self::attachments).
    pub fn raw(&self) -> &str {
        self.inner.arguments.json()
    }

    /// The binary attachments.
    pub fn attachments(&self) -> &[Bytes] {
        self.inner.arguments.attachments()
    }

    /// The arguments, for sending on unchanged. To keep them, keep [copies](Arguments::copied).
    pub fn arguments(&self) -> &Arguments {
        &self.inner.arguments
    }

    /// Whether the client waits for an acknowledgement that was not given yet.
    pub fn wants_ack(&self) -> bool {
        self.ack.borrow().is_some()
    }

    /// Acknowledges the event. Nothing happens if the client asked for no acknowledgement, or has got one.
    ///
    /// # Errors
    /// If the arguments cannot be written as JSON. Then the event is still to be acknowledged.
    pub fn ack(&self, args: impl Args) -> Result<(), EmitError> {
        // The arguments are written first: the client must be answered even if that fails, or panics.
        let encoded = self.ack.borrow().as_ref().map(|ack| ack.encode(&args)).transpose()?;
        let Some(answer) = encoded else { return Ok(()) };
        if let Some(ack) = self.ack.take() {
            ack.give(answer);
        }
        Ok(())
    }

    /// Takes the acknowledgement, to give it later or from another thread. `None` if the client asked for none. A draining
    /// server ([`Handle::drain`](crate::Handle::drain)) does not disconnect the client before it is given or dropped.
    ///
    /// From then on [`ack`](Self::ack) does nothing, and neither the handler's result nor its error is told to the client. If the
    /// taken acknowledgement is dropped without being sent, the client gets no answer. That also happens when a callback owns it
    /// and the callback's emit fails. A handler that gets its acknowledgement by
    /// [`Namespace::handle_with_ack`](crate::Namespace::handle_with_ack) may fail nevertheless.
    pub fn take_ack(&self) -> Option<Ack> {
        self.ack.take().map(Ack::later)
    }

    /// A second right to the acknowledgement, if a client waits for it: the one that is given first counts.
    pub(in crate::app) fn spare_ack(&self) -> Option<Ack> {
        self.ack.borrow_mut().as_mut().and_then(Ack::spare)
    }

    /// Gives a right to it back when the other is gone, or takes it for a while. Returns the one that was there.
    pub(in crate::app) fn set_ack(&self, ack: Option<Ack>) -> Option<Ack> {
        self.ack.replace(ack)
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("json", &self.raw()).field("wants_ack", &self.wants_ack()).finish_non_exhaustive()
    }
}

/// The right to acknowledge one event, once.
pub struct Ack {
    shared: Arc<Shared>,
    namespace: NamespaceRef,
    to: AckTo,
    /// Whether it was given, if two have the right to it.
    given: Option<Arc<AtomicBool>>,
}

/// The client or server that waits for the acknowledgement.
enum AckTo {
    /// The client of a socket of this server, which waits for this ack id.
    Client { socket: Sid, id: u64, owed: Option<DueAck> },
    /// Another server of the cluster.
    Server(ServerReply),
    /// Nobody asked for it.
    Nobody,
}

impl Ack {
    pub(in crate::app) fn to_client(shard: &Rc<Shard>, socket: Sid, namespace: NamespaceRef, id: u64) -> Self {
        Self::new(&shard.shared, namespace, AckTo::Client { socket, id, owed: None })
    }

    pub(in crate::app) fn to_server(shard: &Rc<Shard>, namespace: NamespaceRef, reply: ServerReply) -> Self {
        Self::new(&shard.shared, namespace, AckTo::Server(reply))
    }

    /// What a handler gets whose client asked for nothing.
    pub(in crate::app) fn to_nobody(shared: &Arc<Shared>, namespace: NamespaceRef) -> Self {
        Self::new(shared, namespace, AckTo::Nobody)
    }

    fn new(shared: &Arc<Shared>, namespace: NamespaceRef, to: AckTo) -> Self {
        Self { shared: Arc::clone(shared), namespace, to, given: None }
    }

    /// The acknowledgement, noted as due, so that a drain waits for it.
    fn later(mut self) -> Self {
        if let AckTo::Client { socket, owed, .. } = &mut self.to {
            owed.get_or_insert_with(|| DueAck::new(&self.shared, *socket));
        }
        self
    }

    fn spare(&mut self) -> Option<Self> {
        let AckTo::Client { socket, id, .. } = self.to else { return None };
        let given = Arc::clone(self.given.get_or_insert_default());
        let to = AckTo::Client { socket, id, owed: None };
        Some(Self { shared: Arc::clone(&self.shared), namespace: self.namespace.clone(), to, given: Some(given) })
    }

    /// Whether the client waits for it. It does not if it has not asked ([`Namespace::handle_with_ack`]).
    ///
    /// [`Namespace::handle_with_ack`]: crate::Namespace::handle_with_ack
    pub const fn is_wanted(&self) -> bool {
        !matches!(self.to, AckTo::Nobody)
    }

    /// Sends the acknowledgement. It is dropped if the socket has left, because its client would not know what to do with it.
    /// Another server gets only the first argument.
    ///
    /// # Errors
    /// If the arguments cannot be written as JSON, or hold binary data for another server.
    pub fn send(self, args: impl Args) -> Result<(), EmitError> {
        let answer = self.encode(&args)?;
        self.give(answer);
        Ok(())
    }

    fn encode(&self, args: &impl Args) -> Result<Encoded, EmitError> {
        let written = args::write(None, args)?;
        match self.to {
            AckTo::Client { id, .. } => {
                let (parser, namespace) = (self.shared.config.parser, self.namespace.name(&self.shared));
                parser.ack(namespace, id, &written.json, &written.attachments).map(Encoded::Frames)
            }
            AckTo::Server(_) => Ok(Encoded::Json(written.without_binary()?)),
            AckTo::Nobody => Ok(Encoded::Json(written.json)),
        }
    }

    fn give(self, answer: Encoded) {
        if self.given.is_some_and(|given| given.swap(true, Ordering::Relaxed)) {
            return;
        }
        match self.to {
            AckTo::Client { socket, owed, .. } => {
                let Encoded::Frames(frames) = answer else { return };
                on_shard(&self.shared, socket.shard, frames.len(), move |shard| {
                    send_to(shard, socket, frames);
                    drop(owed);
                });
            }
            AckTo::Server(reply) => {
                let Encoded::Json(json) = answer else { return };
                let arguments = Arguments::unnamed(json.into(), Box::default());
                reply(Answer::Value(arguments.elements().first().map(|&first| first.to_owned())));
            }
            AckTo::Nobody => {}
        }
    }
}

/// An acknowledgement as it is sent: to a client, or to another server.
enum Encoded {
    Frames(Frames),
    Json(String),
}

fn send_to(shard: &Rc<Shard>, socket: Sid, frames: Frames) {
    shard.with(|core| {
        if let Some(SocketRef { key, .. }) = core.socket_at(socket) {
            core.send_own(key, frames);
        }
    });
}

impl fmt::Debug for Ack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.to {
            AckTo::Client { socket, id, .. } => {
                f.debug_struct("Ack").field("socket", socket).field("id", id).finish_non_exhaustive()
            }
            AckTo::Server(_) | AckTo::Nobody => f.debug_struct("Ack").finish_non_exhaustive(),
        }
    }
}
