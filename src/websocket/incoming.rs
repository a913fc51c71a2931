//! WebSocket bytes in, messages out, without memory for an idle connection.
//!
//! This walks the headers of the frames, and refuses invalid frames by their headers alone. A message of one frame, as
//! nearly all are, is unmasked into its place at once. Of a message in fragments the connection keeps the unmasked
//! payloads, so fragments cost no memory beyond their bytes. Control frames, also between fragments, are tungstenite's
//! part: a server's `WebSocketContext` between two messages remembers nothing of its connection, so one context serves
//! all connections of a shard.

use super::frame::{self, Frame, Limits, MessageSoFar, WebSocketError};
use bytes::Bytes;
use bytestring::ByteString;
use std::io::{self, Read, Write};
use tungstenite::error::ProtocolError;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::{Message, Role, WebSocketConfig, WebSocketContext};

/// Bytes of the context's buffer, of which what is free is zeroed for each frame. It is given one control frame at a time.
const READ_BUFFER: usize = 256;

/// What a client sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    /// A text message.
    Text(ByteString),
    /// A binary message.
    Binary(Bytes),
    /// A ping or a pong; there is nothing to be done about it but to send what answers it.
    Control,
    /// A close frame, with the client's code if it gave one. Nothing comes after it.
    Close(Option<u16>),
}

/// What a connection remembers between two reads: nothing, unless it stands inside a message.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    partial: Option<Box<Partial>>,
}

impl Incoming {
    /// Bytes held for this connection.
    pub(crate) fn held(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| partial.message.data.capacity() + partial.rest.capacity())
    }

    /// Bytes behind the last whole frame.
    pub(crate) fn unread(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| partial.rest.len() - partial.start)
    }

    /// Bytes that are missing of the frame that has begun, if its header tells.
    pub(crate) fn missing(&self) -> Option<usize> {
        let partial = self.partial.as_ref()?;
        let begun = partial.rest.get(partial.start..)?;
        let whole = frame::length(begun)?;
        Some(whole.saturating_sub(begun.len()))
    }
}

#[derive(Debug, Default)]
struct Partial {
    message: Unfinished,
    /// From `start` on: bytes that were not looked at, or the beginning of a frame.
    rest: Vec<u8>,
    start: usize,
}

/// A message of which some frames are here, and not the last.
#[derive(Debug, Default)]
struct Unfinished {
    /// What its first frame says that it is.
    kind: Option<Data>,
    /// The payloads of its frames.
    data: Vec<u8>,
    /// How many frames there are; 0 between two messages.
    fragments: u32,
}

impl Unfinished {
    fn progress(&self) -> MessageSoFar {
        MessageSoFar { payload: self.data.len(), fragments: self.fragments }
    }

    fn add(&mut self, kind: Data, mask: [u8; 4], payload: &[u8]) {
        self.kind.get_or_insert(kind);
        let before = self.data.len();
        self.data.extend_from_slice(payload);
        unmask(self.data.get_mut(before..).unwrap_or_default(), mask);
        self.fragments += 1;
    }

