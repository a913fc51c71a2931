//! One TCP connection: its socket, its use, and its waiting output.

use std::net::SocketAddr;
use std::time::Duration;

use crate::cluster::peers::message::relay::ExchangeNumber;
use crate::engineio::{Millis, PayloadKind};
use crate::http::{BodyReader, Coding, Delivery, Forward, HeaderLines, Request, Rest, RouteKey};
use crate::shard::kernel::socket::Socket;
use crate::shard::net::outbox::Outbox;
use crate::shard::net::packets::Packets;
use crate::shard::shared::admissions::{Applicant, Decided};
use crate::shard::shared::carrier::Owner;
use crate::shard::store::batches::BatchId;
use crate::shard::store::keys::{SessionKey, SessionRef};
use crate::shard::store::timers::NEVER;
use crate::websocket::Incoming;

/// A TCP connection.
#[derive(Debug)]
pub(in crate::shard) struct Connection {
    pub(in crate::shard) socket: Socket,
    pub(in crate::shard) stage: Stage,
    /// The sequence to write this turn.
    pub(in crate::shard) batch: Option<BatchId>,
    /// The bytes that the socket refused. While there is an outbox, nothing goes into a batch.
    pub(in crate::shard) outbox: Option<Box<Outbox>>,
    /// When the current state must have ended.
    pub(in crate::shard) deadline: Millis,
    /// The instant for which a timer was armed last.
    pub(in crate::shard) armed: Millis,
    /// Whether there are unread bytes of the peer.
    pub(in crate::shard) input: ReadState,
    /// What follows once everything is written.
    pub(super) then: Then,
    /// What its session is told. Set if the connection is to be removed at the end of the turn.
    pub(in crate::shard) close_cause: Option<CloseCause>,
}

/// What a connection is used for.
#[derive(Debug)]
pub(in crate::shard) enum Stage {
    /// Requests and answers.
    Http(Box<Http>),
    /// A WebSocket.
    WebSocket(WebSocket),
    /// A WebSocket whose session lives on another instance.
    Tunnel(ExchangeNumber),
    /// Everything was sent. Input is read and dropped until the peer closes.
    Lingering,
}

/// A connection that carries requests.
#[derive(Debug)]
pub(in crate::shard) struct Http {
    pub(super) peer: SocketAddr,
    /// Bytes that were read and not used yet: a part of a head, or requests behind the one being answered.
    pub(in crate::shard) unread: Vec<u8>,
    pub(in crate::shard) state: HttpState,
    /// How the request being answered wants its answer.
    pub(in crate::shard) answer: Answer,
    /// The session that was answered last, until its client has taken the answer.
    pub(in crate::shard) taking: Option<SessionKey>,
}

/// How a request wants its answer. This part of the request is kept until it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::shard) struct Answer {
    pub(in crate::shard) delivery: Delivery,
    pub(in crate::shard) cors: HeaderLines,
    pub(in crate::shard) coding: Option<Coding>,
}

/// Where a connection stands in the exchange of requests and answers.
#[derive(Debug)]
pub(in crate::shard) enum HttpState {
    /// A head is expected.
    Head,
    /// The head of a handshake has come, and the handshake waits for its turn; with the program's decision, if that was asked.
    Deferred(Option<Box<Decided>>),
    /// The program has yet to decide about a handshake.
    Asked(Applicant),
    /// The POST of a session is being read.
    Post(Box<Post>),
    /// An unwanted body is read and dropped, up to a limit.
    Discard(Box<BodyReader>),
    /// A GET is held by the session.
    Held(SessionKey),
    /// A POST is answered later.
    Waiting(Box<DelayedPost>),
    /// The body of a request is being read for a route, or for another instance.
    Body(Box<Gathered>),
    /// A route's answer to the request with this number is awaited.
    Routed(u64),
    /// A route's answer is sent piece by piece.
    Sending(Box<Sending>),
    /// The answer of another instance is awaited.
    Relayed(ExchangeNumber),
}

/// A body that is being read.
#[derive(Debug)]
pub(in crate::shard) struct Gathered {
    pub(in crate::shard) reader: BodyReader,
    pub(in crate::shard) body: Vec<u8>,
    pub(in crate::shard) then: AfterBody,
}

/// What becomes of a request whose body was read.
#[derive(Debug)]
pub(in crate::shard) enum AfterBody {
    /// A route of the program answers it.
    Route(RouteKey, Request),
    /// It is a POST that is passed on to the owner of its session.
    Relay(Owner, Forward),
}

/// An answer whose beginning was sent.
#[derive(Debug)]
pub(in crate::shard) struct Sending {
    /// The number of the request.
    pub(super) number: u64,
    /// What follows. `None` while the next piece is being read.
    pub(super) rest: Option<Rest>,
}

/// A POST that was read and is answered later.
#[derive(Debug)]
pub(in crate::shard) struct DelayedPost {
    pub(in crate::shard) session: SessionRef,
    /// The packets that are still to be handled, if any are.
    pub(in crate::shard) rest: Option<Packets>,
    /// When it goes on.
    pub(in crate::shard) until: Millis,
    /// When it goes on however much waits for its client, if it is held up for that.
    pub(in crate::shard) patience: Option<Millis>,
}

