//! Middlewares and handlers of new sockets that may block: they run on the threads of the pool.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::blocking::{Pool, Refused};
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
        self.run_for(socket, handle.bytes(), move || {
            if !admission.is_pending() {
                return;
            }
            match catch_unwind(AssertUnwindSafe(|| middleware(&handle))) {
                Ok(Ok(())) => admission.admit(),
                Ok(Err(refusal)) => admission.refuse(refusal),
                // The admission is dropped, which refuses.
                Err(_) => handle.record("middleware".to_owned(), Fault::Panic),
            }
        })
    }

    /// Has a handler hear of a new socket.
    pub(in crate::app) fn greet(&self, socket: &Socket, handler: &Arc<BlockingConnect>) -> Asked {
        let (handle, handler) = (socket.handle_with_data(), Arc::clone(handler));
        self.run_for(socket, handle.bytes(), move || {
            if let Some(error) = catch(|| handler(&handle)) {
                handle.record("connect".to_owned(), Fault::from(&error));
            }
        })
    }

    /// Runs a job about a socket, if there is room for what it holds.
    fn run_for(&self, socket: &Socket, size: usize, job: impl FnOnce() + Send + 'static) -> Asked {
        taken(self.submit(size, job), |limit| socket.hit(limit))
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
