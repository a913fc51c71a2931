//! The parsers: how a server and its clients write packets.

use bytes::Bytes;

use super::message_pack::encode as message_pack;
use super::{encode, v4};
use crate::engineio::Frames;
use crate::error::EmitError;
use crate::msgpack::Packed;

/// How a server and all of its clients write packets ([`Config::parser`](crate::Config::parser)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Parser {
    /// As text, with binary data behind it. Clients do this by themselves.
    #[default]
    Json,
    /// As MessagePack, with binary data in it: `socket.io-msgpack-parser`.
    MessagePack,
}

impl Parser {
    /// Prepares arguments, the text of a JSON array that has a placeholder for each attachment.
    ///
    /// # Errors
    /// If MessagePack cannot hold them: they nest too deep, or an object of the program looks like a placeholder.
    pub(crate) fn arguments<'a>(self, json: &'a str, attachments: &'a [Bytes]) -> Result<Payload<'a>, EmitError> {
        match self {
            Self::Json => Ok(Payload::Json { json, attachments }),
            Self::MessagePack => packed(json, attachments).map(Payload::MessagePack),
        }
    }

    /// ACK with arguments as for [`arguments`](Self::arguments).
    ///
    /// # Errors
    /// As for [`arguments`](Self::arguments).
    pub(crate) fn ack(self, namespace: &str, id: u64, json: &str, attachments: &[Bytes]) -> Result<Frames, EmitError> {
        match self {
            Self::Json => Ok(encode::ack(namespace, id, json, attachments)),
            Self::MessagePack => Ok(message_pack::ack(namespace, id, &packed(json, attachments)?)),
        }
    }

    pub(crate) fn connect(self, namespace: &str, sid: &str, pid: Option<&str>) -> Frames {
        match self {
            Self::Json => encode::connect(namespace, sid, pid),
            Self::MessagePack => message_pack::connect(namespace, sid, pid),
        }
    }

    pub(crate) fn connect_error(self, namespace: &str, message: &str, data: Option<&str>) -> Frames {
        match self {
            Self::Json => encode::connect_error(namespace, message, data),
            Self::MessagePack => message_pack::connect_error(namespace, message, data),
        }
    }

    pub(crate) fn disconnect(self, namespace: &str) -> Frames {
        match self {
            Self::Json => encode::disconnect(namespace),
            Self::MessagePack => message_pack::disconnect(namespace),
        }
    }

    /// CONNECT for 2.x clients.
    pub(crate) fn connect_v4(self, namespace: &str) -> Frames {
        match self {
            Self::Json => v4::connect(namespace),
            Self::MessagePack => message_pack::connect_v4(namespace),
        }
    }

    /// CONNECT_ERROR for 2.x clients.
    pub(crate) fn connect_error_v4(self, namespace: &str, message: &str, data: Option<&str>) -> Frames {
        match self {
            Self::Json => v4::connect_error(namespace, message, data),
            Self::MessagePack => message_pack::connect_error_v4(namespace, message, data),
        }
    }
}

fn packed<'a>(json: &'a str, attachments: &'a [Bytes]) -> Result<Packed<'a>, EmitError> {
    Packed::pack(json, attachments).map_err(|error| EmitError::MessagePack(error.to_string()))
}

/// Arguments in the form of a parser, for an event.
pub(crate) enum Payload<'a> {
    Json { json: &'a str, attachments: &'a [Bytes] },
    MessagePack(Packed<'a>),
}

impl Payload<'_> {
    /// See [`socketio::event`](encode::event).
    pub(crate) fn event(&self, namespace: &str, id: Option<u64>) -> Frames {
        match self {
            Self::Json { json, attachments } => encode::event(namespace, id, json, attachments),
            Self::MessagePack(packed) => message_pack::event(namespace, id, packed),
        }
    }

    /// See [`socketio::event_at`](encode::event_at).
    pub(crate) fn event_at(&self, namespace: &str, offset: &str) -> Frames {
        match self {
            Self::Json { json, attachments } => encode::event_at(namespace, offset, json, attachments),
            Self::MessagePack(packed) => message_pack::event_at(namespace, offset, packed),
        }
    }
}
