//! The baseline: what remains of a Socket.IO server when everything but its system calls is taken away.
//!
//! One thread, one epoll instance, hard-wired answers, one frame made once and one `send` for each delivery. A
//! connection is its descriptor and nothing else, so a frame must arrive whole: over loopback short ones do. A client
//! whose frames do not, or that reads too slowly, is closed. With `--coalesce` all messages that one turn of the loop relays
//! leave in one `send` for each client. It speaks WebSocket only and exists only for comparison.
//!
//! It is not a lower bound: a server that sends several messages in one `send` costs less for each of them.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Socket, Type};
use tungstenite::handshake::derive_accept_key;

/// What `perf baseline --help` prints.
pub const HELP: &str = "\
perf baseline: a server that makes one send per message and keeps no state, to compare others with

Usage: perf baseline [--coalesce] [--port PORT] [--path PATH]

  --coalesce    one send per turn: all messages of one turn of the loop leave in one send for each client
  --port PORT   where to listen [3000]
  --path PATH   where WebSocket handshakes are answered [/websockets]
";

const LISTENER: Token = Token(usize::MAX);
const BACKLOG: i32 = 4096;
const READ_BUFFER: usize = 64 * 1024;
const PING_INTERVAL: Duration = Duration::from_secs(25);

const PING: &[u8] = b"\x81\x012";
const CLOSE: &[u8] = b"\x88\x00";
const ALL_GOOD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 8\r\n\r\nall good";
const NOT_FOUND: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
const RELAYED: &[u8] = b"42[\"message-from-client\"";

/// How relayed messages leave.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sending {
    /// One `send` for each message and client.
    Each,
    /// One `send` for each turn and client.
    Coalesced,
}

