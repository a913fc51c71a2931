//! One client's session: its transport, its queue, its end.
//!
//! A session sees transports, not sockets. The caller names each of them by a token `T` (a GET, a POST or a WebSocket,
//! each on its own TCP connection), reports what happened on it and when, and carries out the returned effects in
//! order. [`Effect::Closed`] comes exactly once, as the last effect. After it the session owns no transport, and its
//! sid is unknown.
//!
//! On a WebSocket a session takes a few dozen bytes. The state of polling and of an upgrade is in a box that is dropped
//! with them.

mod attempt;
mod frozen;
mod heartbeat;
mod polling;
mod upgrade;

use bytes::Bytes;
use bytestring::ByteString;

pub use self::frozen::Frozen;
pub use self::heartbeat::FrozenHeartbeat;
use self::heartbeat::{Beat, Heartbeat};
use self::polling::{Closing, Polling, Side};
use super::encoding::Encoding;
use super::frames::Frames;
use super::handshake::Found;
use super::millis::Millis;
use super::packet::Packet;
use super::protocol::Protocol;
use super::reason::Reason;
use super::settings::{CLOSE_WAIT, Settings, Transport};

/// What the caller must do for a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect<T> {
    /// Answer the held GET with this payload.
    Answer(T, Vec<Frames>),
    /// Answer the POST with `ok`.
    Accept(T),
    /// Answer the GET or POST with 400 and an empty body.
    Refuse(T),
    /// Write to the WebSocket, behind its queue.
    Send(T, Frames),
    /// Write a heartbeat to the WebSocket: it has no order with messages, and goes before those that wait.
    Beat(T, Frames),
    /// Flush the WebSocket, send a close frame without a code, and close the TCP connection after the client's answer
    /// or a timeout. The session does not know this transport any more.
    Shut(T),
    /// Close the TCP connection at once. The session does not know this transport any more.
    Cut(T),
    /// The client has closed the session for this reason and sends nothing more. [`Effect::Closed`] follows.
    Left(Reason),
    /// The session is over.
    Closed(Reason),
}

/// A message for the layer above.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inbound<'a> {
    /// The data of a text message.
    Text(&'a str),
    /// The data of a binary message.
    Binary(Bytes),
}

impl Inbound<'_> {
    /// Bytes of the data.
    pub const fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(data) => data.len(),
        }
    }

    /// Whether there is no data.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same, to be kept: it shares no buffer with what came beside it.
    pub fn into_message(self) -> Message {
        match self {
            Self::Text(text) => Message::Text(text.into()),
            Self::Binary(data) => Message::Binary(data),
        }
    }
}

impl Message {
    /// Bytes of the data.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(data) => data.len(),
        }
    }
}

/// A message of a bare Engine.IO session, or any message while it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Text.
    Text(ByteString),
    /// Binary.
    Binary(Bytes),
}

/// Where messages for the client go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route<T> {
    /// Straight to this WebSocket.
    WebSocket(T),
    /// Straight to this WebSocket, in the form that [`Encoding::frames`] gives.
    Translated(T, Encoding),
    /// Into the session, by [`Session::enqueue`].
    Queue,
    /// Nowhere: the session is closed, or closing.
    Gone,
}

/// Which deadline has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdue {
    /// An upgrade was not finished in time; the session goes on.
    Upgrade,
    /// No namespace was joined in time.
    Connect,
    /// No pong came in time; on protocol 3, no ping.
    Pong,
    /// The client did not fetch the news that its session is closed.
    Close,
    /// A polling client did not fetch this many bytes, more than one answer carries, and is given up.
    Fetch(usize),
}

/// How a WebSocket was lost. The caller has already answered on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// The client sent a close frame, or its TCP connection is gone.
    Closed,
    /// The client broke the WebSocket protocol, or a write failed.
    Error,
}

