//! Why the program refuses a client.

use serde::Serialize;
use serde_json::value::RawValue;

/// Why a socket may not join a namespace, as its client is told: the members of the CONNECT_ERROR packet. A text is one without
/// data, so a middleware may end with `ok_or("no token")?`.
#[derive(Debug, Clone)]
pub struct Refusal {
    pub(in crate::shard) message: String,
    pub(in crate::shard) data: Option<Box<RawValue>>,
}

impl Refusal {
    /// A refusal with a message, which the client gets as the message of its `connect_error`.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), data: None }
    }

    /// The refusal with data, which the client gets as `data` of its `connect_error`.
    ///
    /// # Errors
    /// If the data cannot be written as JSON.
    pub fn data(mut self, data: &(impl Serialize + ?Sized)) -> Result<Self, serde_json::Error> {
        self.data = Some(serde_json::value::to_raw_value(data)?);
        Ok(self)
    }

    /// Bytes that it holds.
    pub(in crate::shard) fn bytes(&self) -> usize {
        self.message.len() + self.data.as_ref().map_or(0, |data| data.get().len())
    }
}

impl From<&str> for Refusal {
    fn from(message: &str) -> Self {
        Self::new(message)
    }
}

impl From<String> for Refusal {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}
