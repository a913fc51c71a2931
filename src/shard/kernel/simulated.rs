//! A kernel that does as a test says: sockets that take so many bytes and no more, give what has come, and break; a listener to
//! which a test connects; a poll that tells of changes once, as the real one does.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::shard::kernel::poll::{Readiness, Ready};
use crate::shard::store::keys::ConnectionKey;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What tells a shard of changes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Poll(Arc<Mutex<PollState>>);

#[derive(Debug, Default)]
struct PollState {
    ready: VecDeque<Ready>,
    taken: Vec<Ready>,
}

impl Poll {
    /// Whether there is something to tell.
    pub(super) fn is_ready(&self) -> bool {
        !lock(&self.0).ready.is_empty()
    }

    pub(super) fn wake(&self) {
        lock(&self.0).ready.push_back(Ready::Woken);
    }

    /// Takes what is to be told, at most so much.
    pub(super) fn take(&self, most: usize) {
        let mut state = lock(&self.0);
        let count = state.ready.len().min(most);
        state.taken = state.ready.drain(..count).collect();
    }

    pub(super) fn taken(&self) -> Vec<Ready> {
        lock(&self.0).taken.clone()
    }

    /// Tells of a connection, together with what is not told of it yet.
    fn tell(&self, key: ConnectionKey, news: Readiness) {
        let mut state = lock(&self.0);
        for ready in &mut state.ready {
            if let Ready::Connection(other, readiness) = ready
                && *other == key
            {
                readiness.readable |= news.readable;
                readiness.writable |= news.writable;
                readiness.read_closed |= news.read_closed;
                return;
            }
        }
        state.ready.push_back(Ready::Connection(key, news));
    }

    /// Tells nothing of a connection that it has not told yet.
    fn forget(&self, key: ConnectionKey) {
        lock(&self.0).ready.retain(|ready| !matches!(ready, Ready::Connection(other, _) if *other == key));
    }
}

/// A listener to which a test connects.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listener(Arc<Mutex<ListenerState>>);

#[derive(Debug, Default)]
struct ListenerState {
    backlog: VecDeque<(Socket, SocketAddr)>,
    /// How many may wait there.
    most: usize,
    /// How many of the next attempts to accept fail.
    failures: usize,
    /// Whether the last attempt failed.
    has_failed: bool,
    is_closed: bool,
    poll: Option<Poll>,
}

/// What a test does with a listener.
impl Listener {
    /// A listener with which so many connections may wait.
    pub(in crate::shard) fn with_backlog(most: usize) -> Self {
        Self(Arc::new(Mutex::new(ListenerState { most, ..ListenerState::default() })))
    }

    /// A client connects. False if that is refused: the backlog is full, or nobody listens any more.
    pub(in crate::shard) fn connect(&self, socket: Socket, peer: SocketAddr) -> bool {
        let mut state = lock(&self.0);
        if state.is_closed || state.backlog.len() >= state.most {
            return false;
        }
        state.backlog.push_back((socket, peer));
        if let Some(poll) = &state.poll {
            lock(&poll.0).ready.push_back(Ready::Listener);
        }
        true
    }

    /// So many of the next attempts to accept fail.
    pub(in crate::shard) fn fail(&self, times: usize) {
        lock(&self.0).failures = times;
    }

    /// Whether somebody waits because it cannot accept.
    pub(in crate::shard) fn is_failing(&self) -> bool {
        let state = lock(&self.0);
        !state.backlog.is_empty() && (state.failures > 0 || state.has_failed)
    }
}

/// What the shard does with it.
impl Listener {
    pub(super) fn watch(&self, poll: &Poll) {
        lock(&self.0).poll = Some(poll.clone());
    }

    pub(super) fn accept(&self) -> io::Result<(Socket, SocketAddr)> {
        let mut state = lock(&self.0);
        if state.failures > 0 && !state.backlog.is_empty() {
            state.failures -= 1;
            state.has_failed = true;
            return Err(io::Error::other("no descriptor is left"));
        }
        state.has_failed = false;
        state.backlog.pop_front().ok_or_else(|| io::ErrorKind::WouldBlock.into())
    }

    /// Nobody listens any more, and who waits there is reset.
    pub(super) fn close(&self) {
        let mut state = lock(&self.0);
        state.is_closed = true;
        state.backlog.drain(..).for_each(|(socket, _)| socket.close());
    }
}