/// A POST that is being read.
#[derive(Debug)]
pub(in crate::shard) struct Post {
    pub(in crate::shard) session: SessionKey,
    pub(in crate::shard) kind: PayloadKind,
    pub(in crate::shard) reader: BodyReader,
    pub(in crate::shard) body: Vec<u8>,
}

/// A WebSocket.
#[derive(Debug)]
pub(in crate::shard) struct WebSocket {
    pub(in crate::shard) incoming: Incoming,
    pub(in crate::shard) role: Role,
}

/// The use of a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shard) enum Role {
    /// It serves, or probes for, this session.
    Session(SessionKey),
    /// Our close frame was sent; the peer's is awaited.
    Closing,
}

/// Whether there are unread bytes of a connection's peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shard) enum ReadState {
    /// There are none: the kernel tells of new ones.
    Awaited,
    /// There may be some: the connection stands in the line.
    InLine,
    /// There may be some, but the client is held up.
    HeldUp,
}

/// What follows once everything is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shard) enum Then {
    /// The connection goes on.
    Continue,
    /// The sending half is closed. Input is dropped until the peer closes, too.
    Linger,
    /// The connection is closed: the peer has closed its half already.
    Close,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shard) enum CloseCause {
    /// The peer closed it, or asked for the end.
    Closed,
    /// It broke, or the peer broke the rules.
    Error,
    /// Its session closed it, and need not be told.
    Cut,
}

impl DelayedPost {
    /// How long a client's queue may hold up its POST. Some clients give a request up after 5 s.
    pub(in crate::shard) const PATIENCE: Duration = Duration::from_secs(2);
}

impl Gathered {
    /// Bytes kept of the request.
    pub(in crate::shard) fn bytes(&self) -> usize {
        let head = match &self.then {
            AfterBody::Route(_, request) => request.bytes(),
            AfterBody::Relay(_, forward) => forward.size(),
        };
        head + self.body.capacity()
    }
}

impl Http {
    /// Whether every request that has come was answered.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.state, HttpState::Head) && self.unread.is_empty()
    }
}

impl Connection {
    /// A connection that was just accepted, or handed over by another shard.
    pub(super) fn new(socket: Socket, peer: SocketAddr) -> Self {
        let answer = Answer { delivery: Delivery::LAST, cors: HeaderLines::EMPTY, coding: None };
        let http = Http { peer, unread: Vec::new(), state: HttpState::Head, answer, taking: None };
        Self {
            socket,
            stage: Stage::Http(Box::new(http)),
            batch: None,
            outbox: None,
            deadline: NEVER,
            armed: NEVER,
            input: ReadState::Awaited,
            then: Then::Continue,
            close_cause: None,
        }
    }

    /// The exchange of requests, unless the connection has become something else.
    pub(in crate::shard) fn http(&mut self) -> Option<&mut Http> {
        match &mut self.stage {
            Stage::Http(http) => Some(http),
            Stage::WebSocket(_) | Stage::Tunnel(_) | Stage::Lingering => None,
        }
    }

    /// How the request at hand wants its answer.
    pub(in crate::shard) fn wanted(&self) -> Option<&Answer> {
        match &self.stage {
            Stage::Http(http) => Some(&http.answer),
            Stage::WebSocket(_) | Stage::Tunnel(_) | Stage::Lingering => None,
        }
    }

    /// The session that holds a GET of it.
    pub(in crate::shard) fn held_for(&self) -> Option<SessionKey> {
        match &self.stage {
            Stage::Http(http) => match http.state {
                HttpState::Held(session) => Some(session),
                _ => None,
            },
            Stage::WebSocket(_) | Stage::Tunnel(_) | Stage::Lingering => None,
        }
    }

    /// Whether a route's answer is awaited, or being sent.
    pub(in crate::shard) const fn awaits_answer(&self) -> bool {
        let Stage::Http(http) = &self.stage else { return false };
        matches!(http.state, HttpState::Routed(_) | HttpState::Sending(_))
    }

    /// Whether the body of a request for a route is being read.
    pub(in crate::shard) const fn reads_for_route(&self) -> bool {
        let Stage::Http(http) = &self.stage else { return false };
        let HttpState::Body(gathered) = &http.state else { return false };
        matches!(gathered.then, AfterBody::Route(..))
    }

    /// Whether a body is being read for a route, or for another instance.
    pub(in crate::shard) const fn gathers(&self) -> bool {
        let Stage::Http(http) = &self.stage else { return false };
        matches!(http.state, HttpState::Body(_))
    }

    /// When something must happen: the state must have ended, or the peer's progress is checked.
    pub(in crate::shard) fn due(&self) -> Millis {
        self.outbox.as_ref().map_or(self.deadline, |outbox| self.deadline.min(outbox.progress.next_look()))
    }

    /// Whether bytes from the peer still mean anything.
    pub(in crate::shard) const fn is_listening(&self) -> bool {
        self.close_cause.is_none() && matches!(self.then, Then::Continue)
    }
}
