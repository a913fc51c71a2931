//! A route's handler: what it may return, and where it runs.

use std::fmt::Display;
use std::sync::Arc;

use crate::http::{LongResponse, Request, Response};

/// A handler that runs on the event loop.
type RouteHandler = Box<dyn Fn(&Request) -> Result<Response, String> + Send + Sync>;

/// A handler that may block.
pub(super) type BlockingRoute = dyn Fn(&Request) -> Result<LongResponse, String> + Send + Sync;

/// Where a route's handler runs.
pub(super) enum Runs {
    Here(RouteHandler),
    OnPool(Arc<BlockingRoute>),
}

/// The result of a route's handler: a [`Response`], or a `Result` with one. An error is logged, and the client gets a 500
/// that does not tell it.
pub trait IntoResponse {
    /// The response, or why there is none.
    ///
    /// # Errors
    /// The text of the handler's error.
    fn into_response(self) -> Result<Response, String>;
}

impl IntoResponse for Response {
    fn into_response(self) -> Result<Response, String> {
        Ok(self)
    }
}

impl<E: Display> IntoResponse for Result<Response, E> {
    fn into_response(self) -> Result<Response, String> {
        self.map_err(|error| error.to_string())
    }
}
