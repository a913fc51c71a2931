//! What the server sends: read into one buffer, looked at where it lies.

use std::io;

use super::client::{Stage, Upgrade};
use super::connection::{Awaits, Side, is_not_yet};
use super::{Cause, Engine, Load};
use crate::measure::nanoseconds;
use crate::options::Transport;
use crate::wire::{Frame, Opcode, Packet, write_frame};

impl Engine {
    pub(super) fn read(&mut self, load: &mut impl Load, id: usize, side: Side) {
        let mut buffer = std::mem::take(&mut self.buffer);
        if let Err(cause) = self.read_into(load, id, side, &mut buffer) {
            self.lose(load, id, cause);
        }
        self.buffer = buffer;
    }

    fn read_into(&mut self, load: &mut impl Load, id: usize, side: Side, buffer: &mut Vec<u8>) -> Result<(), Cause> {
        while let Some(socket) = self.clients[id].socket(side) {
            let kept = socket.inbox.len();
            if kept > buffer.len() / 2 {
                buffer.resize(kept * 4, 0);
            }
            let room = buffer.len() - kept;
            let read = match socket.stream.read(&mut buffer[kept..]) {
                Ok(0) => return self.hung_up(id, side),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if is_not_yet(&error) => return Ok(()),
                // TLS reports so what a plain socket reads as its end.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return self.hung_up(id, side),
                Err(error) => return Err(error.into()),
            };
            let last = read < room && socket.stream.short_read_is_last();
            if kept > 0 {
                buffer[..kept].copy_from_slice(&socket.inbox);
                socket.inbox.clear();
            }
            self.read_at = nanoseconds();
            let end = kept + read;
            let taken = self.take(load, id, side, &buffer[..end])?;
            if taken < end
                && let Some(socket) = self.clients[id].socket(side)
            {
                socket.inbox.extend_from_slice(&buffer[taken..end]);
            }
            if last {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The server closed the socket: the end of a WebSocket, nothing much for a socket between requests.
    fn hung_up(&mut self, id: usize, side: Side) -> Result<(), Cause> {
        match self.clients[id].socket(side) {
            Some(socket) if socket.awaits == Awaits::Nothing => {
                self.clients[id].sockets[side as usize] = None;
                Ok(())
            }
            _ => Err(Cause::Closed),
        }
    }

    /// Takes whole frames and answers; how many bytes they were.
    fn take(&mut self, load: &mut impl Load, id: usize, side: Side, bytes: &[u8]) -> Result<usize, Cause> {
        let mut at = 0;
        while at < bytes.len() {
            let size = match self.clients[id].socket(side).map(|socket| socket.awaits) {
                None => return Ok(bytes.len()),
                Some(Awaits::Frames) => self.take_frame(load, id, side, &bytes[at..])?,
                Some(_) => self.take_answer(load, id, side, &bytes[at..])?,
            };
            if size == 0 {
                break;
            }
            at += size;
        }
        Ok(at)
    }

    fn take_frame(&mut self, load: &mut impl Load, id: usize, side: Side, bytes: &[u8]) -> Result<usize, Cause> {
        let Some(frame) = Frame::parse(bytes)? else { return Ok(0) };
        match frame.opcode {
            Opcode::Text if frame.last => self.packet(load, id, frame.payload, None)?,
            // Attachments are no packets.
            Opcode::Binary if frame.last => {}
            Opcode::Text | Opcode::Binary | Opcode::Continuation => {
                let Some(socket) = self.clients[id].socket(side) else { return Ok(frame.size) };
                let mut message = std::mem::take(&mut socket.fragments);
                message.extend_from_slice(frame.payload);
                if frame.last {
                    self.packet(load, id, &message, None)?;
                } else {
                    socket.fragments = message;
                }
            }
            Opcode::Ping => {
                let mut pong = Vec::new();
                write_frame(&mut pong, Opcode::Pong, frame.payload);
                self.write(id, side, &pong)?;
            }
            Opcode::Pong => {}
            Opcode::Close => return Err(Cause::Ended),
        }
        Ok(frame.size)
    }

    /// Acts on one Engine.IO packet; `cookies` came with it.
    pub(super) fn packet(
        &mut self,
        load: &mut impl Load,
        id: usize,
        bytes: &[u8],
        cookies: Option<String>,
    ) -> Result<(), Cause> {
        match Packet::of(bytes) {
            Packet::Message(packet) => {
                load.message(self, id, packet);
                Ok(())
            }
            Packet::Ping => {
                self.counts.heartbeats += 1;
                self.clients[id].heard = self.now;
                self.pong(id)
            }
            Packet::Open(json) => self.session_opened(id, json, cookies),
            Packet::Joined(rest) => self.namespace_joined(load, id, rest),
            Packet::Refused(json) => Err(Cause::Refused(String::from_utf8_lossy(json).into_owned())),
            Packet::Probed => {
                self.clients[id].upgrade = Upgrade::Probed;
                self.advance(load, id)
            }
            Packet::Left if self.clients[id].stage != Stage::Leaving => Err(Cause::Ended),
            Packet::Close => Err(Cause::Ended),
            Packet::Left | Packet::Noop | Packet::Unknown => Ok(()),
        }
    }

    fn pong(&mut self, id: usize) -> Result<(), Cause> {
        if let Some(session) = self.clients[id].polling.as_deref_mut() {
            session.enqueue(b"3");
            return Ok(());
        }
        let side = self.clients[id].websocket();
        match self.clients[id].socket(side) {
            Some(socket) => Ok(socket.write(&self.pong)?),
            None => Ok(()),
        }
    }

    /// Whether clients speak over a WebSocket once they have joined.
    pub(super) const fn is_websocket(&self) -> bool {
        !matches!(self.transport, Transport::Polling)
    }
}
