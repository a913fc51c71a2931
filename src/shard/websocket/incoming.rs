//! WebSocket bytes in, messages out, at no memory for an idle connection.
//!
//! A message of one frame, as nearly all are, is unmasked into its place at once. What else there is, messages in fragments
//! and control frames, is tungstenite's: a server's `WebSocketContext` that stands between two messages remembers nothing
//! of its connection, so one context serves all connections of a shard, as long as it is only ever given whole messages.
//! What stands here finds their ends: it walks the headers of the frames, refuses from the header alone what would be
//! refused anyway, and keeps the raw bytes of an unfinished message with its connection. Control frames between the
//! fragments of a message are cut out and handled at once.

use super::frame::{Frame, Limits, Progress, WebSocketError};
use bytes::Bytes;
use bytestring::ByteString;
use std::io::{self, Read, Write};
use tungstenite::error::ProtocolError;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::{Message, Role, WebSocketConfig, WebSocketContext};

/// Bytes of the context's buffer, of which what is free is zeroed for each message. The payloads of small messages are
/// slices of it: who keeps one keeps all of it.
const READ_BUFFER: usize = 1024;

/// What a client sent, pings and pongs excepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    /// A text message.
    Text(ByteString),
    /// A binary message.
    Binary(Bytes),
    /// A close frame, with the client's code if it gave one. Nothing comes after it.
    Close(Option<u16>),
}

/// What a connection remembers between two reads: nothing, unless it stands inside a message.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    pending: Option<Box<Pending>>,
}

impl Incoming {
    /// Bytes held for this connection.
    pub(crate) fn held(&self) -> usize {
        self.pending.as_ref().map_or(0, |pending| pending.message.raw.capacity() + pending.rest.capacity())
    }
}

#[derive(Debug, Default)]
struct Pending {
    message: Unfinished,
    /// From `start` on: bytes that were not looked at, or the beginning of a frame.
    rest: Vec<u8>,
    start: usize,
}

/// A message of which some frames are here, and not the last.
#[derive(Debug, Default)]
struct Unfinished {
    /// The frames as they came, without the control frames among them.
    raw: Vec<u8>,
    progress: Progress,
}

/// Turns the bytes of any connection of a shard into messages, one connection after the other.
#[derive(Debug)]
pub(crate) struct Receiver {
    context: WebSocketContext,
    limits: Limits,
}

impl Receiver {
    /// A receiver for connections that are all held to `limits`.
    pub(crate) fn new(limits: Limits) -> Self {
        Self { context: context(limits), limits }
    }

    /// Continues a connection with the bytes just read from it, or with none, to go on where the last [`Feed`] was
    /// dropped. After [`Input::Close`] or an error the connection must not be fed again.
    pub(crate) fn feed<'a>(&'a mut self, incoming: &'a mut Incoming, mut bytes: &'a [u8]) -> Feed<'a> {
        let mut pending = incoming.pending.take().map(|pending| *pending).unwrap_or_default();
        if !pending.rest.is_empty() {
            pending.rest.extend_from_slice(bytes);
            bytes = &[];
        }
        Feed { receiver: self, incoming, pending, bytes, over: false }
    }

    /// Has the context read a message or a control frame that is given whole, in two parts.
    fn read(&mut self, first: &[u8], second: &[u8], reply: &mut Vec<u8>) -> Result<Option<Input>, WebSocketError> {
        let large = first.len() + second.len() > READ_BUFFER;
        let mut stream = Stream { first, second, reply };
        let message = self.context.read(&mut stream);
        if let Ok(Message::Ping(_) | Message::Close(_)) = message {
            // Writes the pong or the echo; of the latter it tells that the connection is closed, which is known.
            let _ = self.context.flush(&mut stream);
        }
        if large || matches!(message, Ok(Message::Close(_)) | Err(_)) {
            // No connection meets what another left: not its state, nor a buffer grown for its large message.
            self.context = context(self.limits);
        }
        match message {
            Ok(Message::Text(text)) => match ByteString::try_from(Bytes::from(text)) {
                Ok(text) => Ok(Some(Input::Text(text))),
                Err(_) => Err(WebSocketError::NotUtf8),
            },
            // A small one is a part of the context's buffer, which it must not keep alive.
            Ok(Message::Binary(data)) if !large => Ok(Some(Input::Binary(Bytes::copy_from_slice(&data)))),
            Ok(Message::Binary(data)) => Ok(Some(Input::Binary(data))),
            Ok(Message::Close(frame)) => Ok(Some(Input::Close(frame.map(|frame| frame.code.into())))),
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => Ok(None),
            Err(tungstenite::Error::Utf8(_)) => Err(WebSocketError::NotUtf8),
            Err(tungstenite::Error::Capacity(_)) => Err(WebSocketError::TooLarge(self.limits.max_message_size)),
            Err(tungstenite::Error::Protocol(error)) => Err(error.into()),
            // The stream has no errors of its own.
            Err(_) => Err(ProtocolError::ResetWithoutClosingHandshake.into()),
        }
    }
}

