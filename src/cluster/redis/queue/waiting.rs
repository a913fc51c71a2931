//! What waits for the publisher: messages, and questions for numbers of subscribers; and who is told what became of them.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use bytes::Bytes;
use log::Level;

use crate::clock;
use crate::log_line::LineKind;

/// The overhead that each message counts beside its channel and payload.
pub(in crate::cluster::redis) const OVERHEAD: usize = 64;

/// Panics of callbacks.
pub(in crate::cluster::redis) static PANICKED: LineKind =
    LineKind::new(Level::Error, module_path!(), "panics of callbacks about Redis");

/// What may happen to a message when too many wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It may be dropped to make room.
    Volatile,
    /// It is dropped only if there is no room for it when it is added.
    Lasting,
}

/// A waiting message.
#[derive(Debug)]
pub(in crate::cluster::redis) struct Waiting {
    pub(super) order: u64,
    pub(in crate::cluster::redis) channel: Bytes,
    pub(in crate::cluster::redis) payload: Bytes,
    pub(in crate::cluster::redis) kind: Kind,
    /// Until when it is useful, if not for ever.
    pub(super) until: Option<Instant>,
    /// The question for the number of its receivers, until it is asked.
    pub(in crate::cluster::redis) ask: Option<Box<Ask>>,
    pub(super) uncounted: Uncounted,
    /// Who wants to know what became of it. Such messages have an account of bytes of their own.
    pub(in crate::cluster::redis) receipt: Option<Box<Receipt>>,
}

/// Whether a message waits while there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// It leaves when there is one.
    Waits,
    /// It is of no use later.
    Fails,
}

/// Why a message was not published, or may not have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unpublished {
    /// It was not accepted, because Redis is not connected.
    #[error("Redis is away")]
    Away,
    /// It was not accepted, because too many bytes of such messages wait already.
    #[error("too many bytes already wait to be published")]
    Full,
    /// It was accepted, and then the connection ended before the answer.
    #[error("the connection to Redis ended")]
    Lost,
    /// Redis does not allow it.
    #[error("Redis refuses to publish it")]
    Refused,
}

/// The callback for what became of a message: how many have received it, as far as Redis knows.
pub(crate) type Received = Box<dyn FnOnce(Result<u64, Unpublished>) + Send>;

/// The wish to know what became of a message.
pub(in crate::cluster::redis) struct Receipt {
    pub(in crate::cluster::redis) patience: Patience,
    pub(in crate::cluster::redis) received: Received,
}

impl Receipt {
    /// Tells what became of the message, on the publisher's thread. A panic of the callback must not end that thread.
    pub(in crate::cluster::redis) fn tell(self, outcome: Result<u64, Unpublished>) {
        if catch_unwind(AssertUnwindSafe(|| (self.received)(outcome))).is_err() {
            PANICKED.write(|| "the callback for a message's receivers panicked".to_owned());
        }
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt").field("patience", &self.patience).finish_non_exhaustive()
    }
}

/// What happens to a message whose receivers cannot be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Uncounted {
    /// It is dropped.
    Dropped,
    /// It is published like any other.
    Published,
}

impl Waiting {
    pub(in crate::cluster::redis) fn size(&self) -> usize {
        self.channel.len() + self.payload.len() + OVERHEAD
    }

    /// Whether it may wait for another connection.
    pub(super) fn may_wait(&self) -> bool {
        self.uncounted == Uncounted::Published
            && self.receipt.as_ref().is_none_or(|receipt| receipt.patience == Patience::Waits)
    }

    /// Whether its time is over.
    pub(in crate::cluster::redis) fn is_stale(&self) -> bool {
        self.until.is_some_and(|until| until <= clock::now())
    }

    /// Whether it needed its count, and nobody waits for that any more.
    pub(in crate::cluster::redis) fn is_too_late(&self, ask: &Ask) -> bool {
        self.uncounted == Uncounted::Dropped && ask.until <= clock::now()
    }
}

/// Why a question was not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// Redis is not connected, or the connection ended before its answer.
    #[error("Redis is away")]
    Away,
    /// Redis did not answer in time.
    #[error("Redis did not answer in time")]
    Timeout,
    /// Redis answered with something else.
    #[error("Redis refused to answer: {0}")]
    Refused(String),
    /// As many questions wait as may wait.
    #[error("too many questions already wait for Redis")]
    Full,
    /// There is no room for the message whose receivers would be counted (`redis_queue`).
    #[error("too many bytes already wait to be published")]
    NoRoom,
}

/// The callback for the answer to a question.
pub(in crate::cluster::redis) type Reply = Box<dyn FnOnce(Result<Vec<u64>, AskError>) + Send>;

/// A question for the numbers of subscribers of some channels.
pub(in crate::cluster::redis) struct Ask {
    pub(in crate::cluster::redis) channels: Vec<Bytes>,
    pub(in crate::cluster::redis) until: Instant,
    pub(in crate::cluster::redis) reply: Reply,
}

impl Ask {
    /// Passes the answer on, on the publisher's thread. A panic of the callback must not end that thread.
    pub(in crate::cluster::redis) fn answer(self, answer: Result<Vec<u64>, AskError>) {
        if catch_unwind(AssertUnwindSafe(|| (self.reply)(answer))).is_err() {
            PANICKED.write(|| "the callback for the number of a channel's subscribers panicked".to_owned());
        }
    }
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask").field("channels", &self.channels).field("until", &self.until).finish_non_exhaustive()
    }
}
