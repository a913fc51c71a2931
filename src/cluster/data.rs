//! Arguments for sending.

use bytes::Bytes;

use crate::socketio::Arguments;

/// JSON text, and the attachments of its placeholders. Not every attachment need be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Data<'a> {
    /// The text of one JSON value. For an event it is an array that begins with the event's name.
    pub json: &'a str,
    /// The attachments. If there are none, no object in the text is a placeholder.
    pub attachments: &'a [Bytes],
}

impl<'a> From<&'a Arguments> for Data<'a> {
    /// The whole array, an event's name included.
    fn from(arguments: &'a Arguments) -> Self {
        Self { json: arguments.json(), attachments: arguments.attachments() }
    }
}