/// The message that one frame is.
fn whole(data: Data, mask: [u8; 4], payload: &[u8]) -> Result<Input, WebSocketError> {
    let payload = unmasked(payload, mask);
    if data != Data::Text {
        return Ok(Input::Binary(payload.into()));
    }
    String::from_utf8(payload).map(|text| Input::Text(text.into())).map_err(|_| WebSocketError::NotUtf8)
}

/// The payload behind the mask (RFC 6455, section 5.3), eight bytes at a time.
fn unmasked(payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut data = payload.to_vec();
    let (words, rest) = data.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
    data
}

/// A context that stands between two messages.
fn context(limits: Limits) -> WebSocketContext {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(limits.max_message_size))
        .max_frame_size(Some(limits.max_message_size));
    WebSocketContext::new(Role::Server, Some(config))
}

/// Hands the messages in some bytes of a connection out, one by one. What was not taken is kept when this is dropped.
#[derive(Debug)]
pub(crate) struct Feed<'a> {
    receiver: &'a mut Receiver,
    incoming: &'a mut Incoming,
    pending: Pending,
    /// Bytes not looked at; none while `pending` has a rest.
    bytes: &'a [u8],
    over: bool,
}

impl Feed<'_> {
    /// The next message; `None` when the rest is not whole, or nothing can come any more. Frames that answer pings and
    /// a close are appended to `reply`, to be sent.
    pub(crate) fn next(&mut self, reply: &mut Vec<u8>) -> Option<Result<Input, WebSocketError>> {
        if self.over {
            return None;
        }
        let step = self.advance(reply).transpose();
        self.over = matches!(step, Some(Ok(Input::Close(_)) | Err(_)));
        step
    }

    fn advance(&mut self, reply: &mut Vec<u8>) -> Result<Option<Input>, WebSocketError> {
        loop {
            let Pending { message, rest, start } = &mut self.pending;
            let bytes = if rest.is_empty() { self.bytes } else { rest.get(*start..).unwrap_or_default() };
            let Some(frame) = Frame::parse(bytes, message.progress, self.receiver.limits)? else { return Ok(None) };
            let input = match frame.header.opcode {
                OpCode::Control(_) => self.receiver.read(frame.raw, &[], reply)?,
                // The one case that every other message is: nothing to put together, and nothing to remember.
                OpCode::Data(data) if frame.header.is_final && message.progress.fragments == 0 => {
                    Some(whole(data, frame.header.mask.unwrap_or_default(), frame.payload)?)
                }
                OpCode::Data(_) if frame.header.is_final => {
                    self.receiver.read(&std::mem::take(message).raw, frame.raw, reply)?
                }
                OpCode::Data(_) => {
                    message.raw.extend_from_slice(frame.raw);
                    message.progress.payload += frame.payload.len();
                    message.progress.fragments += 1;
                    None
                }
            };
            let length = frame.raw.len();
            if rest.is_empty() {
                self.bytes = self.bytes.get(length..).unwrap_or_default();
            } else {
                *start += length;
            }
            if input.is_some() {
                return Ok(input);
            }
        }
    }
}

impl Drop for Feed<'_> {
    fn drop(&mut self) {
        let whole =
            self.bytes.is_empty() && self.pending.rest.is_empty() && self.pending.message.progress.fragments == 0;
        if self.over || whole {
            return;
        }
        let mut pending = std::mem::take(&mut self.pending);
        // Waiting until half of the bytes are used keeps many short feeds from moving them each time.
        if pending.start > pending.rest.len() / 2 {
            pending.rest.drain(..std::mem::take(&mut pending.start));
            pending.rest.shrink_to_fit();
        }
        pending.rest.extend_from_slice(self.bytes);
        if !pending.rest.is_empty() || pending.message.progress.fragments > 0 {
            self.incoming.pending = Some(Box::new(pending));
        }
    }
}

/// What the context takes for a socket: reads what came, writes what is to be sent.
struct Stream<'a> {
    first: &'a [u8],
    second: &'a [u8],
    reply: &'a mut Vec<u8>,
}

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.first.read(buffer)? {
            0 => self.second.read(buffer),
            read => Ok(read),
        }
    }
}

impl Write for Stream<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.reply.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
