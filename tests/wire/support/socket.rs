//! A Socket.IO client over a WebSocket, with what it takes to ask the conformance application for its observations.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::{Server, WebSocket};

/// A socket of the namespace `/`, with the packets that came and were not read yet.
pub struct Socket {
    pub ws: WebSocket,
    /// Engine.IO session id.
    pub sid: String,
    unread: VecDeque<String>,
    next_ack: u64,
}

impl Socket {
    /// Opens a session and connects to `/`; the greeting has been read.
    pub fn connect(server: &Server) -> Self {
        let (ws, sid) = WebSocket::open(server);
        Self::connect_over(ws, sid)
    }

    /// Connects to `/` over a session that is open.
    pub fn connect_over(mut ws: WebSocket, sid: String) -> Self {
        ws.send_text("40");
        let answer = ws.text();
        assert!(answer.starts_with("40{\"sid\":"), "{answer}");
        ws.expect_text("42[\"auth\",{}]");
        Self::joined(ws, sid)
    }

    /// Takes a WebSocket with a connected socket of `/`.
    pub fn joined(ws: WebSocket, sid: String) -> Self {
        // Ids from 100 on: the vectors use small ones.
        Self { ws, sid, unread: VecDeque::new(), next_ack: 100 }
    }

    /// A connected socket. Its disconnect reason can be asked for under the key.
    pub fn tracked(server: &Server, key: &str) -> Self {
        let mut socket = Self::connect(server);
        assert_eq!(socket.call(&json!(["track", key])), json!(["ok"]));
        socket
    }

    pub fn emit(&mut self, event: &Value) {
        self.ws.send_text(&format!("42{event}"));
    }

    /// Emits an event and waits for its acknowledgement.
    pub fn call(&mut self, event: &Value) -> Value {
        let id = self.next_ack;
        self.next_ack += 1;
        self.ws.send_text(&format!("42{id}{event}"));
        let answer = self.packet(|packet| packet.starts_with(&format!("43{id}[")));
        serde_json::from_str(&answer[2 + id.to_string().len()..]).expect("an acknowledgement in JSON")
    }

    /// Waits for an event with this beginning: its JSON up to some argument, without the closing bracket.
    pub fn event(&mut self, beginning: &str) -> Value {
        let packet = self.packet(|packet| packet.starts_with(&format!("42{beginning}")));
        serde_json::from_str(&packet[2..]).expect("an event in JSON")
    }

    /// Broadcasts the event to all other sockets of `/`, and returns when the server has done so.
    pub fn broadcast(&mut self, event: &str, argument: &Value) {
        self.emit(&json!(["broadcast", event, argument]));
        self.call(&json!(["message-with-ack"]));
    }

    /// Waits until the socket tracked under the key has left. Returns the reasons noted under the key.
    pub fn reason_of(&mut self, key: &str) -> Value {
        self.event(&format!("[\"rooms-at-disconnecting\",\"{key}\","));
        // The leaving socket's thread notes the reason after that event.
        let known = (0..10_000).map(|_| self.reasons(key)).find(|reasons| *reasons != Value::Array(Vec::new()));
        known.unwrap_or_else(|| panic!("no reason came to be known of {key}"))
    }

    /// The reasons noted under the key by now.
    pub fn reasons(&mut self, key: &str) -> Value {
        self.call(&json!(["reason", key]))[0].take()
    }

    fn packet(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        if let Some(at) = self.unread.iter().position(|packet| wanted(packet)) {
            return self.unread.remove(at).expect("a packet that was found");
        }
        loop {
            let packet = self.ws.text();
            if wanted(&packet) {
                return packet;
            }
            self.unread.push_back(packet);
        }
    }
}
