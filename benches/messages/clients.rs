//! Bare clients on WebSockets, who know in advance how long each answer is.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// The key frames are masked with.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

pub struct Client(TcpStream);

impl Client {
    /// Opens a session.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let mut client = Self(TcpStream::connect(address)?);
        client.0.set_nodelay(true)?;
        let head = format!(
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        client.send(head.as_bytes())?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(client.bytes::<1>()?);
        }
        client.expect_packet("0{")?;
        Ok(client)
    }

    /// Opens a session and joins the namespace `/`.
    pub fn join(address: SocketAddr) -> io::Result<Self> {
        let mut client = Self::open(address)?;
        client.send(&masked("40"))?;
        client.expect_packet("40{")?;
        Ok(client)
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    /// Reads as many bytes as these, which must be what comes. `room` holds as many.
    pub fn expect(&mut self, bytes: &[u8], room: &mut [u8]) -> io::Result<()> {
        self.0.read_exact(room)?;
        if room == bytes { Ok(()) } else { Err(io::Error::other("the server sent something else")) }
    }

    /// Reads a frame that holds a text that begins so.
    fn expect_packet(&mut self, beginning: &str) -> io::Result<()> {
        let length = match self.bytes()? {
            [_, 126] => u16::from_be_bytes(self.bytes()?).into(),
            [_, length] => length.into(),
        };
        let mut packet = vec![0; length];
        self.0.read_exact(&mut packet)?;
        if packet.starts_with(beginning.as_bytes()) { Ok(()) } else { Err(io::Error::other("not the packet awaited")) }
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

/// A short text as the frame of a client.
pub fn masked(text: &str) -> Vec<u8> {
    assert!(text.len() < 126, "the length stands in one byte");
    let mut frame = vec![0x81, 0x80 | text.len() as u8];
    frame.extend(MASK);
    frame.extend(text.bytes().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}
