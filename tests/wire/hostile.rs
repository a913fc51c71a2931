//! Hostile clients: garbage of many kinds, and clients that never read. The server goes on for all others.

use std::net::TcpStream;

use serde_json::json;
use socket2::{Domain, Socket as RawSocket, Type};

use crate::support::{Connection, Polling, Server, Socket, WebSocket};

/// Connections of the garbage test.
const CONNECTIONS: u64 = 2000;

/// xorshift64*: the same bytes in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 8
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn bytes(&mut self, at_most: usize) -> Vec<u8> {
        (0..self.below(at_most + 1)).map(|_| self.next() as u8).collect()
    }

    /// A text of characters that have a meaning in the protocols.
    fn text(&mut self, at_most: usize) -> String {
        let alphabet = *b"0123456789-,/[]{}\":b\x1e \\ue+x";
        (0..self.below(at_most + 1)).map(|_| char::from(alphabet[self.below(alphabet.len())])).collect()
    }

    /// The bytes with some of them changed, doubled or cut off.
    fn mutated(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len().max(1));
            match self.below(4) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at.min(bytes.len()), self.next() as u8),
                2 => bytes.extend_from_within(at.min(bytes.len())..),
                _ if bytes.is_empty() => {}
                _ => bytes[at] = self.next() as u8,
            }
        }
        bytes
    }

    /// What one hostile client sends.
    fn garbage(&mut self, server: &Server) -> Vec<u8> {
        let upgrade = WebSocket::request("").into_bytes();
        match self.below(8) {
            0 => self.bytes(300),
            1 => self.mutated(b"GET / HTTP/1.1\r\nHost: example.test\r\nX-A: b\r\n\r\n".to_vec()),
            2 => self.mutated(upgrade),
            3 => [upgrade, self.bytes(300)].concat(),
            4 => {
                let frame = WebSocket::masked_frame(0x81, b"42[\"message\",1]");
                [upgrade, WebSocket::masked_frame(0x81, b"40"), self.mutated(frame)].concat()
            }
            5 => {
                let texts =
                    (0..3).flat_map(|_| WebSocket::masked_frame(0x81, format!("4{}", self.text(30)).as_bytes()));
                let texts: Vec<_> = texts.collect();
                [upgrade, WebSocket::masked_frame(0x81, b"40"), texts].concat()
            }
            6 => {
                let body = self.text(60);
                Polling::open(server).post_request(&body).into_bytes()
            }
            _ => {
                let request = Polling::open(server).post_request("40\x1e42[\"message\",1]").into_bytes();
                self.mutated(request)
            }
        }
    }
}

#[test]
fn garbage_of_any_kind_does_not_harm_the_server() {
    let mut server = Server::start();
    let mut witness = Socket::connect(&server);
    let mut random = Random(0x6b69_6e67_6c65_7421);
    for n in 0..CONNECTIONS {
        let garbage = random.garbage(&server);
        let mut connection = server.connect();
        // The server may close, or reset, before it has read all of it.
        let _ = connection.try_send(&garbage);
        if n % 10 == 0 {
            // However it reads the bytes, it does not keep the connection of a client that has gone.
            connection.finish_sending();
            connection.drain_to_end();
        }
        if n % 100 == 0 {
            assert_eq!(witness.call(&json!(["message-with-ack", n])), json!([n]), "after {n} connections");
        }
    }
    server.assert_well();
    assert_eq!(Socket::connect(&server).call(&json!(["message-with-ack"])), json!([]));
}

#[test]
fn a_client_that_never_reads_is_cut_off_and_the_others_go_on() {
    let mut server = Server::with_vars(&[("KINGLET_QUEUED_PER_CLIENT", "1MiB")]);
    let mut flooder = Socket::connect(&server);
    let mut reader = Socket::connect(&server);

    let raw = RawSocket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    raw.set_recv_buffer_size(16 * 1024).expect("a small receive buffer");
    raw.connect(&server.address().into()).expect("the server accepts");
    let mut connection = Connection::over(TcpStream::from(raw));
    connection.send(WebSocket::request("").as_bytes());
    assert_eq!(connection.response().status, 101);
    let mut slow = WebSocket { connection };
    let sid = slow.opened();
    let mut slow = Socket::connect_over(slow, sid);
    assert_eq!(slow.call(&json!(["track", "slow"])), json!(["ok"]));

    // 1 MiB may wait for it, besides what the kernel takes: a send buffer of 128 KiB and the receive buffer above.
    let text = "x".repeat(64 * 1024);
    let mut floods = 0;
    while flooder.reasons("slow") == json!([]) {
        assert!(floods < 100, "{floods} messages of 64 KiB, and it is still connected");
        flooder.broadcast("flood", &json!(text));
        reader.event(&format!("[\"flood\",\"{text}\"]"));
        floods += 1;
    }
    assert!(floods >= 16, "cut off after {floods} messages of 64 KiB");
    slow.ws.connection.drain_to_end();
    assert!(!Polling::knows(&mut server.connect(), &slow.sid));
    server.assert_well();
}
