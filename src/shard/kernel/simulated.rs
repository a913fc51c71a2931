//! Simulated sockets for tests: the test says how many bytes they take, what they receive, and when they break.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A socket. The shard and the test, as its peer, share it.
#[derive(Debug, Clone, Default)]
pub(in crate::shard) struct Socket(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Bytes from the peer that were not read.
    incoming: VecDeque<u8>,
    /// What was sent.
    taken: Vec<u8>,
    /// How many more bytes are taken.
    room: usize,
    /// Bytes of what was sent that the peer has acknowledged.
    acknowledged: usize,
    /// Whether this half was closed.
    shut: bool,
    broken: Option<io::ErrorKind>,
}

/// What a test does with a socket.
impl Socket {
    /// A socket that takes so many bytes.
    pub(in crate::shard) fn with_room(bytes: usize) -> Self {
        let socket = Self::default();
        socket.make_room(bytes);
        socket
    }

    /// It takes so many bytes more.
    pub(in crate::shard) fn make_room(&self, bytes: usize) {
        self.state().room += bytes;
    }

    /// These bytes have come.
    pub(in crate::shard) fn comes(&self, bytes: &[u8]) {
        self.state().incoming.extend(bytes);
    }

    /// It is broken.
    pub(in crate::shard) fn breaks(&self, error: io::ErrorKind) {
        self.state().broken = Some(error);
    }

    /// The peer has acknowledged all that was sent.
    pub(in crate::shard) fn acknowledge(&self) {
        let mut state = self.state();
        state.acknowledged = state.taken.len();
    }

    /// What was sent so far.
    pub(in crate::shard) fn sent(&self) -> Vec<u8> {
        self.state().taken.clone()
    }

    /// Whether this half was closed.
    pub(in crate::shard) fn is_shut(&self) -> bool {
        self.state().shut
    }
}

/// What the shard does with it.
impl Socket {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.state();
        if let Some(error) = state.broken {
            return Err(error.into());
        }
        let count = bytes.len().min(state.room);
        if count == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        state.room -= count;
        state.taken.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.state();
        if let Some(error) = state.broken {
            return Err(error.into());
        }
        if state.incoming.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = buffer.len().min(state.incoming.len());
        buffer.iter_mut().zip(state.incoming.drain(..count)).for_each(|(to, byte)| *to = byte);
        Ok(count)
    }

    pub(super) fn unacknowledged(&self) -> usize {
        let state = self.state();
        state.taken.len() - state.acknowledged
    }

    pub(super) fn unread(&self) -> usize {
        self.state().incoming.len()
    }

    pub(super) fn shut(&self) {
        self.state().shut = true;
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.send(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
