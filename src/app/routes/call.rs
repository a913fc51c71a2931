//! How a route's handler is called: on the event loop, or on a thread that may block.

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use log::Level;

use super::handler::Runs;
use super::table::Routes;
use crate::app::base::{Fault, Subject, caught, on_any_shard, record};
use crate::app::declare::Refused;
use crate::http::{GiveResponse, LongResponse, Request, Response, RouteKey};
use crate::log_line::LineKind;
use crate::shard::Shard;

static REFUSED: LineKind = LineKind::new(Level::Warn, module_path!(), "refused requests");

impl Routes {
    /// Has a route answer a request: now, or later by `give`.
    pub(in crate::app) fn call(
        &self,
        shard: &Rc<Shard>,
        route: RouteKey,
        request: Request,
        give: GiveResponse,
    ) -> Option<LongResponse> {
        let route = &self.routes[route.0];
        let from = request.address().ip();
        match &route.runs {
            Runs::Here(handler) => {
                let result = caught(shard, Subject::Client(from), &route.name, || handler(&request));
                let result = result.map(|result| result.map(LongResponse::from));
                Some(judged(result, |failed| record(shard, Subject::Client(from), &route.name, failed)))
            }
            Runs::OnPool(handler) => {
                let (handler, shared) = (Arc::clone(handler), Arc::clone(&shard.shared));
                let what = Arc::clone(&route.name);
                let size = request.bytes();
                let result = self.pool.submit(size, None, move || {
                    let result = catch_unwind(AssertUnwindSafe(|| handler(&request)));
                    let response = judged(result, |failed| {
                        on_any_shard(&shared, what.len(), move |shard| {
                            record(shard, Subject::Client(from), &what, failed);
                        });
                    });
                    give(response);
                });
                result.err().map(|refused| busy(shard, refused, from).into())
            }
        }
    }
}

/// The response of a handler. One that failed has none: that is told, and the client gets a 500.
fn judged(result: std::thread::Result<Result<LongResponse, String>>, tell: impl FnOnce(Fault)) -> LongResponse {
    match result {
        Ok(Ok(response)) => return response,
        Ok(Err(error)) => tell(Fault::Error(error)),
        Err(_) => tell(Fault::Panic),
    }
    Response::text("internal error").status(500).into()
}

/// The response to a request for which there is no thread.
#[cold]
fn busy(shard: &Rc<Shard>, refused: Refused, from: IpAddr) -> Response {
    if let Refused::Full { limit, first } = refused {
        shard.with(|core| core.metrics().hit(limit));
        if first {
            REFUSED.write(|| {
                format!(
                    "a request for a blocking route was refused, and so will be others: the threads are busy ({limit}; from {from})"
                )
            });
        }
    }
    Response::new(503).header("Retry-After", "5")
}
