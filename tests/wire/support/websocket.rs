//! A raw WebSocket client. It sends any frames, right or wrong, and reads them one at a time.

use super::{Connection, Server, hex, masked};

/// Mask key of the frames of the vectors.
const MASK: [u8; 4] = [1, 2, 3, 4];

/// A frame from the server.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    /// First byte: final bit, reserved bits, opcode.
    pub first: u8,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The frames of a captured text of hexadecimal digits: short ones.
    pub fn all_of(captured: &str) -> Vec<Self> {
        let (bytes, mut frames) = (hex(captured), Vec::new());
        let mut rest = bytes.as_slice();
        while let [first, length, ..] = *rest {
            let end = 2 + usize::from(length);
            frames.push(Self { first, payload: rest[2..end].to_vec() });
            rest = &rest[end..];
        }
        frames
    }

    /// The payload as text, sids masked.
    pub fn masked_text(&self) -> String {
        masked(&String::from_utf8_lossy(&self.payload))
    }

    /// A whole text message.
    pub fn text(text: &str) -> Self {
        Self { first: 0x81, payload: text.as_bytes().to_vec() }
    }

    /// A close frame without a code.
    pub fn close() -> Self {
        Self { first: 0x88, payload: Vec::new() }
    }

    /// A close frame with this code and no reason.
    pub fn close_with(code: u16) -> Self {
        Self { first: 0x88, payload: code.to_be_bytes().to_vec() }
    }
}

/// A WebSocket after its handshake.
pub struct WebSocket {
    pub connection: Connection,
}

impl WebSocket {
    /// A request for an upgrade with these members of the query, as `&sid=...`.
    pub fn request(query: &str) -> String {
        format!(
            "GET /socket.io/?EIO=4&transport=websocket{query} HTTP/1.1\r\nHost: example.test\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
    }

    /// A handshake with these bytes behind its request, in the same segment.
    pub fn open_with(server: &Server, query: &str, behind: &[u8]) -> Self {
        let mut connection = server.connect();
        connection.send(&[Self::request(query).as_bytes(), behind].concat());
        let response = connection.response();
        assert_eq!(response.status, 101, "{response:?}");
        Self { connection }
    }

    /// Opens a session. Gives its sid.
    pub fn open(server: &Server) -> (Self, String) {
        let mut socket = Self::open_with(server, "", &[]);
        let sid = socket.opened();
        (socket, sid)
    }

    /// Opens a WebSocket for a session that began on polling.
    pub fn probe(server: &Server, sid: &str) -> Self {
        Self::open_with(server, &format!("&sid={sid}"), &[])
    }

    /// Reads the `open` packet. Gives the sid.
    pub fn opened(&mut self) -> String {
        let open = self.text();
        let open: serde_json::Value = serde_json::from_str(open.strip_prefix('0').expect("open")).expect("JSON");
        open["sid"].as_str().expect("a sid").to_owned()
    }

    /// A masked frame with this first byte.
    pub fn masked_frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            length @ ..126 => frame.push(0x80 | length as u8),
            length @ ..65536 => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&(length as u16).to_be_bytes());
            }
            length => {
                frame.push(0x80 | 127);
                frame.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(&MASK);
        frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        frame
    }

    pub fn send(&mut self, first: u8, payload: &[u8]) {
        self.connection.send(&Self::masked_frame(first, payload));
    }

    pub fn send_text(&mut self, text: &str) {
        self.send(0x81, text.as_bytes());
    }

    /// Reads one frame.
    pub fn frame(&mut self) -> Frame {
        let head = self.connection.take(2);
        let length = match head[1] {
            126 => u16::from_be_bytes(self.connection.take(2).try_into().expect("2 bytes")).into(),
            127 => u64::from_be_bytes(self.connection.take(8).try_into().expect("8 bytes")),
            length @ ..126 => length.into(),
            masked => panic!("a masked frame from the server: {masked:02x}"),
        };
        Frame { first: head[0], payload: self.connection.take(length as usize) }
    }

    /// Reads one text message.
    pub fn text(&mut self) -> String {
        let frame = self.frame();
        assert_eq!(frame.first, 0x81, "{frame:02x?}");
        String::from_utf8(frame.payload).expect("text in UTF-8")
    }

    /// Panics unless the next frame is this one.
    pub fn expect(&mut self, frame: &Frame) {
        let got = self.frame();
        assert_eq!(&got, frame, "{:?}", String::from_utf8_lossy(&got.payload));
    }

    /// Panics unless the next text message is this one.
    pub fn expect_text(&mut self, text: &str) {
        assert_eq!(self.text(), text);
    }

    /// Panics unless the server has handled all earlier input without an answer.
    pub fn expect_nothing_more(&mut self) {
        self.send(0x89, b"fence");
        self.expect(&Frame { first: 0x8a, payload: b"fence".to_vec() });
    }

    /// Panics unless the server closes: an empty close frame, and the end once it is answered.
    pub fn expect_close(&mut self) {
        self.expect(&Frame::close());
        self.answer_close();
    }

    /// Answers a close frame and waits for the end of the connection.
    pub fn answer_close(&mut self) {
        // The server need not wait for the answer.
        let _ = self.connection.try_send(&Self::masked_frame(0x88, &[]));
        self.connection.expect_end();
    }
}
