//! How the threads sleep: until the socket, another thread or a deadline wakes them.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};

const WAKER: Token = Token(0);
const SOCKET: Token = Token(1);

#[derive(Debug)]
pub(super) struct Sleep {
    poll: Poll,
    events: Events,
}

/// What ended a sleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Woken {
    /// The socket has something to read, or has ended.
    Readable,
    /// Anything else.
    Otherwise,
}

impl Sleep {
    /// A sleep that other threads can end.
    pub(super) fn new() -> io::Result<(Self, Arc<Waker>)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        Ok((Self { poll, events: Events::with_capacity(4) }, Arc::new(waker)))
    }

    /// Makes `tcp` wake this thread when it becomes readable or writable again (edge-triggered).
    pub(super) fn watch(&self, tcp: &mut TcpStream) -> io::Result<()> {
        self.poll.registry().register(tcp, SOCKET, Interest::READABLE | Interest::WRITABLE)
    }

    /// Sleeps until something happens, at most until this instant.
    pub(super) fn until(&mut self, instant: Instant) -> io::Result<Woken> {
        match self.poll.poll(&mut self.events, Some(instant.saturating_duration_since(Instant::now()))) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        let readable = |event: &mio::event::Event| event.token() == SOCKET && (event.is_readable() || event.is_error());
        Ok(if self.events.iter().any(readable) { Woken::Readable } else { Woken::Otherwise })
    }
}
