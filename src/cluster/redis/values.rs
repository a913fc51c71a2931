//! Values that Redis keeps for a while, and that are taken out once.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use bytes::Bytes;
use log::Level;
use redis::Value;

use crate::log_line::LineKind;

static PANICKED: LineKind = LineKind::new(Level::Error, module_path!(), "panics of callbacks about values in Redis");

/// Most bytes that wait to be written or taken: as much as a server leaves at its end, and some more.
pub(super) const MOST: usize = 32 * 1024 * 1024;

/// What each counts beside its key and value.
const OVERHEAD: usize = 128;

/// The callback for a value that was taken out, if there was one.
pub(crate) type TakenOut = Box<dyn FnOnce(Option<Bytes>) + Send>;

/// Why nothing is done with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// Redis is not connected, or the server ends.
    #[error("Redis is away")]
    Away,
    /// Too many wait already.
    #[error("too many bytes already wait for Redis")]
    Full,
}

/// Something to do with a value.
pub(super) enum Errand {
    /// Redis keeps it for so long.
    Keep { key: Bytes, value: Bytes, time: Duration },
    /// Redis gives it away, and has it no more.
    Take { key: Bytes, taken: TakenOut },
}

impl Errand {
    /// The bytes that it counts while it waits.
    pub(super) fn size(&self) -> usize {
        let (Self::Keep { key, .. } | Self::Take { key, .. }) = self;
        let value = if let Self::Keep { value, .. } = self { value.len() } else { 0 };
        OVERHEAD + key.len() + value
    }

    /// Nothing comes of it.
    pub(super) fn fail(self) {
        if let Self::Take { taken, .. } = self {
            tell(taken, None);
        }
    }
}

impl fmt::Debug for Errand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, key) = match self {
            Self::Keep { key, .. } => ("Keep", key),
            Self::Take { key, .. } => ("Take", key),
        };
        f.debug_tuple(name).field(key).finish()
    }
}

/// Tells what was taken out, on the publisher's thread. A panic of the callback must not end that thread.
pub(super) fn tell(taken: TakenOut, value: Option<Bytes>) {
    if catch_unwind(AssertUnwindSafe(|| taken(value))).is_err() {
        PANICKED.write(|| "the callback for a value of Redis panicked".to_owned());
    }
}

/// The value in an answer to GETDEL, or in that to a transaction that begins with GET.
pub(super) fn value(answer: Value) -> Option<Bytes> {
    match answer {
        Value::BulkString(value) => Some(value.into()),
        Value::Array(answers) => answers.into_iter().next().and_then(value),
        _ => None,
    }
}

/// Whether Redis does not know a command, as it is older, or does not allow it.
pub(super) fn is_refused_command(answer: &Value) -> bool {
    let is_unknown = |text: &str| text.contains("unknown command");
    matches!(answer, Value::ServerError(error) if error.code() == "NOPERM" || error.details().is_some_and(is_unknown))
}
