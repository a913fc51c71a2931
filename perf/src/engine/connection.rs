//! One socket of a client.

use std::io;

use mio::Token;

use crate::net::Stream;

/// Which of a client's sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The first: the WebSocket, or the one that polls.
    Main,
    /// The second: what posts beside a poll, or the WebSocket that a session is upgraded to.
    Second,
}

impl Side {
    /// The token of client `id`'s socket.
    pub const fn token(self, id: usize) -> Token {
        Token(id * 2 + self as usize)
    }

    /// The client and the socket of a token.
    pub const fn of_token(token: Token) -> (usize, Self) {
        (token.0 / 2, if token.0.is_multiple_of(2) { Self::Main } else { Self::Second })
    }
}

/// What a socket is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaits {
    /// No request is under way.
    Nothing,
    /// The answer that opens a session.
    Open,
    /// The answer to a POST.
    Posted,
    /// What is there for the session.
    Polled,
    /// The switch to WebSocket.
    Switch,
    /// Frames: the socket is a WebSocket.
    Frames,
}

/// A socket and what is half read or half written.
#[derive(Debug)]
pub struct Connection {
    /// The socket.
    pub stream: Stream,
    /// What comes next.
    pub awaits: Awaits,
    /// The beginning of something whose rest has not come.
    pub inbox: Vec<u8>,
    /// What the kernel has not taken yet.
    pub outbox: Vec<u8>,
    /// The parts of a message that came in fragments.
    pub fragments: Vec<u8>,
}

impl Connection {
    /// A connection that is being made.
    pub const fn new(stream: Stream) -> Self {
        Self { stream, awaits: Awaits::Nothing, inbox: Vec::new(), outbox: Vec::new(), fragments: Vec::new() }
    }

    /// Writes `bytes`, after what waits already; what the kernel does not take goes when it does.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.outbox.is_empty() {
            self.outbox.extend_from_slice(bytes);
            return Ok(());
        }
        let written = self.write_some(bytes)?;
        self.outbox.extend_from_slice(&bytes[written..]);
        Ok(())
    }

    /// Writes what waits.
    pub fn write_pending(&mut self) -> io::Result<()> {
        if !self.outbox.is_empty() {
            let outbox = std::mem::take(&mut self.outbox);
            let written = self.write_some(&outbox)?;
            if written < outbox.len() {
                self.outbox.extend_from_slice(&outbox[written..]);
            }
        }
        match self.stream.flush() {
            Err(error) if !is_not_yet(&error) => Err(error),
            _ => Ok(()),
        }
    }

    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = 0;
        while written < bytes.len() {
            match self.stream.write(&bytes[written..]) {
                Ok(taken) => written += taken,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_not_yet(&error) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(written)
    }
}

/// Whether the socket is merely not ready.
pub fn is_not_yet(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected)
}