/// A socket and its peer, who hold it together.
#[derive(Debug, Clone, Default)]
pub(in crate::shard) struct Socket(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Bytes from the peer that were not read.
    incoming: VecDeque<u8>,
    /// Whether the peer has closed its half.
    ended: bool,
    /// Whether the shard has read that.
    is_end_read: bool,
    /// What was sent.
    taken: Vec<u8>,
    /// How many more bytes are taken.
    room: usize,
    /// Bytes of what was sent that the peer has acknowledged.
    acknowledged: usize,
    /// Whether this half was closed.
    shut: bool,
    /// Whether the server has let go of it.
    closed: bool,
    broken: Option<io::ErrorKind>,
    watched: Option<Watched>,
}

/// Who is told of changes.
#[derive(Debug)]
struct Watched {
    poll: Poll,
    key: ConnectionKey,
    /// Whether it is told of room, too.
    writes: bool,
}

impl State {
    /// Tells of what is the case, or of what has changed.
    fn tell(&self, readable: bool, writable: bool) {
        let Some(watched) = &self.watched else { return };
        let read_closed = self.ended || self.broken.is_some();
        let readiness =
            Readiness { readable: readable || read_closed, writable: writable && watched.writes, read_closed };
        if readiness.readable || readiness.writable {
            watched.poll.tell(watched.key, readiness);
        }
    }
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
        let mut state = lock(&self.0);
        state.room += bytes;
        state.tell(false, bytes > 0);
    }

    /// These bytes have come.
    pub(in crate::shard) fn comes(&self, bytes: &[u8]) {
        let mut state = lock(&self.0);
        state.incoming.extend(bytes);
        state.tell(true, false);
    }

    /// The peer closes its half behind what has come.
    pub(in crate::shard) fn ends(&self) {
        let mut state = lock(&self.0);
        state.ended = true;
        state.tell(true, false);
    }

    /// It is broken.
    pub(in crate::shard) fn breaks(&self, error: io::ErrorKind) {
        let mut state = lock(&self.0);
        state.broken = Some(error);
        state.tell(true, true);
    }

    /// Whether it takes bytes, or tells of an error.
    pub(in crate::shard) fn takes_bytes(&self) -> bool {
        let state = lock(&self.0);
        state.room > 0 || state.broken.is_some()
    }

    /// The peer has acknowledged all that was sent.
    pub(in crate::shard) fn acknowledge(&self) {
        let mut state = lock(&self.0);
        state.acknowledged = state.taken.len();
    }

    /// What was sent so far.
    pub(in crate::shard) fn sent(&self) -> Vec<u8> {
        lock(&self.0).taken.clone()
    }

    /// Takes out at most so much of what was sent and not taken out yet: the peer has read it.
    pub(in crate::shard) fn take_sent(&self, most: usize) -> Vec<u8> {
        let mut state = lock(&self.0);
        state.acknowledged = 0;
        let count = state.taken.len().min(most);
        state.taken.drain(..count).collect()
    }

    /// Whether this half was closed.
    pub(in crate::shard) fn is_shut(&self) -> bool {
        lock(&self.0).shut
    }

    /// Whether the server has let go of it.
    pub(in crate::shard) fn is_closed(&self) -> bool {
        lock(&self.0).closed
    }
}

/// What the shard does with it.
impl Socket {
    /// Tells of what is the case now, and of changes from now on.
    pub(super) fn watch(&self, poll: &Poll, key: ConnectionKey, writes: bool) {
        let mut state = lock(&self.0);
        state.watched = Some(Watched { poll: poll.clone(), key, writes });
        state.tell(!state.incoming.is_empty(), state.room > 0);
    }

    /// The server lets go of it.
    pub(super) fn close(&self) {
        self.watch_no_more();
        lock(&self.0).closed = true;
    }

    pub(super) fn watch_no_more(&self) {
        let watched = lock(&self.0).watched.take();
        if let Some(Watched { poll, key, .. }) = watched {
            poll.forget(key);
        }
    }

    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = lock(&self.0);
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
        let mut state = lock(&self.0);
        if let Some(error) = state.broken {
            return Err(error.into());
        }
        if state.incoming.is_empty() && !state.ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = buffer.len().min(state.incoming.len());
        state.is_end_read |= count == 0;
        buffer.iter_mut().zip(state.incoming.drain(..count)).for_each(|(to, byte)| *to = byte);
        Ok(count)
    }

    pub(in crate::shard) fn unacknowledged(&self) -> usize {
        let state = lock(&self.0);
        state.taken.len().saturating_sub(state.acknowledged)
    }

    pub(super) fn unread(&self) -> usize {
        lock(&self.0).incoming.len()
    }

    /// Whether the peer has closed its half, or the connection has broken, and the shard has not read that.
    pub(in crate::shard) fn has_unread_end(&self) -> bool {
        let state = lock(&self.0);
        (state.ended && !state.is_end_read) || state.broken.is_some()
    }

    pub(super) fn shut(&self) {
        lock(&self.0).shut = true;
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
