//! A client's connection: what is on its way up, and what has come down.

use std::collections::VecDeque;
use std::io::ErrorKind;

use crate::shard::kernel::simulated::Socket;

/// A connection, from the client's end.
pub(in super::super) struct Link {
    socket: Socket,
    /// Bytes on their way to the server.
    up: VecDeque<u8>,
    /// What has come of the server, and was not understood yet.
    pub(super) received: Vec<u8>,
}

impl Link {
    pub(in super::super) const fn new(socket: Socket) -> Self {
        Self { socket, up: VecDeque::new(), received: Vec::new() }
    }

    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.up.extend(bytes);
    }

    /// Brings at most so many bytes to the server.
    pub(in super::super) fn carry_up(&mut self, most: usize) {
        let bytes: Vec<u8> = self.up.drain(..most.min(self.up.len())).collect();
        if !bytes.is_empty() {
            self.socket.comes(&bytes);
        }
    }

    /// Brings what the server has sent to the client, which makes room for as much.
    pub(in super::super) fn carry_down(&mut self) {
        let sent = self.socket.take_sent();
        self.received.extend_from_slice(&sent);
        if !sent.is_empty() {
            self.socket.make_room(sent.len());
        }
    }

    /// The connection breaks.
    pub(in super::super) fn break_off(&self) {
        self.socket.breaks(ErrorKind::ConnectionReset);
    }

    /// The client closes its half.
    pub(in super::super) fn end(&self) {
        self.socket.ends();
    }

    pub(super) fn describe(&self) -> String {
        let (up, sent) = (self.up.len(), self.socket.sent().len());
        let closed = self.socket.is_closed();
        format!("{up} up, {sent} down, closed {closed}, received {:?}", String::from_utf8_lossy(&self.received))
    }

    /// Whether nothing is on its way, either way.
    pub(super) fn is_idle(&self) -> bool {
        self.up.is_empty() && self.socket.sent().is_empty() && self.received.is_empty()
    }

    /// Whether the server has closed it, and all that it sent has come.
    pub(super) fn is_closed(&self) -> bool {
        (self.socket.is_closed() || self.socket.is_shut()) && self.socket.sent().is_empty()
    }

    /// Takes the head of an answer, if it is whole: the connection has become a WebSocket.
    pub(super) fn take_head(&mut self) -> bool {
        let end = self.received.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            assert!(self.received.starts_with(b"HTTP/1.1 101 "), "{:?}", String::from_utf8_lossy(&self.received));
            self.received.drain(..end + 4);
        }
        end.is_some()
    }
}
