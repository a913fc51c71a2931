//! Outcomes: the types that handlers may return.

use std::fmt::Display;

use super::event::Event;
use crate::app::base::{Args, Failure, HandlerError};

/// The result of a handler, or of a callback: nothing, a value, or a `Result` of either.
///
/// A handler of an event acknowledges it with the value, if the client waits for that: the value is any [`Args`], so a tuple is
/// several arguments, and a type of the program's own is one in a tuple of one. `()` acknowledges nothing. An error is logged,
/// counted and told to the client ([`Namespace::on_error`](crate::Namespace::on_error)). Values of callbacks, and of handlers of
/// anything else than events, are dropped; their errors are logged and counted, too. A closure that uses `?` ends with [`kinglet::Ok`](crate::Ok).
///
/// ```no_run
/// # let mut server = kinglet::Server::new(kinglet::Config::default())?;
/// server
///     .of("/")
///     .on("rooms", |socket, _| socket.rooms())
///     .on("range", |_, _| (1, 10))
///     .on("join", |socket, event| {
///         let (room,): (String,) = event.args()?;
///         socket.join(&room)?;
///         kinglet::Ok(room)
///     });
/// # Ok::<(), kinglet::Error>(())
/// ```
pub trait Outcome: Sized {
    /// Why the handler failed; `None` if it did not.
    fn failure(self) -> Option<String>;

    /// Acknowledges the event with the value, if there is one. Returns why the handler failed; then nothing is acknowledged.
    fn answer(self, event: &Event) -> Option<HandlerError> {
        let _ = event;
        self.failure().map(HandlerError::new)
    }
}

impl<A: Args> Outcome for A {
    fn failure(self) -> Option<String> {
        None
    }

    fn answer(self, event: &Event) -> Option<HandlerError> {
        if !self.is_answer() {
            return None;
        }
        event.ack(self).err().map(HandlerError::new)
    }
}

impl<A: Args, E: Display + 'static> Outcome for Result<A, E> {
    fn failure(self) -> Option<String> {
        self.err().map(|error| error.to_string())
    }

    fn answer(self, event: &Event) -> Option<HandlerError> {
        match self {
            Ok(value) => value.answer(event),
            Err(error) => Some(HandlerError::new(error)),
        }
    }
}

/// The failure of a handler that only looks on: its value does not acknowledge the event.
pub(in crate::app) fn overheard(outcome: impl Outcome, event: &Event) -> Failure {
    let ack = event.set_ack(None);
    let failure = outcome.answer(event);
    event.set_ack(ack);
    failure
}

/// The failure of a handler that answers nobody.
pub(in crate::app) fn failure(outcome: impl Outcome) -> Failure {
    outcome.failure().map(HandlerError::new)
}
