//! A route's handler: what it may return, and where it runs.

use std::any::Any;
use std::fmt::Display;
use std::sync::Arc;

use crate::app::base::find_error;
use crate::error::RequestError;
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

/// The result of a route's handler: a [`Response`], or a `Result` with one.
///
/// An error that is a [`Response`], by itself or in a `Box<dyn Error>`, is sent as any other response. A
/// [`RequestError`] is a 400 with its text. Any other error is logged, and the client gets a 500 that does not tell it.
///
/// ```no_run
/// use kinglet::{Method, Response};
///
/// # let mut server = kinglet::Server::new(kinglet::Config::default())?;
/// server.route_blocking(Method::Get, "/pages/*", |request| {
///     let number: u32 = request.rest().parse().map_err(|_| Response::new(404))?;
///     kinglet::Ok(Response::html(std::fs::read_to_string(format!("pages/{number}.html"))?))
/// });
/// # Ok::<(), kinglet::Error>(())
/// ```
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

impl<E: Display + 'static> IntoResponse for Result<Response, E> {
    fn into_response(self) -> Result<Response, String> {
        self.or_else(|error| answer(&error).ok_or_else(|| error.to_string()))
    }
}

/// The response that an error is, or asks for.
fn answer(error: &dyn Any) -> Option<Response> {
    let mistake = || find_error::<RequestError>(error).map(|mistake| Response::text(mistake.to_string()).status(400));
    find_error::<Response>(error).cloned().or_else(mistake)
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    /// What the client of a handler with this error gets, and what the log.
    fn told<E: Display + 'static>(error: E) -> Result<String, String> {
        Err(error).into_response().map(|response| format!("{response:?}"))
    }

    #[test]
    fn an_error_may_be_the_response() {
        let response = || Response::text("gone").status(410);
        let boxed: Box<dyn Error> = response().into();
        let shared: Box<dyn Error + Send + Sync> = response().into();
        let expected = Ok(format!("{:?}", response()));
        assert_eq!([told(response()), told(boxed), told(shared)], [(); 3].map(|()| expected.clone()));
    }

    #[test]
    fn a_mistake_of_the_client_is_told_to_it_and_any_other_error_to_the_log() {
        let mistake = || RequestError::from(serde_json::from_str::<u8>("x").unwrap_err());
        let boxed: Box<dyn Error> = mistake().into();
        let expected = Ok(format!("{:?}", Response::text(mistake().to_string()).status(400)));
        assert_eq!([told(mistake()), told(boxed)], [(); 2].map(|()| expected.clone()));
        assert_eq!(told("a secret"), Err("a secret".to_owned()));
    }
}
