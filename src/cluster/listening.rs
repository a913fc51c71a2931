//! Who hears the answers to a question.

use std::sync::Arc;

use super::adapter::Adapter;
use super::message::{Answer, Extent};
use super::places::Place;

/// Called with each answer to a question and the bytes that it takes, until it wants no more. It must tolerate one more
/// answer after that.
pub(crate) type Listener = Arc<dyn Fn(Answer, Extent, usize) -> Wants + Send + Sync>;

/// Whether it wants more answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wants {
    More,
    NoMore,
}

/// A question that is subscribed to its answers.
pub(crate) struct Asking<A: Adapter> {
    pub(crate) id: Box<str>,
    pub(crate) place: Arc<Place<A>>,
}

/// The listener for the answers to a question.
pub(super) struct Listening<A: Adapter> {
    pub(super) listener: Listener,
    pub(super) place: Arc<Place<A>>,
}
