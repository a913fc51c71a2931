//! Failures: why handlers fail, for the program and for the log.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::values::drop_caught;

/// Why a handler failed; `None` if it did not.
pub(in crate::app) type Failure = Option<HandlerError>;

/// Why the handler of an event failed ([`Namespace::on_error`](crate::Namespace::on_error)). Its text is that of the error that
/// the handler returned, or `internal error` if the handler panicked.
pub struct HandlerError {
    /// Written where the handler is called, because writing it is code of the program, too.
    text: String,
    /// What the handler returned, until it is dropped.
    reason: Option<Box<dyn Any>>,
}

/// The handler panicked.
struct Panic;

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("internal error")
    }
}

impl HandlerError {
    pub(in crate::app) fn new(reason: impl fmt::Display + 'static) -> Self {
        Self { text: reason.to_string(), reason: Some(Box::new(reason)) }
    }

    /// Whether the handler panicked.
    pub fn is_panic(&self) -> bool {
        self.reason.as_ref().is_some_and(|reason| reason.is::<Panic>())
    }

    /// The error that the handler returned, by itself or in a `Box<dyn Error>`, if it is of this type.
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        find_error(&**self.reason.as_ref()?)
    }
}

/// An error of this type, by itself or in a `Box<dyn Error>`.
pub(in crate::app) fn find_error<E: Error + 'static>(reason: &dyn Any) -> Option<&E> {
    let boxed = || reason.downcast_ref::<Box<dyn Error>>()?.downcast_ref();
    let shared = || reason.downcast_ref::<Box<dyn Error + Send + Sync>>()?.downcast_ref();
    reason.downcast_ref().or_else(boxed).or_else(shared)
}

impl Drop for HandlerError {
    fn drop(&mut self) {
        drop_caught(self.reason.take());
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HandlerError").field(&self.text).finish()
    }
}

/// A failure for the log, which any thread may write.
pub(in crate::app) enum Fault {
    Error(String),
    Panic,
}

impl From<&HandlerError> for Fault {
    fn from(error: &HandlerError) -> Self {
        if error.is_panic() { Self::Panic } else { Self::Error(error.to_string()) }
    }
}

/// Runs a handler. Its panic is a failure, too.
pub(in crate::app) fn catch(handler: impl FnOnce() -> Failure) -> Failure {
    catch_unwind(AssertUnwindSafe(handler)).unwrap_or_else(|_| Some(HandlerError::new(Panic)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::JoinError;

    #[test]
    fn an_error_is_found_by_itself_and_in_a_box() {
        let error = || JoinError::Rooms(7);
        let plain: Box<dyn Error> = error().into();
        let shared: Box<dyn Error + Send + Sync> = error().into();
        for failure in [HandlerError::new(error()), HandlerError::new(plain), HandlerError::new(shared)] {
            assert_eq!(failure.downcast_ref::<JoinError>(), Some(&error()));
            assert!(failure.downcast_ref::<serde_json::Error>().is_none() && !failure.is_panic());
            assert_eq!(failure.to_string(), error().to_string());
        }
    }
}
