//! What becomes of events whose handlers have failed: their clients are told.

use std::sync::{Arc, PoisonError, RwLock};

use serde_json::json;

use super::socket::Socket;
use crate::app::base::{Failure, Fault, HandlerError, catch};
use crate::app::send::{Event, SocketHandle};

type ErrorHandler = dyn Fn(&SocketHandle, &Event, &HandlerError) -> Failure + Send + Sync;

/// How a namespace tells its clients that a handler has failed.
#[derive(Default)]
pub(in crate::app) struct Failures(RwLock<Option<Arc<ErrorHandler>>>);

impl Failures {
    /// The program wants to answer by itself.
    pub(super) fn set(
        &self,
        handler: impl Fn(&SocketHandle, &Event, &HandlerError) -> Failure + Send + Sync + 'static,
    ) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(handler));
    }

    /// Answers an event whose handlers have failed, if its client waits for that still.
    #[cold]
    pub(in crate::app) fn answer_all(&self, socket: &Socket, event: &Event, errors: Vec<HandlerError>) {
        let socket = socket.handle();
        errors.into_iter().for_each(|error| self.answer(&socket, event, error));
    }

    /// The same of one handler.
    pub(super) fn answer(&self, socket: &SocketHandle, event: &Event, error: HandlerError) {
        let handler = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        let instead = handler.and_then(|handler| catch(|| handler(socket, event, &error)));
        if let Some(panic) = instead.as_ref().filter(|error| error.is_panic()) {
            socket.record("on_error".to_owned(), Fault::from(panic));
        }
        if event.wants_ack() {
            let told = event.ack(json!({ "error": instead.unwrap_or(error).to_string() }));
            debug_assert!(told.is_ok(), "a text is JSON");
        }
    }
}
