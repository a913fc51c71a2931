//! Socket.IO clients: one over a WebSocket, and a polling session that opens a connection for each request.

use std::net::SocketAddr;

use kinglet::engineio::Sid;

use super::{Connection, Response, Server, WebSocket};

/// A client on a WebSocket, with a socket in `/`.
pub struct Client {
    pub ws: WebSocket,
    /// Its socket's id.
    pub id: String,
    /// The shard that serves it.
    pub shard: u8,
}

impl Client {
    /// Opens a session and joins `/`.
    pub fn connect(server: &Server) -> Self {
        let (mut ws, sid) = WebSocket::open(server);
        ws.send_text("40");
        let id = socket_id(&ws.text());
        Self { ws, id, shard: shard(&sid) }
    }

    /// `count` or more clients, at least one on each shard.
    pub fn connect_many(server: &Server, count: usize, shards: u8) -> Vec<Self> {
        let mut clients: Vec<_> = (0..count).map(|_| Self::connect(server)).collect();
        for shard in 0..shards {
            // The kernel chooses the shard by the ports, so a few attempts reach every shard.
            while clients.iter().all(|client| client.shard != shard) {
                clients.push(Self::connect(server));
            }
        }
        clients
    }

    /// Sends an event, written as the JSON of its name and arguments without brackets.
    pub fn emit(&mut self, event: &str) {
        self.ws.send_text(&format!("42[{event}]"));
    }

    /// Panics unless the next packet is this event, written as for `emit`.
    pub fn expect(&mut self, event: &str) {
        self.ws.expect_text(&format!("42[{event}]"));
    }
}

/// The id in the answer to a CONNECT.
pub fn socket_id(answer: &str) -> String {
    let answer = answer.split_once("{\"sid\":\"").unwrap_or_else(|| panic!("not connected: {answer}")).1;
    answer.strip_suffix("\"}").expect("a sid and nothing else").to_owned()
}

/// The text of an event's packet.
pub fn event(event: &str) -> String {
    format!("42[{event}]")
}

fn shard(sid: &str) -> u8 {
    Sid::parse(sid).expect("a sid").shard
}

/// A request without a body, with more lines of headers if need be.
pub fn raw(method: &str, query: &str, headers: &str) -> String {
    format!("{method} /socket.io/?EIO=4&transport={query} HTTP/1.1\r\nHost: example.test\r\n{headers}\r\n")
}

/// A session on polling. Each request goes over a connection of its own.
pub struct Polling {
    pub sid: String,
    pub shard: u8,
    address: SocketAddr,
}

impl Polling {
    /// Opens a session.
    pub fn open(server: &Server) -> Self {
        let mut connection = server.connect();
        connection.send(raw("GET", "polling", "").as_bytes());
        let open = connection.response().text();
        let open: serde_json::Value = serde_json::from_str(open.strip_prefix('0').expect("open")).expect("JSON");
        let sid = open["sid"].as_str().expect("a sid").to_owned();
        Self { shard: shard(&sid), sid, address: server.address() }
    }

    /// Opens a session and joins `/`. Gives the socket's id.
    pub fn connected(server: &Server) -> (Self, String) {
        let session = Self::open(server);
        session.post_ok("40");
        let id = socket_id(&session.get().text());
        (session, id)
    }

    /// The text of a GET.
    pub fn get_request(&self) -> String {
        raw("GET", &format!("polling&sid={}", self.sid), "")
    }

    /// The text of a POST.
    pub fn post_request(&self, body: &str) -> String {
        let headers = format!("Content-Length: {}\r\nContent-Type: text/plain;charset=UTF-8\r\n", body.len());
        raw("POST", &format!("polling&sid={}", self.sid), &headers) + body
    }

    /// Sends a request on a fresh connection.
    pub fn send(&self, request: &str) -> Connection {
        let mut connection = Connection::open(self.address);
        connection.send(request.as_bytes());
        connection
    }

    /// Answer to a GET.
    pub fn get(&self) -> Response {
        self.send(&self.get_request()).response()
    }

    /// Answer to a POST.
    pub fn post(&self, body: &str) -> Response {
        self.send(&self.post_request(body)).response()
    }

    pub fn post_ok(&self, body: &str) {
        self.post(body).assert_is(200, "ok");
    }

    /// A held GET. The server must have one shard.
    pub fn hold(&self, server: &Server) -> Connection {
        self.hold_with(server, "")
    }

    /// The same, with more lines of headers.
    pub fn hold_with(&self, server: &Server, headers: &str) -> Connection {
        let before = server.metrics().requests;
        let connection = self.send(&raw("GET", &format!("polling&sid={}", self.sid), headers));
        server.wait_until("a GET held", |metrics| metrics.requests > before);
        connection
    }
}