/// One client's session.
#[derive(Debug)]
pub struct Session<T> {
    state: State<T>,
    heartbeat: Heartbeat,
    /// Deadline for joining a namespace; `None` once the client has joined, and on protocol 3, where the server joins
    /// for it.
    join_by: Option<Millis>,
    encoding: Encoding,
}

#[derive(Debug)]
enum State<T> {
    Polling(Box<Polling<T>>),
    WebSocket(T),
    Closed,
}

impl<T: Copy + Eq> Session<T> {
    /// A session that begins on polling. The caller answers the handshake, open packet included.
    pub fn polling(now: Millis, encoding: Encoding, settings: &Settings) -> Self {
        Self::new(now, State::Polling(Box::new(Polling::new())), encoding, settings)
    }

    /// A session that begins on `websocket`. The caller sends the open packet there.
    pub fn websocket(now: Millis, websocket: T, encoding: Encoding, settings: &Settings) -> Self {
        Self::new(now, State::WebSocket(websocket), encoding, settings)
    }

    fn new(now: Millis, state: State<T>, encoding: Encoding, settings: &Settings) -> Self {
        let protocol = encoding.protocol();
        let heartbeat = Heartbeat::new(now, protocol, settings);
        let join_by = (protocol == Protocol::V4).then(|| now + settings.connect_timeout);
        Self { state, heartbeat, join_by, encoding }
    }

    /// The form of the packets, fixed by the handshake.
    pub const fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// What [`check`](super::check) needs to know; `None` when the session is closed.
    pub const fn found(&self) -> Option<Found> {
        let transport = match self.state {
            State::Polling(_) => Transport::Polling,
            State::WebSocket(_) => Transport::WebSocket,
            State::Closed => return None,
        };
        Some(Found { protocol: self.encoding.protocol(), transport })
    }

    /// Where messages for the client go.
    #[inline]
    pub const fn route(&self) -> Route<T> {
        match &self.state {
            State::WebSocket(websocket) => match self.encoding {
                Encoding::V4 => Route::WebSocket(*websocket),
                encoding => Route::Translated(*websocket, encoding),
            },
            State::Polling(polling) if polling.closing.is_none() => Route::Queue,
            State::Polling(_) | State::Closed => Route::Gone,
        }
    }

    /// Queues a message until there is a GET to answer. It is for a session whose route is [`Route::Queue`], and has no
    /// effect on others. [`Session::flush`] must follow before the loop's turn ends.
    pub fn enqueue(&mut self, now: Millis, frames: Frames, settings: &Settings) {
        if let State::Polling(polling) = &mut self.state
            && polling.closing.is_none()
        {
            polling.enqueue(now, frames, settings);
        }
    }

    /// Answers a held GET with the queue, as much as one answer carries ([`MAX_ANSWER`](super::MAX_ANSWER)).
    pub fn flush(&mut self, now: Millis, settings: &Settings, effects: &mut Vec<Effect<T>>) {
        if let State::Polling(polling) = &mut self.state {
            polling.flush(now, settings, effects);
        }
    }

    /// How many messages wait in the session for a GET.
    pub fn queued_messages(&self) -> usize {
        match &self.state {
            State::Polling(polling) => polling.queued_messages(),
            State::WebSocket(_) | State::Closed => 0,
        }
    }

    /// The messages that wait in the session for a GET, in order.
    pub fn queue(&self) -> impl Iterator<Item = &Frames> {
        let polling = match &self.state {
            State::Polling(polling) => Some(polling),
            State::WebSocket(_) | State::Closed => None,
        };
        polling.into_iter().flat_map(|polling| polling.queue())
    }

    /// Whether the session is on this WebSocket, and not on polling or probed by it.
    pub fn is_on(&self, websocket: T) -> bool {
        matches!(&self.state, State::WebSocket(current) if *current == websocket)
    }

    /// Whether a WebSocket probes.
    pub const fn is_probed(&self) -> bool {
        matches!(&self.state, State::Polling(polling) if polling.attempt.is_some())
    }

