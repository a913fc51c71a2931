//! How the threads sleep: until the socket, another thread or a deadline wakes them.

use std::io;
use std::time::Instant;

use mio::{Events, Interest, Token};

#[cfg(test)]
use super::simulated;
use super::tcp::Tcp;
use crate::clock;

const WAKER: Token = Token(0);
const SOCKET: Token = Token(1);

/// A thread's sleep; in tests one may be simulated.
#[derive(Debug)]
pub(super) enum Sleep {
    Real(mio::Poll, Events),
    #[cfg(test)]
    Simulated(simulated::Sleep),
}

/// Ends a thread's sleep.
#[derive(Debug)]
pub(super) enum Waker {
    Real(mio::Waker),
    #[cfg(test)]
    Simulated(simulated::Sleep),
}

/// What ended a sleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Woken {
    /// The socket has something to read, or has ended.
    Readable,
    /// Anything else.
    Otherwise,
}

/// How long the thread may sleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// Not at all.
    No,
    Until(Instant),
    /// For ever: it has ended.
    End,
}

impl Sleep {
    /// A sleep that other threads can end.
    pub(super) fn new() -> io::Result<(Self, Waker)> {
        #[cfg(test)]
        if simulated::network().is_some() {
            let sleep = simulated::Sleep::default();
            return Ok((Self::Simulated(sleep.clone()), Waker::Simulated(sleep)));
        }
        let poll = mio::Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), WAKER)?;
        Ok((Self::Real(poll, Events::with_capacity(4)), Waker::Real(waker)))
    }

    /// Makes `tcp` wake this thread when it becomes readable or writable again (edge-triggered).
    pub(super) fn watch(&self, tcp: &mut Tcp) -> io::Result<()> {
        match (self, tcp) {
            (Self::Real(poll, _), Tcp::Real(tcp)) => {
                poll.registry().register(tcp, SOCKET, Interest::READABLE | Interest::WRITABLE)
            }
            #[cfg(test)]
            (Self::Simulated(sleep), Tcp::Simulated(tcp)) => {
                sleep.watch(tcp);
                Ok(())
            }
            #[cfg(test)]
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Sleeps until something happens, at most until this instant.
    pub(super) fn until(&mut self, instant: Instant) -> io::Result<Woken> {
        let (poll, events) = match self {
            Self::Real(poll, events) => (poll, events),
            #[cfg(test)]
            Self::Simulated(sleep) => return Ok(sleep.take()),
        };
        match poll.poll(events, Some(instant.saturating_duration_since(clock::now()))) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        let readable = |event: &mio::event::Event| event.token() == SOCKET && (event.is_readable() || event.is_error());
        Ok(if events.iter().any(readable) { Woken::Readable } else { Woken::Otherwise })
    }
}

impl Waker {
    pub(super) fn wake(&self) -> io::Result<()> {
        match self {
            Self::Real(waker) => waker.wake(),
            #[cfg(test)]
            Self::Simulated(sleep) => {
                sleep.wake();
                Ok(())
            }
        }
    }
}
