//! HTTP/1.1 on the clients' port: request heads and bodies in, whole answers out. Nothing here does I/O.
//!
//! The parser is stricter than most, because it shares a connection with a load balancer. If two parsers read something
//! differently (a second length, a lone line feed, an unknown coding), one client could write into another's request.

mod answers;
mod body;
mod compress;
mod cookie;
mod cors;
mod field;
mod forward;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod head;
mod head_text;
mod method;
mod request;
mod response;
mod route;
mod route_response;
mod status;
mod upgrade;
#[cfg(test)]
mod vectors;

pub(crate) use answers::{PollAnswer, empty, error, not_allowed, options, post_ok, refusal};
pub(crate) use body::{BodyError, BodyReader, BodyStep, whole};
pub(crate) use compress::Coding;
pub use cookie::{Cookie, SameSite};
pub use cors::{Cors, Origin};
pub(crate) use field::HeaderLines;
pub(crate) use forward::Forward;
pub(crate) use head::{BodyLength, Expectation, Head, HeadError, HeadLimits, Parsed, parse, scratch};
pub(crate) use head_text::HeadText;
pub use method::Method;
pub use request::Request;
pub(crate) use response::{
    AnswerWriter, BUSY, CONTINUE, CROWD, Connection, Delivery, all_good, leaving, misdirected, not_found,
};
pub(crate) use route::{GivePiece, GiveResponse, LongResponse, Piece, Rest, RouteKey, Served, Source};
pub use route_response::Response;
pub(crate) use status::Status;
pub(crate) use upgrade::Accept;
