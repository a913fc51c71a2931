//! A client's connection: what is on its way up, and what has come down.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use crate::clock;
use crate::shard::kernel::simulated::Socket;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Whole,
    /// Nothing passes any more, though neither end knows.
    Dead,
    /// Both ends know that it is broken.
    Broken,
}

/// A connection, from the client's end.
pub(in super::super) struct Link {
    socket: Socket,
    /// Bytes on their way to the server.
    up: VecDeque<u8>,
    /// What has come of the server, and was not understood yet.
    pub(super) received: Vec<u8>,
    state: State,
    /// Since when something has been on its way up, and down.
    under_way: [Option<Instant>; 2],
}

impl Link {
    pub(in super::super) const fn new(socket: Socket) -> Self {
        Self { socket, up: VecDeque::new(), received: Vec::new(), state: State::Whole, under_way: [None; 2] }
    }

    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.up.extend(bytes.as_ref());
    }

    /// Brings at most so many bytes to the server.
    pub(in super::super) fn carry_up(&mut self, most: usize) {
        if self.state != State::Whole {
            return;
        }
        let bytes: Vec<u8> = self.up.drain(..most.min(self.up.len())).collect();
        if !bytes.is_empty() {
            self.socket.comes(&bytes);
        }
    }

    /// Brings at most so much of what the server has sent to the client, which makes room for as much.
    pub(in super::super) fn carry_down(&mut self, most: usize) {
        if self.state != State::Whole {
            return;
        }
        let sent = self.socket.take_sent(most);
        self.received.extend_from_slice(&sent);
        if !sent.is_empty() {
            self.socket.make_room(sent.len());
        }
    }

    /// Notes what is on its way, once the client has acted. Gives for how long something has been; `None` if nothing is.
    pub(super) fn under_way(&mut self) -> Option<Duration> {
        let now = clock::now();
        let down = self.socket.unacknowledged() > 0 || !self.received.is_empty();
        for (since, is_under_way) in self.under_way.iter_mut().zip([!self.up.is_empty(), down]) {
            *since = is_under_way.then(|| since.unwrap_or(now));
        }
        self.under_way.iter().flatten().map(|since| now - *since).max()
    }

    /// The connection breaks.
    pub(super) fn break_off(&mut self) {
        self.socket.breaks(ErrorKind::ConnectionReset);
        self.state = State::Broken;
    }

    /// The client closes it, behind what has come to the server.
    pub(super) fn end(&mut self) {
        self.socket.ends();
        self.state = State::Broken;
    }

    /// Nothing passes any more, and nobody is told.
    pub(super) fn die(&mut self) {
        if self.state == State::Whole {
            self.state = State::Dead;
        }
    }

    pub(super) fn is_dead(&self) -> bool {
        self.state == State::Dead
    }

    pub(super) fn describe(&self) -> String {
        let (up, sent) = (self.up.len(), self.socket.unacknowledged());
        let (closed, state) = (self.socket.is_closed(), self.state);
        let received = String::from_utf8_lossy(&self.received);
        format!("{state:?}, {up} up, {sent} down, closed {closed}, received {received:?}")
    }

    /// Whether nothing is on its way, either way.
    pub(super) fn is_idle(&self) -> bool {
        self.up.is_empty() && self.socket.unacknowledged() == 0 && self.received.is_empty()
    }

    /// Whether the client knows that it is closed or broken, and has all that the server sent before.
    pub(super) fn is_closed(&self) -> bool {
        match self.state {
            State::Whole => {
                let closed = self.socket.is_closed() || self.socket.is_shut();
                closed && self.socket.unacknowledged() == 0
            }
            State::Dead => false,
            State::Broken => true,
        }
    }
}
