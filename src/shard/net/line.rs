//! The line: connections with unread bytes, in the order in which they are read.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use crate::shard::net::Net;
use crate::shard::net::connection::{ReadState, Stage};
use crate::shard::store::keys::ConnectionKey;

/// The part of a turn that requests have before WebSockets.
const REQUESTS: Duration = Duration::from_micros(1500);

/// A connection that is to be read.
#[derive(Debug, Clone, Copy)]
pub(in crate::shard) struct Due {
    pub(in crate::shard) key: ConnectionKey,
    /// Whether it must be read until nothing is left: the poll is edge-triggered, and does not tell again of bytes that have
    /// come.
    pub(in crate::shard) to_end: bool,
}

/// Connections with unread bytes.
#[derive(Debug, Default)]
pub(in crate::shard) struct Line {
    requests: VecDeque<Due>,
    websockets: VecDeque<Due>,
}

impl Line {
    /// Whether no connection waits that may be read. WebSockets count only if `websockets`.
    pub(in crate::shard) fn is_empty(&self, websockets: bool) -> bool {
        self.requests.is_empty() && (!websockets || self.websockets.is_empty())
    }

    /// How many connections stand in it.
    pub(in crate::shard) fn len(&self) -> usize {
        self.requests.len() + self.websockets.len()
    }

    /// The next connection, after `spent` of the turn; a WebSocket only if `websockets`.
    pub(in crate::shard) fn next(&mut self, spent: Duration, websockets: bool) -> Option<Due> {
        let others = websockets && !self.websockets.is_empty();
        if others && (self.requests.is_empty() || spent >= REQUESTS) {
            return self.websockets.pop_front();
        }
        self.requests.pop_front()
    }

    /// All connections in it.
    #[cfg(debug_assertions)]
    pub(in crate::shard) fn keys(&self) -> impl Iterator<Item = ConnectionKey> {
        self.requests.iter().chain(&self.websockets).map(|due| due.key)
    }

    /// The turn is over: the kernel has told of the connections that are left.
    pub(in crate::shard) fn end_turn(&mut self) {
        self.requests.iter_mut().chain(&mut self.websockets).for_each(|due| due.to_end = true);
    }
}

impl Net {
    /// The kernel tells of bytes of a connection, or of its end.
    pub(in crate::shard) fn readable(&mut self, key: ConnectionKey, to_end: bool) {
        let Some(connection) = self.connections.get_mut(key.0) else { return };
        // A connection in the line is read to the end. One that is held up is read when it goes on.
        if connection.input != ReadState::Awaited {
            return;
        }
        connection.input = ReadState::InLine;
        let is_websocket = matches!(connection.stage, Stage::WebSocket(_) | Stage::Tunnel(_));
        let line = if is_websocket { &mut self.line.websockets } else { &mut self.line.requests };
        line.push_back(Due { key, to_end });
    }

    /// Puts a connection that may have bytes left to the end of the line.
    pub(in crate::shard) fn line_up(&mut self, key: ConnectionKey) {
        if let Some(connection) = self.connections.get_mut(key.0).filter(|it| it.input != ReadState::InLine) {
            connection.input = ReadState::Awaited;
            self.readable(key, true);
        }
    }

    /// Begins to read a connection from the line. Says whether it still stands there: its key may be another connection's by
    /// now.
    pub(in crate::shard) fn begins_to_be_read(&mut self, key: ConnectionKey) -> bool {
        let connection = self.connections.get_mut(key.0).filter(|connection| connection.input == ReadState::InLine);
        connection.map(|connection| connection.input = ReadState::Awaited).is_some()
    }

    /// Reads what has come for a connection, if there is one of that key. See [`Socket::receive`].
    ///
    /// [`Socket::receive`]: crate::shard::kernel::socket::Socket::receive
    #[inline]
    pub(in crate::shard) fn receive(&mut self, key: ConnectionKey, buffer: &mut [u8]) -> Option<io::Result<usize>> {
        let connection = self.connections.get(key.0)?;
        Some(connection.socket.receive(buffer, self.pipes.at(key)))
    }

    /// Bytes of a connection's peer that wait to be read; 0 if the kernel does not know.
    pub(in crate::shard) fn unread(&self, key: ConnectionKey) -> u64 {
        self.connections.get(key.0).map_or(0, |connection| connection.socket.unread(&self.pipes, key))
    }

    /// Whether a connection may have unread bytes.
    pub(in crate::shard) fn is_unread(&self, key: ConnectionKey) -> bool {
        self.connections.get(key.0).is_some_and(|connection| connection.input != ReadState::Awaited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(key: u32) -> Due {
        Due { key: ConnectionKey(key), to_end: false }
    }

    fn next(line: &mut Line, spent: Duration, websockets: bool) -> Option<u32> {
        line.next(spent, websockets).map(|due| due.key.0)
    }

    #[test]
    fn requests_come_first_for_a_part_of_the_time() {
        let mut line = Line { requests: [1, 2, 3].map(due).into(), websockets: [4, 5].map(due).into() };
        assert_eq!(next(&mut line, Duration::ZERO, true), Some(1));
        assert_eq!(next(&mut line, REQUESTS, true), Some(4));
        assert_eq!(next(&mut line, REQUESTS, false), Some(2), "WebSockets may not be read");
        assert_eq!(next(&mut line, REQUESTS, true), Some(5));
        assert_eq!(next(&mut line, REQUESTS, true), Some(3), "nobody else waits");
        assert!(line.is_empty(true));
    }

    #[test]
    fn a_connection_that_is_left_over_is_read_to_the_end() {
        let mut line = Line { requests: [1].map(due).into(), websockets: [2].map(due).into() };
        line.end_turn();
        assert!(line.requests.iter().chain(&line.websockets).all(|due| due.to_end));
    }
}
