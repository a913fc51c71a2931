//! The poll of a shard: it tells which of the watched listeners, sockets and pipes are ready.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::net::UnixStream;
use mio::{Events, Interest, Registry, Token};

use crate::shard::kernel::listener::Listener;
#[cfg(test)]
use crate::shard::kernel::simulated;
use crate::shard::kernel::socket::{Other, Socket};
use crate::shard::store::keys::ConnectionKey;

const WAKER: Token = Token(usize::MAX);
const LISTENER: Token = Token(usize::MAX - 1);
const SIGNALS: Token = Token(usize::MAX - 2);

/// Events taken from the kernel at once.
pub(in crate::shard) const EVENTS: usize = 1024;

/// Sleeps until something that is watched is ready.
#[derive(Debug)]
pub(crate) struct Poll(Kind);

#[derive(Debug)]
enum Kind {
    Mio {
        poll: mio::Poll,
        events: Events,
    },
    #[cfg(test)]
    Simulated(simulated::Poll),
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
        Ok(Self(Kind::Mio { poll: mio::Poll::new()?, events: Events::with_capacity(EVENTS) }))
    }

    /// One that a test makes ready.
    #[cfg(test)]
    pub(in crate::shard) const fn simulated(poll: simulated::Poll) -> Self {
        Self(Kind::Simulated(poll))
    }

    /// A waker that other threads wake it with. There may be one.
    ///
    /// # Errors
    /// If the system refuses one.
    pub(crate) fn waker(&self) -> io::Result<Waker> {
        match &self.0 {
            Kind::Mio { poll, .. } => Ok(Waker::Mio(Arc::new(mio::Waker::new(poll.registry(), WAKER)?))),
            #[cfg(test)]
            Kind::Simulated(poll) => Ok(Waker::Simulated(poll.clone())),
        }
    }

    /// The part of the poll that sockets are registered with.
    ///
    /// # Errors
    /// If the system refuses another descriptor of the poll.
    pub(in crate::shard) fn watch(&self) -> io::Result<Watch> {
        match &self.0 {
            Kind::Mio { poll, .. } => poll.registry().try_clone().map(Watch::Mio),
            #[cfg(test)]
            Kind::Simulated(poll) => Ok(Watch::Simulated(poll.clone())),
        }
    }

    /// Watches a listener.
    ///
    /// # Errors
    /// The system's error, if it refuses.
    pub(in crate::shard) fn watch_listener(&self, listener: &mut Listener) -> io::Result<()> {
        match (&self.0, listener) {
            (Kind::Mio { poll, .. }, Listener::Tcp(listener)) => {
                poll.registry().register(listener, LISTENER, Interest::READABLE)
            }
            #[cfg(test)]
            (Kind::Simulated(poll), Listener::Simulated(listener)) => {
                listener.watch(poll);
                Ok(())
            }
            #[cfg(test)]
            _ => unreachable!("one is simulated, the other is not"),
        }
    }

    /// Watches a pipe that tells of signals.
    ///
    /// # Errors
    /// The system's error, if it refuses.
    pub(in crate::shard) fn watch_signals(&self, pipe: &mut UnixStream) -> io::Result<()> {
        match &self.0 {
            Kind::Mio { poll, .. } => poll.registry().register(pipe, SIGNALS, Interest::READABLE),
            #[cfg(test)]
            Kind::Simulated(_) => unreachable!("nobody sends signals to a simulation"),
        }
    }

    /// Sleeps until something is ready or `timeout` is over. Returns false if a signal interrupted it.
    ///
    /// # Errors
    /// If the kernel refuses to be polled.
    pub(in crate::shard) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
        match &mut self.0 {
            Kind::Mio { poll, events } => match poll.poll(events, timeout) {
                Ok(()) => Ok(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
                Err(error) => Err(error),
            },
            #[cfg(test)]
            Kind::Simulated(poll) => {
                poll.take(EVENTS);
                Ok(true)
            }
        }
    }

    /// Hands over what was ready when it woke, [`EVENTS`] at most.
    pub(in crate::shard) fn each_ready(&self, mut act: impl FnMut(Ready)) {
        match &self.0 {
            Kind::Mio { events, .. } => events.iter().for_each(|event| {
                act(match event.token() {
                    WAKER => Ready::Woken,
                    LISTENER => Ready::Listener,
                    SIGNALS => Ready::Signals,
                    token => Ready::Connection(ConnectionKey(token.0 as u32), event.into()),
                });
            }),
            #[cfg(test)]
            Kind::Simulated(poll) => poll.taken().into_iter().for_each(act),
        }
    }

    /// Whether something is ready that it was not waited for.
    #[cfg(test)]
    pub(in crate::shard) fn is_ready(&self) -> bool {
        matches!(&self.0, Kind::Simulated(poll) if poll.is_ready())
    }

    /// How often it was woken since that was asked last.
    #[cfg(test)]
    pub(crate) fn wakes(&mut self) -> usize {
        let mut wakes = 0;
        assert!(self.wait(Some(Duration::ZERO)).is_ok_and(|slept| slept));
        self.each_ready(|ready| wakes += usize::from(matches!(ready, Ready::Woken)));
        wakes
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
pub(crate) enum Waker {
    Mio(Arc<mio::Waker>),
    #[cfg(test)]
    Simulated(simulated::Poll),
}

impl Waker {
    /// Wakes it, or keeps it from sleeping the next time.
    ///
    /// # Errors
    /// The system's error, if it refuses.
    pub(in crate::shard) fn wake(&self) -> io::Result<()> {
        match self {
            Self::Mio(waker) => waker.wake(),
            #[cfg(test)]
            Self::Simulated(poll) => {
                poll.wake();
                Ok(())
            }
        }
    }
}

/// Which sockets a poll watches. It knows nothing of those in memory: their other end tells of them.
#[derive(Debug)]
pub(in crate::shard) enum Watch {
    Mio(Registry),
    #[cfg(test)]
    Simulated(simulated::Poll),
}

impl Watch {
    /// Watches for bytes to read, and for the peer's end, on a connection's socket.
    ///
    /// # Errors
    /// The system's error, if it refuses.
    pub(in crate::shard) fn reads(&self, socket: &mut Socket, key: ConnectionKey) -> io::Result<()> {
        match (self, socket) {
            (Self::Mio(registry), Socket::Tcp(stream)) => registry.register(stream, token(key), Interest::READABLE),
            (_, Socket::Other(Other::Pipe)) => Ok(()),
            #[cfg(test)]
            (Self::Simulated(poll), Socket::Other(Other::Simulated(socket))) => {
                socket.watch(poll, key, false);
                Ok(())
            }
            #[cfg(test)]
            _ => unreachable!("one is simulated, the other is not"),
        }
    }

    /// Watches for room to write, too. A socket that has room now is reported at once.
    ///
    /// # Errors
    /// The system's error, if it refuses.
    pub(in crate::shard) fn writes(&self, socket: &mut Socket, key: ConnectionKey) -> io::Result<()> {
        match (self, socket) {
            (Self::Mio(registry), Socket::Tcp(stream)) => {
                registry.reregister(stream, token(key), Interest::READABLE | Interest::WRITABLE)
            }
            (_, Socket::Other(Other::Pipe)) => Ok(()),
            #[cfg(test)]
            (Self::Simulated(poll), Socket::Other(Other::Simulated(socket))) => {
                socket.watch(poll, key, true);
                Ok(())
            }
            #[cfg(test)]
            _ => unreachable!("one is simulated, the other is not"),
        }
    }

    /// Stops watching a socket.
    ///
    /// # Errors
    /// The system's error, if it refuses.
    pub(in crate::shard) fn nothing(&self, socket: &mut Socket) -> io::Result<()> {
        match (self, socket) {
            (Self::Mio(registry), Socket::Tcp(stream)) => registry.deregister(stream),
            (_, Socket::Other(Other::Pipe)) => Ok(()),
            #[cfg(test)]
            (Self::Simulated(_), Socket::Other(Other::Simulated(socket))) => {
                socket.watch_no_more();
                Ok(())
            }
            #[cfg(test)]
            _ => unreachable!("one is simulated, the other is not"),
        }
    }
}

fn token(key: ConnectionKey) -> Token {
    Token(key.0 as usize)
}
