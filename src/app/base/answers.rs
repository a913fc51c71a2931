//! Answers of several clients to a broadcast.

use serde::de::DeserializeOwned;
use serde::ser::{Serialize, SerializeSeq, Serializer};

use crate::shard::Shortfall;
use crate::socketio::{Arguments, FirstArgument};

/// The acknowledgements of a broadcast, or of an event for other servers, in the order in which they came.
///
/// Serialised as one value, they are the list of every client's first argument; `null` for a client that acknowledged
/// without one.
#[derive(Debug, Clone, Default)]
pub struct Answers(Vec<Arguments>);

/// Some clients that got a broadcast did not answer in time, or have left. It contains the answers of the others.
#[derive(Debug, Clone, thiserror::Error)]
#[error("operation has timed out")]
pub struct MissingAnswers {
    /// The answers that came in time.
    pub answers: Answers,
    /// How many clients got the event and did not answer.
    pub missing: usize,
}

impl MissingAnswers {
    /// The answers as they are if nothing is missing.
    pub(in crate::app) fn check(answers: Answers, shortfall: Shortfall) -> Result<Answers, Self> {
        if shortfall.is_none() { Ok(answers) } else { Err(Self { answers, missing: shortfall.answers }) }
    }
}

impl Answers {
    pub(in crate::app) fn new(answers: Vec<Arguments>) -> Self {
        Self(answers)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The arguments of each answer.
    pub fn iter(&self) -> std::slice::Iter<'_, Arguments> {
        self.0.iter()
    }

    /// The first argument of each answer.
    ///
    /// # Errors
    /// If a client answered with another type, or without an argument.
    pub fn values<T: DeserializeOwned>(&self) -> Result<Vec<T>, serde_json::Error> {
        self.0.iter().map(|answer| answer.args().map(|(first,): (T,)| first)).collect()
    }
}

impl IntoIterator for Answers {
    type Item = Arguments;
    type IntoIter = std::vec::IntoIter<Arguments>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Answers {
    type Item = &'a Arguments;
    type IntoIter = std::slice::Iter<'a, Arguments>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Serialize for Answers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.len()))?;
        self.iter().try_for_each(|answer| list.serialize_element(&FirstArgument(answer)))?;
        list.end()
    }
}