    /// The POST whose packets are being handled, or that waits for its answer.
    pub fn handled_post(&self) -> Option<T> {
        match &self.state {
            State::Polling(polling) => polling.handled_post(),
            State::WebSocket(_) | State::Closed => None,
        }
    }

    /// Whether the session will end at `now` for want of a sign of life. [`Session::sign_of_life`] before
    /// [`Session::tick`] keeps it.
    pub fn is_missed(&self, now: Millis) -> bool {
        let left_lying = matches!(&self.state, State::Polling(polling) if polling.is_left_lying(now));
        !matches!(self.state, State::Closed) && (self.heartbeat.is_missing(now) || left_lying)
    }

    /// This many written bytes have not reached the client, maybe the ping among them. Its pong is waited for once
    /// more, and again as long as these bytes become fewer.
    pub fn ping_may_be_under_way(&mut self, now: Millis, left: usize, settings: &Settings) {
        self.heartbeat.may_be_under_way(now, left, settings);
    }

    /// All queued bytes have left, though they may not have arrived. The client's time for its answer begins now.
    pub fn sent(&mut self, now: Millis, settings: &Settings) {
        self.heartbeat.sent(now, settings);
        if let State::Polling(polling) = &mut self.state {
            polling.expect_fetch(now, settings);
        }
    }

    /// Bytes that a polling client fetched lately.
    pub fn pace(&self, now: Millis) -> u64 {
        match &self.state {
            State::Polling(polling) => polling.pace(now),
            State::WebSocket(_) | State::Closed => 0,
        }
    }

    /// The client is alive, as the caller knows from other signs than packets: it takes queued bytes, or the caller
    /// does not read it. The wait for its heartbeat or its next GET begins anew. The client must not believe the server
    /// dead meanwhile, because its pong or ping waits to be read: [`Session::tick`] pings it again, and a client that
    /// pings gets a packet, as any packet counts for it.
    pub fn sign_of_life(&mut self, now: Millis, settings: &Settings, effects: &mut Vec<Effect<T>>) {
        self.heartbeat.sign_of_life(now, settings);
        if let State::Polling(polling) = &mut self.state {
            polling.expect_fetch(now, settings);
        }
        if self.encoding.protocol() == Protocol::V3 {
            self.beat(Frames::NOOP, now, settings, effects);
        }
    }

    /// The bytes of the queue: each message counts its length and [`MESSAGE_OVERHEAD`](super::MESSAGE_OVERHEAD). The
    /// caller enforces the limit.
    pub const fn queued_bytes(&self) -> usize {
        match &self.state {
            State::Polling(polling) => polling.queued_bytes(),
            State::WebSocket(_) | State::Closed => 0,
        }
    }

    /// Whether a message would leave without waiting in the session: always on a WebSocket, whose backlog the caller
    /// knows; on polling while a GET is held and nothing is queued. Otherwise volatile messages are dropped.
    pub fn is_writable(&self) -> bool {
        match &self.state {
            State::WebSocket(_) => true,
            State::Polling(polling) => polling.closing.is_none() && polling.is_writable(),
            State::Closed => false,
        }
    }

    /// Whether it could be closed now without a loss to its client: it is on a WebSocket, whose backlog the caller
    /// knows; or it holds a GET, and no message, POST or upgrade is under way; or it is closed.
    pub fn is_at_rest(&self) -> bool {
        match &self.state {
            State::WebSocket(_) | State::Closed => true,
            State::Polling(polling) => polling.is_at_rest(),
        }
    }

