//! Long polling: one request after the other on the first socket, posts beside a pending poll on the second.

use std::io::Write as _;

use super::client::{PollingSession, Stage, Upgrade};
use super::connection::{Awaits, Side};
use super::{Cause, Engine, Load};
use crate::options::Transport;
use crate::wire::{Opcode, Response, SEPARATOR, WEBSOCKET_ACCEPT, write_frame};

impl PollingSession {
    /// Adds packets to what is posted next.
    pub fn enqueue(&mut self, packets: &[u8]) {
        if !self.queue.is_empty() {
            self.queue.push(SEPARATOR);
        }
        self.queue.extend_from_slice(packets);
    }
}

impl Engine {
    /// Takes one whole HTTP answer; how many bytes it was.
    pub(super) fn take_answer(
        &mut self,
        load: &mut impl Load,
        id: usize,
        side: Side,
        bytes: &[u8],
    ) -> Result<usize, Cause> {
        let Some(response) = Response::parse(bytes)? else { return Ok(0) };
        let Some(socket) = self.clients[id].socket(side) else { return Ok(bytes.len()) };
        let awaited = std::mem::replace(&mut socket.awaits, Awaits::Nothing);
        if awaited == Awaits::Switch {
            return self.switched(id, side, &response).map(|()| response.size);
        }
        if response.status != 200 {
            let body = String::from_utf8_lossy(&response.body).into_owned();
            return Err(Cause::Status(response.status, body));
        }
        self.counts.requests += 1;
        if response.closes {
            self.clients[id].sockets[side as usize] = None;
        }
        if matches!(awaited, Awaits::Open | Awaits::Polled) {
            let mut cookies = response.cookies;
            for packet in response.body.split(|&byte| byte == SEPARATOR) {
                self.packet(load, id, packet, cookies.take())?;
            }
        }
        if self.clients[id].stage == Stage::Leaving && awaited == Awaits::Posted {
            let posted = self.clients[id].polling.as_ref().is_none_or(|session| session.queue.is_empty());
            if posted {
                return Err(Cause::Ended);
            }
        }
        self.advance(load, id)?;
        Ok(response.size)
    }

    fn switched(&mut self, id: usize, side: Side, response: &Response) -> Result<(), Cause> {
        if response.status != 101 {
            let body = String::from_utf8_lossy(&response.body).into_owned();
            return Err(Cause::Status(response.status, body));
        }
        if response.accept != Some(WEBSOCKET_ACCEPT) {
            return Err(Cause::Handshake("a wrong Sec-WebSocket-Accept"));
        }
        if let Some(socket) = self.clients[id].socket(side) {
            socket.awaits = Awaits::Frames;
        }
        if self.transport == Transport::Default {
            let mut probe = Vec::new();
            write_frame(&mut probe, Opcode::Text, b"2probe");
            self.write(id, side, &probe)?;
        }
        Ok(())
    }

    /// Makes the next request that the client can make.
    pub(super) fn advance(&mut self, load: &mut impl Load, id: usize) -> Result<(), Cause> {
        if self.clients[id].stage == Stage::Absent || self.clients[id].polling.is_none() {
            return Ok(());
        }
        let main = self.awaits(id, Side::Main);
        if self.has_posts(id) {
            if main == Awaits::Nothing && self.awaits(id, Side::Second) != Awaits::Posted {
                return self.post(id, Side::Main);
            }
            if self.transport == Transport::Polling
                && self.awaits(id, Side::Second) == Awaits::Nothing
                && main != Awaits::Posted
            {
                return self.post(id, Side::Second);
            }
        }
        if main == Awaits::Nothing {
            if self.clients[id].upgrade == Upgrade::Probed {
                return self.upgraded(load, id);
            }
            return self.poll(id);
        }
        Ok(())
    }

    /// Posts `packets`, now or as soon as the post before them is answered.
    pub(super) fn post_later(&mut self, id: usize, packets: &[u8]) -> Result<(), Cause> {
        let Some(session) = self.clients[id].polling.as_deref_mut() else { return Err(Cause::Closed) };
        session.enqueue(packets);
        match (self.awaits(id, Side::Main), self.awaits(id, Side::Second)) {
            (Awaits::Posted, _) | (_, Awaits::Posted) => Ok(()),
            // An answer is being looked at: the request after it is the post.
            (Awaits::Nothing, _) if self.clients[id].socket(Side::Main).is_some() => Ok(()),
            _ => self.post(id, Side::Second),
        }
    }

    fn awaits(&mut self, id: usize, side: Side) -> Awaits {
        self.clients[id].socket(side).map_or(Awaits::Nothing, |socket| socket.awaits)
    }

    fn has_posts(&self, id: usize) -> bool {
        self.clients[id].polling.as_ref().is_some_and(|session| !session.queue.is_empty())
    }

    fn post(&mut self, id: usize, side: Side) -> Result<(), Cause> {
        let mut request = std::mem::take(&mut self.scratch);
        request.clear();
        if let Some(session) = self.clients[id].polling.as_deref_mut() {
            request.extend_from_slice(&session.post);
            write!(request, "{}\r\n\r\n", session.queue.len())?;
            request.append(&mut session.queue);
        }
        let result = self.request(id, side, Awaits::Posted, &request);
        self.scratch = request;
        result
    }

    fn poll(&mut self, id: usize) -> Result<(), Cause> {
        let mut request = std::mem::take(&mut self.scratch);
        request.clear();
        if let Some(session) = self.clients[id].polling.as_deref() {
            request.extend_from_slice(&session.poll);
        }
        let result = self.request(id, Side::Main, Awaits::Polled, &request);
        self.scratch = request;
        result
    }
}
