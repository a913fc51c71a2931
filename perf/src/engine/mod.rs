//! The event loop: one thread that plays many Socket.IO clients.
//!
//! A client costs the generator one wake-up and one `read` for what the server sends it, and no allocation: all sockets
//! share one buffer, packets are looked at where they lie in it, and only what is cut off by its end is kept for the
//! next read. What a command does with its clients is a [`Load`]; connecting, heartbeats, long polling, upgrades,
//! deadlines and reconnecting are done here.

mod cause;
mod client;
mod connecting;
mod connection;
mod polling;
mod receiving;
mod sending;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token, Waker};

pub use cause::Cause;
use client::{Client, Stage};
use connection::Side;
pub use connection::{Connection, is_not_yet};

use crate::error::{Error, Result};
use crate::measure::nanoseconds;
use crate::net::{Alarm, Sources, Target};
use crate::options::{Options, Share, Transport};
use crate::wire::{Opcode, write_frame};

/// Wakes the loop when another thread has news.
const WAKE: Token = Token(usize::MAX - 1);
/// Wakes the loop at a given time.
const ALARM: Token = Token(usize::MAX - 2);
/// Bytes that one read may bring.
const READ: usize = 256 * 1024;
/// How often deadlines are looked at.
const SWEEP: Duration = Duration::from_millis(500);

/// What a command does with its clients.
pub trait Load {
    /// Client `id` has joined its namespace (and upgraded, if it does so).
    fn joined(&mut self, engine: &mut Engine, id: usize);

    /// An event or ack came: a Socket.IO packet from its type on.
    fn message(&mut self, engine: &mut Engine, id: usize, packet: &[u8]);

    /// Client `id` is no longer connected, or could not be.
    fn left(&mut self, engine: &mut Engine, id: usize, cause: Cause);

    /// Called in every turn of the loop, before it sleeps.
    fn turn(&mut self, engine: &mut Engine) -> Flow;
}

/// How the loop goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// It sleeps until something happens, at most so long.
    Within(Duration),
    /// It sleeps until something happens, at most until then, to the microsecond: nanoseconds of the monotonic clock.
    At(u64),
    /// It ends.
    Done,
}

/// What clients do when they cannot connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// So many times, 1 to 5 s apart with jitter as the official client, then they give up.
    Times(u32),
    /// Without end, in the same rhythm.
    Always,
}

/// What the loop counted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Heartbeats answered.
    pub heartbeats: u64,
    /// Long-polling requests answered.
    pub requests: u64,
    /// Attempts that failed and were tried again.
    pub retries: u64,
}

/// Clients that connect to another instance of the server.
struct Diverted {
    /// The first of them; those after it are, too.
    first: usize,
    addresses: Vec<SocketAddr>,
}

/// All clients of this process.
pub struct Engine {
    poll: Poll,
    waker: Arc<Waker>,
    alarm: Alarm,
    target: Arc<Target>,
    diverted: Option<Diverted>,
    transport: Transport,
    clients: Vec<Client>,
    sources: Sources,
    /// Clients that wait for their turn to connect.
    queue: VecDeque<usize>,
    /// Clients that wait for their next attempt.
    retries: Vec<(Instant, usize)>,
    broken: Vec<(usize, Cause)>,
    connecting: usize,
    concurrency: usize,
    rate: f64,
    allowance: f64,
    refilled: Instant,
    retry: Retry,
    buffer: Vec<u8>,
    scratch: Vec<u8>,
    pong: Vec<u8>,
    farewell: Vec<u8>,
    now: Instant,
    read_at: u64,
    swept: Instant,
    random: u32,
    /// What was counted so far.
    pub counts: Counts,
}

impl Engine {
    /// Clients as `options` describe them, of which this process plays `clients`. None connects before it is launched.
    pub fn new(options: &Options, target: &Arc<Target>, clients: usize, sources: Sources) -> Result<Self> {
        let poll = Poll::new().map_err(Error::system("epoll"))?;
        let waker = Waker::new(poll.registry(), WAKE).map_err(Error::system("eventfd"))?;
        let alarm = Alarm::new(poll.registry(), ALARM).map_err(Error::system("timerfd"))?;
        let now = Instant::now();
        let mut pong = Vec::new();
        write_frame(&mut pong, Opcode::Text, b"3");
        let mut farewell = Vec::new();
        write_frame(&mut farewell, Opcode::Text, format!("41{}", target.namespace).as_bytes());
        write_frame(&mut farewell, Opcode::Close, &1000_u16.to_be_bytes());
        // Several processes share the limits of the whole.
        let Share { of, .. } = options.share.unwrap_or(Share::WHOLE);
        Ok(Self {
            poll,
            waker: Arc::new(waker),
            alarm,
            target: Arc::clone(target),
            diverted: None,
            transport: options.transport,
            clients: (0..clients).map(|_| Client::new(now)).collect(),
            sources,
            queue: VecDeque::new(),
            retries: Vec::new(),
            broken: Vec::new(),
            connecting: 0,
            concurrency: options.concurrency.div_ceil(of),
            rate: options.rate / of as f64,
            allowance: 1.0,
            refilled: now,
            retry: Retry::Times(3),
            buffer: vec![0; READ],
            scratch: Vec::new(),
            pong,
            farewell,
            now,
            read_at: nanoseconds(),
            swept: now,
            random: std::process::id() | 1,
            counts: Counts::default(),
        })
    }