    /// A packet came on the transport `from`. Returns the message for the layer above, if the packet is one.
    pub fn receive<'a>(
        &mut self,
        now: Millis,
        from: T,
        packet: Packet<'a>,
        settings: &Settings,
        effects: &mut Vec<Effect<T>>,
    ) -> Option<Inbound<'a>> {
        match self.origin(from) {
            Origin::Current => {}
            Origin::Probe => {
                self.receive_on_probe(now, &packet, settings, effects);
                return None;
            }
            Origin::Stranger => return None,
        }
        let protocol = self.encoding.protocol();
        match (&packet, protocol) {
            // A pong, whether asked for or not, and a ping where the client pings.
            (Packet::Pong(_), Protocol::V4) | (Packet::Ping(_), Protocol::V3) => {
                self.heartbeat.restart(now, settings);
            }
            _ => self.heartbeat.packet(now, settings),
        }
        match packet {
            Packet::Text(data) => return Some(Inbound::Text(data)),
            Packet::Binary(data) => return Some(Inbound::Binary(data)),
            Packet::Ping(_) if protocol == Protocol::V3 => self.beat(Frames::PONG, now, settings, effects),
            // The wrong direction: on protocol 4 clients do not ping, and on protocol 3 the server does not.
            Packet::Ping(_) => self.end(Reason::TransportError, Frames::CLOSE, effects),
            Packet::Pong(_) if protocol == Protocol::V3 => self.end(Reason::TransportError, Frames::CLOSE, effects),
            // On a WebSocket the close frame does this, and the packet is ignored.
            Packet::Close if matches!(self.state, State::Polling(_)) => self.leave(now, effects),
            Packet::Close | Packet::Pong(_) | Packet::Open(_) | Packet::Upgrade | Packet::Noop => {}
        }
        None
    }

    /// A packet on the transport `from` cannot be decoded.
    pub fn bad_packet(&mut self, from: T, effects: &mut Vec<Effect<T>>) {
        match self.origin(from) {
            Origin::Current => self.end(Reason::ParseError, Frames::CLOSE, effects),
            Origin::Probe => self.bad_packet_on_probe(effects),
            Origin::Stranger => {}
        }
    }

    /// A WebSocket is gone. That ends the session if it was the session's transport; a probing one is just forgotten.
    pub fn websocket_lost(&mut self, websocket: T, lost: Lost, effects: &mut Vec<Effect<T>>) {
        match &mut self.state {
            State::WebSocket(current) if *current == websocket => {
                self.state = State::Closed;
                effects.push(Effect::Closed(match lost {
                    Lost::Closed => Reason::TransportClose,
                    Lost::Error => Reason::TransportError,
                }));
            }
            State::Polling(polling) => {
                polling.attempt.take_if(|attempt| attempt.websocket == websocket);
            }
            State::WebSocket(_) | State::Closed => {}
        }
    }

    /// The client joined a namespace, so the connect timeout ends.
    pub const fn joined(&mut self) {
        self.join_by = None;
    }

    /// The server closes the session. A polling client without an open GET has up to [`CLOSE_WAIT`] to send one; the
    /// session is closing until then.
    pub fn close(&mut self, now: Millis, settings: &Settings, effects: &mut Vec<Effect<T>>) {
        if let State::Polling(polling) = &mut self.state {
            if polling.closing.is_some() {
                return;
            }
            polling.flush(now, settings, effects);
            if !polling.is_writable() {
                polling.closing = Some(Closing { by: Side::Server, until: now + CLOSE_WAIT });
                return;
            }
        }
        self.end(Reason::ForcedClose, Frames::CLOSE, effects);
    }

    /// The whole server closes: like [`Session::close`], but without waiting for clients.
    pub fn terminate(&mut self, effects: &mut Vec<Effect<T>>) {
        self.end(Reason::ForcedClose, Frames::CLOSE, effects);
    }

    /// The caller drops the client, such as a slow consumer: a WebSocket is cut instead of flushed.
    pub fn abort(&mut self, reason: Reason, effects: &mut Vec<Effect<T>>) {
        if let State::WebSocket(websocket) = self.state {
            self.state = State::Closed;
            effects.extend([Effect::Cut(websocket), Effect::Closed(reason)]);
        } else {
            self.end(reason, Frames::CLOSE, effects);
        }
    }

    /// When [`Session::tick`] must be called; `None` only when the session is closed.
    pub fn deadline(&self) -> Option<Millis> {
        let polling = match &self.state {
            State::Closed => return None,
            State::WebSocket(_) => None,
            State::Polling(polling) if polling.closing.is_some() => return polling.deadline(),
            State::Polling(polling) => polling.deadline(),
        };
        [Some(self.heartbeat.deadline()), self.join_by, polling].into_iter().flatten().min()
    }

    /// Does what is due at `now`, and returns which deadline has passed. Harmless when nothing is due.
    pub fn tick(&mut self, now: Millis, settings: &Settings, effects: &mut Vec<Effect<T>>) -> Option<Overdue> {
        let mut overdue = None;
        if let State::Polling(polling) = &mut self.state {
            overdue = polling.tick_attempt(now, settings, effects);
            if polling.is_left_lying(now) {
                let queued = polling.queued_bytes();
                self.abort(Reason::TransportError, effects);
                return Some(Overdue::Fetch(queued));
            }
            if let Some(closing) = polling.closing {
                if closing.until <= now {
                    overdue = (closing.by == Side::Server).then_some(Overdue::Close);
                    self.end(closing.reason(), Frames::CLOSE, effects);
                }
                return overdue;
            }
        }
        if self.join_by.is_some_and(|join_by| join_by <= now) {
            // A polling session may wait for a GET that carries the news; this deadline is over in any case.
            self.join_by = None;
            self.close(now, settings, effects);
            return Some(Overdue::Connect);
        }
        match self.heartbeat.tick(now, settings) {
            Some(Beat::Ping) => self.beat(Frames::PING, now, settings, effects),
            Some(Beat::Timeout) => {
                overdue = Some(Overdue::Pong);
                self.end(Reason::PingTimeout, Frames::CLOSE, effects);
            }
            None => {}
        }
        overdue
    }

    /// Sends a packet of the heartbeat. While one waits for a GET, a second one would tell the client nothing, and a client
    /// that only pings must not fill its queue.
    fn beat(&mut self, frames: Frames, now: Millis, settings: &Settings, effects: &mut Vec<Effect<T>>) {
        match &mut self.state {
            State::WebSocket(websocket) => effects.push(Effect::Beat(*websocket, frames)),
            State::Polling(polling) => {
                if !polling.has_queued(&frames) {
                    polling.enqueue_beat(now, frames, settings);
                }
                polling.flush(now, settings, effects);
            }
            State::Closed => {}
        }
    }

    fn origin(&self, from: T) -> Origin {
        match &self.state {
            State::WebSocket(websocket) if *websocket == from => Origin::Current,
            State::Polling(polling) => match &polling.attempt {
                Some(attempt) if attempt.websocket == from => Origin::Probe,
                // The content of a POST is ignored once the session has been closed.
                _ if polling.is_handling(from) && polling.closing.is_none() => Origin::Current,
                _ => Origin::Stranger,
            },
            State::WebSocket(_) | State::Closed => Origin::Stranger,
        }
    }

    /// The one place where a session with transports ends: it gives up all of them. If its client has left, that is the
    /// reason, whatever else happens on the way.
    fn end(&mut self, mut reason: Reason, farewell: Frames, effects: &mut Vec<Effect<T>>) {
        if let State::Polling(polling) = &self.state
            && polling.is_left()
        {
            reason = Reason::TransportClose;
        }
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Closed => return,
            State::WebSocket(websocket) => effects.push(Effect::Shut(websocket)),
            State::Polling(polling) => polling.dissolve(farewell, effects),
        }
        effects.push(Effect::Closed(reason));
    }
}

/// The role of a transport.
#[derive(Debug, Clone, Copy)]
enum Origin {
    /// It carries the session.
    Current,
    /// It probes.
    Probe,
    /// The session has given it up.
    Stranger,
}

#[cfg(test)]
mod tests;