    fn finish(mut self) -> Result<Input, WebSocketError> {
        // Whoever keeps the message keeps no room beside it.
        self.data.shrink_to_fit();
        input(self.kind.unwrap_or(Data::Binary), self.data)
    }
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
        Self { context: context(), limits }
    }

    /// Continues a connection with the bytes just read from it, or with none, to go on where the last [`Feed`] was
    /// dropped. After [`Input::Close`] or an error the connection must not be fed again.
    pub(crate) fn feed<'a>(&'a mut self, incoming: &'a mut Incoming, mut bytes: &'a [u8]) -> Feed<'a> {
        let mut partial = incoming.partial.take().map(|partial| *partial).unwrap_or_default();
        if !partial.rest.is_empty() {
            partial.rest.extend_from_slice(bytes);
            bytes = &[];
        }
        Feed { receiver: self, incoming, partial, bytes, over: false }
    }

    /// Has the context read a control frame. Gives the input that it is, if it is a close frame.
    fn control(&mut self, frame: &[u8], reply: &mut Vec<u8>) -> Result<Option<Input>, WebSocketError> {
        let mut stream = Stream { bytes: frame, reply };
        let message = self.context.read(&mut stream);
        if let Ok(Message::Ping(_) | Message::Close(_)) = message {
            // Writes the pong or the echo; of the latter it tells that the connection is closed, which is known.
            let _ = self.context.flush(&mut stream);
        }
        if matches!(message, Ok(Message::Close(_)) | Err(_)) {
            // No connection meets what another left.
            self.context = context();
        }
        match message {
            Ok(Message::Close(frame)) => Ok(Some(Input::Close(frame.map(|frame| frame.code.into())))),
            Ok(_) => Ok(None),
            Err(tungstenite::Error::Utf8(_)) => Err(WebSocketError::NotUtf8),
            Err(tungstenite::Error::Protocol(error)) => Err(error.into()),
            // The stream has no errors of its own.
            Err(_) => Err(ProtocolError::ResetWithoutClosingHandshake.into()),
        }
    }
}

/// A message with this payload.
fn input(kind: Data, payload: Vec<u8>) -> Result<Input, WebSocketError> {
    if kind != Data::Text {
        return Ok(Input::Binary(payload.into()));
    }
    String::from_utf8(payload).map(|text| Input::Text(text.into())).map_err(|_| WebSocketError::NotUtf8)
}

/// Takes the mask from a payload (RFC 6455, section 5.3), eight bytes at a time.
fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

/// A context that stands between two messages.
fn context() -> WebSocketContext {
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER).write_buffer_size(0);
    WebSocketContext::new(Role::Server, Some(config))
}

/// Hands the messages in some bytes of a connection out, one by one. What was not taken is kept when this is dropped.
#[derive(Debug)]
pub(crate) struct Feed<'a> {
    receiver: &'a mut Receiver,
    incoming: &'a mut Incoming,
    partial: Partial,
    /// Bytes not looked at; none while `partial` has a rest.
    bytes: &'a [u8],
    over: bool,
}

impl Feed<'_> {
    /// The next message or control frame; `None` when the rest is not whole, or nothing can come any more. Frames that answer pings and
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
            let Partial { message, rest, start } = &mut self.partial;
            let bytes = if rest.is_empty() { self.bytes } else { rest.get(*start..).unwrap_or_default() };
            let Some(frame) = Frame::parse(bytes, message.progress(), self.receiver.limits)? else { return Ok(None) };
            let mask = frame.header.mask.unwrap_or_default();
            let input = match frame.header.opcode {
                OpCode::Control(_) => Some(self.receiver.control(frame.raw, reply)?.unwrap_or(Input::Control)),
                // The one case that every other message is: nothing to put together, and nothing to remember.
                OpCode::Data(kind) if frame.header.is_final && message.fragments == 0 => {
                    let mut payload = frame.payload.to_vec();
                    unmask(&mut payload, mask);
                    Some(input(kind, payload)?)
                }
                OpCode::Data(kind) => {
                    message.add(kind, mask, frame.payload);
                    if frame.header.is_final { Some(std::mem::take(message).finish()?) } else { None }
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
        let whole = self.bytes.is_empty() && self.partial.rest.is_empty() && self.partial.message.fragments == 0;
        if self.over || whole {
            return;
        }
        let mut partial = std::mem::take(&mut self.partial);
        // Waiting until half of the bytes are used keeps many short feeds from moving them each time.
        if partial.start > partial.rest.len() / 2 {
            partial.rest.drain(..std::mem::take(&mut partial.start));
            partial.rest.shrink_to_fit();
        }
        partial.rest.extend_from_slice(self.bytes);
        if !partial.rest.is_empty() || partial.message.fragments > 0 {
            self.incoming.partial = Some(Box::new(partial));
        }
    }
}

/// What the context takes for a socket: reads what came, writes what is to be sent.
struct Stream<'a> {
    bytes: &'a [u8],
    reply: &'a mut Vec<u8>,
}

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(buffer)
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
