//! How a program serves requests of its own: what it has declared for a request, and responses that may come in pieces.

use bytes::Bytes;

use super::route_response::Response;

/// A route that the program declared, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RouteKey(pub(crate) usize);

/// What the program serves for a method and a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Served {
    /// Nothing.
    Nothing,
    /// A route answers. So many bytes of the path are its own; the rest is what its wildcard stands for.
    Route(RouteKey, usize),
    /// The path has routes, but none for the method: the methods that it has, as in `Allow`.
    Otherwise(String),
}

/// A response of which pieces may follow later.
#[derive(Debug)]
pub(crate) struct LongResponse {
    pub(crate) first: Response,
    /// What follows of its body.
    pub(crate) rest: Option<Rest>,
}

/// What is not read yet of a body.
pub(crate) struct Rest {
    /// Bytes of it.
    pub(crate) length: u64,
    pub(crate) source: Box<dyn Source>,
}

impl std::fmt::Debug for Rest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rest").field("length", &self.length).finish_non_exhaustive()
    }
}

/// A body that comes in pieces, so that it is never whole in memory.
pub(crate) trait Source: Send {
    /// Has the next piece read on another thread, which hands it over.
    fn read(self: Box<Self>, give: GivePiece);
}

/// A piece of a body.
#[derive(Debug)]
pub(crate) struct Piece {
    /// Its bytes. None if the body cannot be read any further, so that the response stays incomplete.
    pub(crate) bytes: Option<Bytes>,
    /// What follows.
    pub(crate) rest: Option<Rest>,
}

/// Hands a piece over, from any thread.
pub(crate) type GivePiece = Box<dyn FnOnce(Piece) + Send>;

/// Answers a request, from any thread.
pub(crate) type GiveResponse = Box<dyn FnOnce(LongResponse) + Send>;

impl From<Response> for LongResponse {
    fn from(response: Response) -> Self {
        Self { first: response, rest: None }
    }
}
