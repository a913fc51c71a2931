//! Answers that a thread waits for.

use std::fmt;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, bounded};

use crate::error::WaitError;
use crate::shard::Shard;

/// An answer that has yet to come: an acknowledgement ([`SocketHandle::ask`](crate::SocketHandle::ask)), or those of many
/// ([`Broadcast::ask`](crate::Broadcast::ask)). It comes once, within the time that was given with the question, and goes to any
/// thread that waits for it.
///
/// A thread that serves sockets must not wait: it would serve nobody meanwhile, and the client that is to answer may be one of
/// its own. There, waiting fails at once ([`WaitError::EventLoop`]), unless the answer has come already.
#[must_use = "nobody gets the answer unless somebody waits for it"]
pub struct Pending<T, E> {
    answer: Receiver<Result<T, E>>,
}

/// The right to give a pending answer.
pub(in crate::app) struct Answerer<T, E> {
    sender: Sender<Result<T, E>>,
    /// What is given if nothing else is.
    otherwise: Option<E>,
}

impl<T, E> Pending<T, E> {
    /// `otherwise`: why there is no answer if nobody gives any.
    pub(in crate::app) fn new(otherwise: Option<E>) -> (Answerer<T, E>, Self) {
        let (sender, answer) = bounded(1);
        (Answerer { sender, otherwise }, Self { answer })
    }

    /// Waits for the answer.
    ///
    /// # Errors
    /// If there is none, and on the thread of an event loop.
    pub fn recv(self) -> Result<T, WaitError<E>> {
        self.wait(|answer| answer.recv().map_err(|_| RecvTimeoutError::Disconnected))
    }

    /// Waits for the answer, but no longer than `timeout`. If it has not come by then, it may be waited for again.
    ///
    /// # Errors
    /// If there is none, or none yet, and on the thread of an event loop.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, WaitError<E>> {
        self.wait(|answer| answer.recv_timeout(timeout))
    }

    /// Waits as `receive` does, unless the answer is there, or this thread must not wait.
    fn wait(
        &self,
        receive: impl FnOnce(&Receiver<Result<T, E>>) -> Result<Result<T, E>, RecvTimeoutError>,
    ) -> Result<T, WaitError<E>> {
        match self.try_recv() {
            Err(WaitError::NotYet) if Shard::runs_here() => Err(WaitError::EventLoop),
            Err(WaitError::NotYet) => match receive(&self.answer) {
                Ok(answer) => answer.map_err(WaitError::NoAnswer),
                Err(RecvTimeoutError::Timeout) => Err(WaitError::NotYet),
                Err(RecvTimeoutError::Disconnected) => Err(WaitError::Closed),
            },
            known => known,
        }
    }

    /// The answer, if it has come. This does not wait, so an event loop may call it.
    ///
    /// # Errors
    /// If there is none, or none yet.
    pub fn try_recv(&self) -> Result<T, WaitError<E>> {
        match self.answer.try_recv() {
            Ok(answer) => answer.map_err(WaitError::NoAnswer),
            Err(TryRecvError::Empty) => Err(WaitError::NotYet),
            Err(TryRecvError::Disconnected) => Err(WaitError::Closed),
        }
    }
}

impl<T, E> fmt::Debug for Pending<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("has_come", &!self.answer.is_empty()).finish_non_exhaustive()
    }
}

impl<T, E> Answerer<T, E> {
    pub(in crate::app) fn give(mut self, answer: Result<T, E>) {
        self.otherwise = None;
        // Nobody may wait any more.
        let _ = self.sender.send(answer);
    }
}

impl<T, E> Drop for Answerer<T, E> {
    fn drop(&mut self) {
        if let Some(why) = self.otherwise.take() {
            let _ = self.sender.send(Err(why));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_comes_once() {
        let (answerer, pending) = Pending::<_, &str>::new(Some("nobody"));
        assert_eq!(pending.try_recv(), Err(WaitError::NotYet));
        assert_eq!(pending.recv_timeout(Duration::ZERO), Err(WaitError::NotYet));
        answerer.give(Ok(7));
        assert_eq!(pending.recv_timeout(Duration::ZERO), Ok(7));
        assert_eq!(pending.recv(), Err(WaitError::Closed));
    }

    #[test]
    fn whoever_does_not_answer_says_why_if_that_is_known() {
        let (answerer, pending) = Pending::<(), _>::new(Some("nobody"));
        drop(answerer);
        assert_eq!(pending.recv(), Err(WaitError::NoAnswer("nobody")));
        let (answerer, pending) = Pending::<(), &str>::new(None);
        drop(answerer);
        assert_eq!(pending.recv(), Err(WaitError::Closed));
    }
}