    /// Sets what clients do when they cannot connect; they try three times more unless told otherwise.
    pub const fn set_retry(&mut self, retry: Retry) {
        self.retry = retry;
    }

    /// Lets clients from `first` on connect to these addresses, at least one, where another instance of the server is.
    pub fn divert(&mut self, first: usize, addresses: Vec<SocketAddr>) {
        self.diverted = Some(Diverted { first, addresses });
    }

    /// Where client `id` connects: the addresses are taken in turn.
    fn address(&self, id: usize) -> SocketAddr {
        let diverted = self.diverted.as_ref().filter(|diverted| id >= diverted.first);
        let addresses = diverted.map_or(&self.target.addresses, |diverted| &diverted.addresses);
        addresses[(id + self.clients[id].failures as usize) % addresses.len()]
    }

    /// Something that wakes the loop.
    pub fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// When this turn began.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// When what is being looked at was read, in nanoseconds of the monotonic clock.
    pub const fn read_at(&self) -> u64 {
        self.read_at
    }

    /// Whether client `id` is there, or on its way in or out.
    pub fn is_connected(&self, id: usize) -> bool {
        self.clients[id].stage != Stage::Absent
    }

    /// Whether no client is there, or on its way in or out.
    pub fn is_deserted(&self) -> bool {
        (0..self.clients.len()).all(|id| !self.is_connected(id))
    }

    /// How long client `id` took from the first byte of its last attempt until it had joined.
    pub fn handshake(&self, id: usize) -> Duration {
        self.clients[id].handshake
    }

    /// The Socket.IO id that client `id` has or had; empty if it never joined.
    pub fn socket_id(&self, id: usize) -> &str {
        &self.clients[id].socket_id
    }

    /// The first four characters of the Engine.IO session id, in which kinglet names its instance.
    pub fn instance(&self, id: usize) -> [u8; 4] {
        self.clients[id].instance
    }

    /// Runs `load` to its end.
    pub fn run(&mut self, load: &mut impl Load) -> Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            self.now = Instant::now();
            self.connect_waiting(load);
            self.sweep(load);
            let patience = match load.turn(self) {
                Flow::Done => return Ok(()),
                Flow::Within(patience) => patience,
                Flow::At(time) => {
                    self.alarm.set(time).map_err(Error::system("timerfd"))?;
                    SWEEP
                }
            };
            self.bury(load);
            match self.poll.poll(&mut events, Some(patience.min(self.patience()))) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result.map_err(Error::system("epoll"))?,
            }
            self.now = Instant::now();
            for event in &events {
                if matches!(event.token(), WAKE | ALARM) {
                    continue;
                }
                let (id, side) = Side::of_token(event.token());
                if event.is_writable() {
                    self.write_pending(id, side);
                }
                if event.is_readable() || event.is_read_closed() || event.is_error() {
                    self.read(load, id, side);
                }
            }
            self.bury(load);
        }
    }

    /// Gives up the clients whose connection broke while something was written.
    fn bury(&mut self, load: &mut impl Load) {
        while let Some((id, cause)) = self.broken.pop() {
            self.lose(load, id, cause);
        }
    }

    /// How long the loop may sleep for its own sake.
    fn patience(&self) -> Duration {
        let can_connect = !self.queue.is_empty() && self.connecting < self.concurrency;
        if !can_connect {
            return SWEEP;
        }
        let missing = (1.0 - self.allowance).max(0.0);
        if self.rate > 0.0 {
            Duration::from_secs_f64((missing / self.rate).min(SWEEP.as_secs_f64()))
        } else {
            Duration::ZERO
        }
    }

    /// Cuts off what missed its deadline.
    fn sweep(&mut self, load: &mut impl Load) {
        if self.now.duration_since(self.swept) < SWEEP {
            return;
        }
        self.swept = self.now;
        for id in 0..self.clients.len() {
            if let Some(cause) = self.clients[id].overdue(self.now) {
                self.lose(load, id, cause);
            }
        }
        let now = self.now;
        let queue = &mut self.queue;
        self.retries.retain(|&(due, id)| {
            if due <= now {
                queue.push_back(id);
            }
            due > now
        });
    }
}
