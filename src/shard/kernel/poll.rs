//! The poll of a shard: it tells which of the watched listeners, sockets and pipes are ready.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::net::{TcpStream, UnixStream};
use mio::{Events, Interest, Registry, Token};

use crate::shard::kernel::listener::Listener;
use crate::shard::kernel::socket::Socket;
use crate::shard::store::keys::ConnectionKey;

const WAKER: Token = Token(usize::MAX);
const LISTENER: Token = Token(usize::MAX - 1);
const SIGNALS: Token = Token(usize::MAX - 2);

/// Events taken from the kernel at once.
pub(in crate::shard) const EVENTS: usize = 1024;

/// Sleeps until something that is watched is ready.
#[derive(Debug)]
pub(crate) struct Poll {
    poll: mio::Poll,
    events: Events,
}

/// What is ready.
#[derive(Debug, Clone, Copy)]
pub(in crate::shard) enum Ready {
    /// Another thread has woken the shard.
    Woken,
    /// There are new connections.
    Listener,
    /// A signal has come.
    Signals,
    /// A connection.
    Connection(ConnectionKey, Readiness),
}

/// What the kernel said of a connection.
#[derive(Debug, Clone, Copy)]
pub(in crate::shard) struct Readiness {
    pub(in crate::shard) readable: bool,
    pub(in crate::shard) writable: bool,
    pub(in crate::shard) read_closed: bool,
}

impl Poll {
    /// A poll that watches nothing.
    ///
    /// # Errors
    /// If the system refuses one.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { poll: mio::Poll::new()?, events: Events::with_capacity(EVENTS) })
    }

    /// A waker that other threads wake it with. There may be one.
    ///
    /// # Errors
    /// If the system refuses one.
    pub(crate) fn waker(&self) -> io::Result<Waker> {
        Ok(Waker(Arc::new(mio::Waker::new(self.poll.registry(), WAKER)?)))
    }

    /// The part of the poll that sockets are registered with.
    ///
    /// # Errors
    /// If the system refuses another descriptor of the poll.
    pub(in crate::shard) fn watch(&self) -> io::Result<Watch> {
        self.poll.registry().try_clone().map(Watch::Mio)
    }

    /// Watches a listener.
    ///
    /// # Errors
    /// The system's error, if it refuses.
    pub(in crate::shard) fn watch_listener(&self, listener: &mut Listener) -> io::Result<()> {
        self.poll.registry().register(listener.source(), LISTENER, Interest::READABLE)
    }

    /// Watches a pipe that tells of signals.
    ///
    /// # Errors
    /// The system's error, if it refuses.
    pub(in crate::shard) fn watch_signals(&self, pipe: &mut UnixStream) -> io::Result<()> {
        self.poll.registry().register(pipe, SIGNALS, Interest::READABLE)
    }

    /// Sleeps until something is ready or `timeout` is over. Returns false if a signal interrupted it.
    ///
    /// # Errors
    /// If the kernel refuses to be polled.
    pub(in crate::shard) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// How often it was woken since the last call.
    #[cfg(test)]
    pub(crate) fn wakes(&mut self) -> usize {
        assert!(self.wait(Some(Duration::ZERO)).is_ok_and(|slept| slept));
        self.ready().filter(|ready| matches!(ready, Ready::Woken)).count()
    }

    /// What was ready when it woke: at most [`EVENTS`].
    pub(in crate::shard) fn ready(&self) -> impl Iterator<Item = Ready> {
        self.events.iter().map(|event| match event.token() {
            WAKER => Ready::Woken,
            LISTENER => Ready::Listener,
            SIGNALS => Ready::Signals,
            token => Ready::Connection(ConnectionKey(token.0 as u32), event.into()),
        })
    }
}

impl From<&mio::event::Event> for Readiness {
    fn from(event: &mio::event::Event) -> Self {
        let read_closed = event.is_read_closed() || event.is_error();
        Self { readable: event.is_readable() || read_closed, writable: event.is_writable(), read_closed }
    }
}

/// Wakes a poll from any thread.
#[derive(Debug, Clone)]
pub(crate) struct Waker(Arc<mio::Waker>);

impl Waker {
    /// Wakes it, or keeps it from sleeping the next time.
    ///
    /// # Errors
    /// The system's error, if it refuses.
    pub(in crate::shard) fn wake(&self) -> io::Result<()> {
        self.0.wake()
    }
}

/// Which sockets a poll watches.
#[derive(Debug)]
pub(in crate::shard) enum Watch {
    Mio(Registry),
    /// Nothing is watched: a test looks at its sockets itself.
    #[cfg(test)]
    Simulated,
}

impl Watch {
    /// Watches for bytes to read, and for the peer's end, on a connection's socket.
    ///
    /// # Errors
    /// The system's error, if it refuses.
    pub(in crate::shard) fn reads(&self, socket: &mut Socket, key: ConnectionKey) -> io::Result<()> {
        self.with(socket, |registry, source| registry.register(source, token(key), Interest::READABLE))
    }

    /// Watches for room to write, too. A socket that has room now is reported at once.
    ///
    /// # Errors
    /// The system's error, if it refuses.
    pub(in crate::shard) fn writes(&self, socket: &mut Socket, key: ConnectionKey) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        self.with(socket, |registry, source| registry.reregister(source, token(key), both))
    }

    /// Stops watching a socket.
    ///
    /// # Errors
    /// The system's error, if it refuses.
    pub(in crate::shard) fn nothing(&self, socket: &mut Socket) -> io::Result<()> {
        self.with(socket, |registry, source| registry.deregister(source))
    }

    #[inline]
    fn with(
        &self,
        socket: &mut Socket,
        act: impl FnOnce(&Registry, &mut TcpStream) -> io::Result<()>,
    ) -> io::Result<()> {
        match (self, socket) {
            (Self::Mio(registry), Socket::Tcp(stream)) => act(registry, stream),
            #[cfg(test)]
            _ => Ok(()),
        }
    }
}

fn token(key: ConnectionKey) -> Token {
    Token(key.0 as usize)
}
