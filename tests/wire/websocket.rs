//! Replay of captured WebSocket bytes: frames, right and wrong, and Engine.IO packets in them.

use serde_json::{Value, json};

use crate::support::{Frame, Polling, Server, Socket, Vectors, WebSocket, hex};

/// Entries of the WebSocket layer and of Engine.IO packets.
const FRAMES: &[&str] = &["eb-023", "eb-024", "eb-025", "eb-032", "eb-035"];

/// Entries that end a session. The captured session had no socket yet; here it has one, to see the reason.
const ENDS: &[&str] = &["eb-026", "eb-027", "eb-028", "eb-029", "eb-030", "eb-031", "eb-033", "eb-034"];

/// The entries judged here.
pub fn judged() -> Vec<&'static str> {
    [FRAMES, ENDS].concat()
}

#[test]
fn frames_are_answered_as_captured() {
    let (server, vectors) = (Server::start(), Vectors::behaviour());
    let mut observer = Socket::connect(&server);
    for id in FRAMES {
        Replay::of(&vectors, id).run(&server, &mut observer);
    }
}

#[test]
fn bad_and_closing_frames_end_the_session_as_captured() {
    let (server, vectors) = (Server::start(), Vectors::behaviour());
    let mut observer = Socket::connect(&server);
    for id in ENDS {
        Replay::of(&vectors, id).behind_a_connect().run(&server, &mut observer);
    }
}

/// A captured sequence of frames.
pub struct Replay<'a> {
    id: &'a str,
    sent: Vec<Vec<u8>>,
    expected: Vec<Frame>,
    /// The server ends the connection without waiting for the client's close frame.
    ends_at_once: bool,
    /// Disconnect reason of the socket, if it had one and lost it.
    reason: Option<Value>,
}

impl<'a> Replay<'a> {
    pub fn of(vectors: &Vectors, id: &'a str) -> Self {
        let entry = vectors.get(id);
        let texts = entry["client_sends_hex"].as_array().expect("frames of the client");
        let reasons = entry["socket_io"].as_array().expect("events of the socket");
        Self {
            id,
            sent: texts.iter().map(|text| hex(text.as_str().expect("hexadecimal digits"))).collect(),
            expected: Frame::all_of(entry["server_sends_hex"].as_str().expect("frames of the server")),
            ends_at_once: entry["tcp_closed"] == true,
            reason: reasons.last().or(entry["engine_close"].get(0).map(|close| &close[0])).cloned(),
        }
    }

    /// The same with a CONNECT and its answer in front.
    fn behind_a_connect(mut self) -> Self {
        self.sent.insert(0, WebSocket::masked_frame(0x81, b"40"));
        self.expected.insert(0, Frame::text("40{\"sid\":\"<sid>\"}"));
        self
    }

    /// Sends the frames and judges the answers, the connection, the session and the reason.
    pub fn run(mut self, server: &Server, observer: &mut Socket) {
        let (mut ws, sid) = WebSocket::open(server);
        let tracked = self.sent[0] == WebSocket::masked_frame(0x81, b"40");
        if tracked {
            let connect = self.sent.remove(0);
            ws.connection.send(&connect);
            let answer = self.expected.remove(0);
            self.judge(&mut ws, &answer);
            ws.send_text(&format!("420[\"track\",\"{}\"]", self.id));
            ws.expect_text("430[\"ok\"]");
        }
        for (n, frame) in self.sent.iter().enumerate() {
            if n > 0 {
                self.fence(&mut ws);
            }
            ws.connection.send(frame);
        }
        for frame in &self.expected {
            self.judge(&mut ws, frame);
        }

        let closed = self.expected.last().is_some_and(|frame| frame.first == 0x88);
        match (closed, self.ends_at_once) {
            (true, true) => ws.connection.expect_end(),
            (true, false) => ws.answer_close(),
            (false, _) => self.fence(&mut ws),
        }
        // A server may take a session as alive until both ends of the connection are closed.
        let open = (!closed).then_some(ws);
        let stays = tracked && self.reason.is_none();
        match self.reason {
            Some(reason) if tracked => assert_eq!(observer.reason_of(self.id), json!([reason]), "{}", self.id),
            _ => assert_eq!(observer.reasons(self.id), json!([]), "{}", self.id),
        }
        assert_eq!(Polling::knows(&mut server.connect(), &sid), !closed, "{}: the session", self.id);
        drop(open);
        if stays {
            // Its disconnection must not come between the frames of the next replay.
            observer.reason_of(self.id);
        }
    }

    /// Panics unless all that was sent has been handled without an answer.
    fn fence(&self, ws: &mut WebSocket) {
        ws.send(0x89, b"fence");
        self.judge(ws, &Frame { first: 0x8a, payload: b"fence".to_vec() });
    }

    /// Judges the next frame, and behind a CONNECT answer the greeting of the application. A broadcast of the application while
    /// a tracked socket leaves may still reach that socket.
    fn judge(&self, ws: &mut WebSocket, expected: &Frame) {
        let mut got = ws.frame();
        while got.payload.starts_with(b"42[\"rooms-at-disconnecting\",") {
            got = ws.frame();
        }
        let texts = (got.masked_text(), expected.masked_text());
        assert_eq!((got.first, texts.0), (expected.first, texts.1.clone()), "{}", self.id);
        if texts.1.starts_with("40{") {
            let greeting = ws.text();
            assert!(greeting.starts_with("42[\"auth\","), "{}: {greeting}", self.id);
        }
    }
}
