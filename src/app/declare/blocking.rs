//! Handlers of events that may block: they run on the threads of the pool, those of one socket in the order of its events.

use std::sync::Arc;

use log::Level;

use super::failures::Failures;
use super::pool::{Pool, Refused};
use super::socket::Socket;
use crate::app::base::{Failure, Fault, HandlerError, catch};
use crate::app::send::{Event, SocketHandle};
use crate::log_line::LineKind;

static REFUSED: LineKind = LineKind::new(Level::Warn, module_path!(), "refused events of blocking handlers");

/// A handler that may block.
pub(super) struct BlockingHandler<H> {
    pub(super) handler: H,
    /// What becomes of events for which it fails.
    pub(super) failures: Arc<Failures>,
}

impl<H: Fn(&SocketHandle, &Event) -> Failure> BlockingHandler<H> {
    fn run(&self, socket: &SocketHandle, event: &Event) {
        if let Some(error) = catch(|| (self.handler)(socket, event)) {
            let fault = Fault::from(&error);
            self.failures.answer(socket, event, error);
            socket.record(event.name().to_owned(), fault);
        }
    }
}

impl Pool {
    /// Hands an event to a thread, or refuses it, so that its handler never hears it.
    pub(super) fn dispatch<H: Fn(&SocketHandle, &Event) -> Failure + Send + Sync + 'static>(
        &self,
        socket: &Socket,
        event: &Event,
        handler: &Arc<BlockingHandler<H>>,
    ) {
        let spare = event.spare_ack();
        let (handle, own, runs) = (socket.handle_with_data(), event.to_owned(), Arc::clone(handler));
        let size = own.name().len()
            + own.raw().len()
            + own.attachments().iter().map(bytes::Bytes::len).sum::<usize>()
            + handle.bytes();
        let result = self.submit(size, Some(socket.location()), move || runs.run(&handle, &own));
        let Err(Refused::Full { limit, first }) = result else { return };
        event.set_ack(spare);
        handler.failures.answer(&socket.handle(), event, HandlerError::new("the server is busy: try again later"));
        socket.count_refused(limit);
        if first {
            REFUSED.write(|| {
                format!(
                    "an event for a blocking handler was refused, and so will be others: the threads are busy ({limit}; {})",
                    socket.describe()
                )
            });
        }
    }
}