/// Serves until the process is killed.
pub fn run(mut arguments: lexopt::Parser) -> Result<(), Box<dyn std::error::Error>> {
    use lexopt::prelude::{Long, Short, ValueExt};
    let (mut port, mut path, mut sending) = (3000, "/websockets".to_owned(), Sending::Each);
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("coalesce") => sending = Sending::Coalesced,
            Long("port") => port = arguments.value()?.parse()?,
            Long("path") => path = arguments.value()?.string()?,
            Short('h') | Long("help") => {
                print!("{HELP}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Baseline::listen(port, path, sending)?.serve()?)
}

/// A connection, as far as the baseline knows it.
enum Peer {
    Vacant,
    Http(TcpStream),
    Client(TcpStream),
}

impl Peer {
    fn stream(&mut self) -> Option<&mut TcpStream> {
        match self {
            Self::Vacant => None,
            Self::Http(stream) | Self::Client(stream) => Some(stream),
        }
    }

    /// Sends now or never.
    fn send(&mut self, bytes: &[u8]) {
        let Some(stream) = self.stream() else { return };
        if !matches!(stream.write(bytes), Ok(sent) if sent == bytes.len()) {
            // The next event of this descriptor is its end.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

struct Baseline {
    poll: Poll,
    listener: TcpListener,
    path: String,
    sending: Sending,
    /// By descriptor.
    peers: Vec<Peer>,
    /// Frames to relay at the end of this turn, and whose they are.
    frames: Vec<u8>,
    senders: Vec<(usize, Range<usize>)>,
    handshakes: u64,
}

impl Baseline {
    fn listen(port: u16, path: String, sending: Sending) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into())?;
        socket.listen(BACKLOG)?;
        let mut listener = TcpListener::from_std(socket.into());
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let (peers, frames, senders) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { poll, listener, path, sending, peers, frames, senders, handshakes: 0 })
    }

    fn serve(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        let mut buffer = vec![0; READ_BUFFER];
        let mut beat = Instant::now() + PING_INTERVAL;
        loop {
            match self.poll.poll(&mut events, Some(beat.saturating_duration_since(Instant::now()))) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    Token(peer) => self.receive(peer, &mut buffer),
                }
            }
            self.relay();
            if Instant::now() >= beat {
                beat += PING_INTERVAL;
                self.send_to_clients_but(None, PING);
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error),
            };
            stream.set_nodelay(true)?;
            let descriptor = stream.as_raw_fd() as usize;
            self.poll.registry().register(&mut stream, Token(descriptor), Interest::READABLE)?;
            if self.peers.len() <= descriptor {
                self.peers.resize_with(descriptor + 1, || Peer::Vacant);
            }
            self.peers[descriptor] = Peer::Http(stream);
        }
    }

    fn receive(&mut self, peer: usize, buffer: &mut [u8]) {
        let mut held = 0;
        loop {
            let Some(stream) = self.peers[peer].stream() else { return };
            let read = match stream.read(&mut buffer[held..]) {
                Ok(read) if read > 0 => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock && held == 0 => return,
                _ => break,
            };
            let end = held + read;
            let used = match buffer[0] {
                b'G' => self.answer(peer, &buffer[..end]),
                _ => self.frames(peer, &mut buffer[..end]),
            };
            let Some(used) = used else { break };
            // Less than there was room for: nothing more has come.
            if used == end && end < buffer.len() {
                return;
            }
            buffer.copy_within(used..end, 0);
            held = end - used;
        }
        self.peers[peer] = Peer::Vacant;
    }

    /// Answers a request; how many bytes it was, `None` to close.
    fn answer(&mut self, peer: usize, request: &[u8]) -> Option<usize> {
        let target = request.get(b"GET ".len()..)?;
        if target.starts_with(b"/ ") {
            self.peers[peer].send(ALL_GOOD);
        } else if let Some(key) = websocket_key(request).filter(|_| target.starts_with(self.path.as_bytes())) {
            let accept = derive_accept_key(key);
            let mut answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {accept}\r\n\r\n"
            )
            .into_bytes();
            let sid = self.sid();
            let open = format!(
                r#"0{{"sid":"{sid}","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}}"#
            );
            frame(&mut answer, &[open.as_bytes()]);
            self.peers[peer].send(&answer);
            self.peers[peer] = match std::mem::replace(&mut self.peers[peer], Peer::Vacant) {
                Peer::Http(stream) => Peer::Client(stream),
                other => other,
            };
        } else {
            self.peers[peer].send(NOT_FOUND);
        }
        Some(request.len())
    }

    /// Takes the whole frames at the start of `bytes`; how many bytes they were, `None` to close.
    fn frames(&mut self, peer: usize, bytes: &mut [u8]) -> Option<usize> {
        let mut used = 0;
        while let Some((head, payload)) = payload(&bytes[used..]) {
            let payload = used + payload.start..used + payload.end;
            let mask: [u8; 4] = bytes[payload.start - 4..payload.start].try_into().ok()?;
            bytes[payload.clone()].iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
            match head & 0x0f {
                0x8 => {
                    self.peers[peer].send(CLOSE);
                    return None;
                }
                0x1 => self.packet(peer, &bytes[payload.clone()])?,
                _ => {}
            }
            used = payload.end;
        }
        Some(used)
    }

    fn packet(&mut self, peer: usize, packet: &[u8]) -> Option<()> {
        match packet {
            [b'4', b'0', ..] => {
                let mut connected = Vec::new();
                frame(&mut connected, &[format!(r#"40{{"sid":"{}"}}"#, self.sid()).as_bytes()]);
                self.peers[peer].send(&connected);
            }
            [b'4', b'2', b'[', ..] if packet.starts_with(RELAYED) => {
                let start = self.frames.len();
                frame(&mut self.frames, &[packet]);
                self.senders.push((peer, start..self.frames.len()));
                if self.sending == Sending::Each {
                    self.relay();
                }
            }
            [b'4', b'2', b'0'..=b'9', ..] => {
                let name = packet.iter().position(|&byte| byte == b'[')?;
                let arguments =
                    packet[name..].iter().position(|&byte| byte == b',').map_or(packet.len() - 1, |at| name + at + 1);
                let mut answer = Vec::new();
                frame(&mut answer, &[b"43", &packet[2..name], b"[", &packet[arguments..]]);
                self.peers[peer].send(&answer);
            }
            [b'1', ..] => return None,
            _ => {}
        }
        Some(())
    }

    /// Sends what was relayed since the last time to everybody but who sent it.
    fn relay(&mut self) {
        let (frames, senders) = (std::mem::take(&mut self.frames), std::mem::take(&mut self.senders));
        let Some((first, _)) = senders.first() else { return };
        if senders.iter().all(|(sender, _)| sender == first) {
            self.send_to_clients_but(Some(*first), &frames);
        } else {
            let mut others = Vec::with_capacity(frames.len());
            for (number, peer) in self.peers.iter_mut().enumerate() {
                if !matches!(peer, Peer::Client(_)) {
                    continue;
                }
                others.clear();
                senders.iter().filter(|(sender, _)| *sender != number).for_each(|(_, range)| {
                    others.extend_from_slice(&frames[range.clone()]);
                });
                if !others.is_empty() {
                    peer.send(&others);
                }
            }
        }
        (self.frames, self.senders) = (frames, senders);
        self.frames.clear();
        self.senders.clear();
    }

    fn send_to_clients_but(&mut self, sender: Option<usize>, bytes: &[u8]) {
        for (number, peer) in self.peers.iter_mut().enumerate() {
            if matches!(peer, Peer::Client(_)) && sender != Some(number) {
                peer.send(bytes);
            }
        }
    }

    fn sid(&mut self) -> String {
        self.handshakes += 1;
        format!("baseline{:012}", self.handshakes)
    }
}

/// Where the first frame's payload lies, if it is whole, and the frame's first byte.
fn payload(bytes: &[u8]) -> Option<(u8, Range<usize>)> {
    let (length, start) = match *bytes.get(1)? & 0x7f {
        126 => (usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 8),
        127 => (usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?, 14),
        short => (usize::from(short), 6),
    };
    let end = start + length;
    (end <= bytes.len()).then(|| (bytes[0], start..end))
}

/// Appends a text frame.
fn frame(out: &mut Vec<u8>, parts: &[&[u8]]) {
    let length = parts.iter().map(|part| part.len()).sum::<usize>();
    out.push(0x81);
    match length {
        0..=125 => out.push(length as u8),
        126..=0xffff => {
            out.push(126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

fn websocket_key(request: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"sec-websocket-key:";
    request
        .split(|&byte| byte == b'\n')
        .find(|line| line.get(..NAME.len()).is_some_and(|name| name.eq_ignore_ascii_case(NAME)))
        .map(|line| line[NAME.len()..].trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_cut_short_is_no_frame() {
        for length in [0, 125, 126, 0xffff, 0x1_0000] {
            let mut frame = Vec::new();
            super::frame(&mut frame, &[&vec![b'x'; length]]);
            // A client's frame is a server's with a mask before the payload.
            let start = frame.len() - length;
            frame[1] |= 0x80;
            frame.splice(start..start, [0; 4]);
            assert_eq!(payload(&frame), Some((0x81, start + 4..frame.len())));
            assert_eq!(payload(&frame[..frame.len() - 1]), None);
        }
    }

    #[test]
    fn the_key_of_a_handshake_is_found_however_it_is_written() {
        let request = b"GET /websockets/ HTTP/1.1\r\nsec-WebSocket-Key:  abc=\r\n\r\n";
        assert_eq!(websocket_key(request), Some(&b"abc="[..]));
        assert_eq!(websocket_key(b"GET / HTTP/1.1\r\n\r\n"), None);
    }
}
