//! Outcomes: the types that handlers may return.

use std::fmt::Display;

/// Why a handler failed; `None` if it did not.
pub(in crate::app) type Failure = Option<String>;

/// The result of a handler: nothing, or a `Result` with the reason of the failure as its error.
pub trait Outcome {
    /// Why the handler failed; `None` if it did not.
    fn failure(self) -> Option<String>;
}

impl Outcome for () {
    fn failure(self) -> Option<String> {
        None
    }
}

impl<T, E: Display> Outcome for Result<T, E> {
    fn failure(self) -> Option<String> {
        self.err().map(|error| error.to_string())
    }
}
