//! Middlewares and handlers of new sockets that may block: they run on the threads of the pool.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::pool::{Pool, Refused};
use super::socket::Socket;
use crate::app::base::{Failure, Fault, catch};
use crate::app::send::SocketHandle;
use crate::metrics::Limit;
use crate::shard::{Admission, Asked, Refusal};

/// A middleware that may block.
pub(super) type BlockingMiddleware = dyn Fn(&SocketHandle) -> Result<(), Refusal> + Send + Sync;

/// A handler of new sockets that may block.
pub(in crate::app) type BlockingConnect = dyn Fn(&SocketHandle) -> Failure + Send + Sync;

impl Pool {
    /// Has a middleware decide about a socket. A client that has left by then is not looked up.
    pub(super) fn decide(&self, socket: &Socket, admission: Admission, middleware: &Arc<BlockingMiddleware>) -> Asked {
        let (handle, middleware) = (socket.handle_with_data(), Arc::clone(middleware));
        let size = handle.bytes();
        let job = move || {
            if !admission.is_pending() {
                return;
            }
            match catch_unwind(AssertUnwindSafe(|| middleware(&handle))) {
                Ok(Ok(())) => admission.admit(),
                Ok(Err(refusal)) => admission.refuse(refusal),
                // The admission is dropped, which refuses.
                Err(_) => handle.record("middleware".to_owned(), Fault::Panic),
            }
        };
        taken(self.submit(size, None, job), |limit| socket.hit(limit))
    }

    /// Has a handler hear of a new socket, before the socket's events are handled here.
    pub(in crate::app) fn greet(&self, socket: &Socket, handler: &Arc<BlockingConnect>) -> Asked {
        let (handle, handler) = (socket.handle_with_data(), Arc::clone(handler));
        let size = handle.bytes();
        let job = move || {
            if let Some(error) = catch(|| handler(&handle)) {
                handle.record("connect".to_owned(), Fault::from(&error));
            }
        };
        taken(self.submit(size, Some(socket.location()), job), |limit| socket.hit(limit))
    }
}

/// Whether the pool has taken a job. `hit` counts the limit that the job met.
pub(super) fn taken(result: Result<(), Refused>, hit: impl FnOnce(Limit)) -> Asked {
    match result {
        Ok(()) => Asked::Yes,
        Err(Refused::Closed) => Asked::NoRoom,
        Err(Refused::Full { limit, .. }) => {
            hit(limit);
            Asked::NoRoom
        }
    }
}
