//! A session on the polling transport, over connections that stay open.

use std::net::SocketAddr;

use super::{Connection, Response, Server};

/// A polling session and the connection that its requests take one after the other.
pub struct Polling {
    pub sid: String,
    address: SocketAddr,
    connection: Connection,
}

impl Polling {
    /// Opens a session.
    pub fn open(server: &Server) -> Self {
        let mut connection = server.connect();
        connection.send(b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: example.test\r\n\r\n");
        let open = connection.response().text();
        let open: serde_json::Value = serde_json::from_str(open.strip_prefix('0').expect("open")).expect("JSON");
        let sid = open["sid"].as_str().expect("a sid").to_owned();
        Self { sid, address: server.address(), connection }
    }

    /// A session with a socket in `/`; the greeting has been read.
    pub fn connected(server: &Server) -> Self {
        let mut session = Self::open(server);
        session.post_ok("40");
        session.read_until("42[\"auth\",");
        session
    }

    /// A session with a socket. Its disconnect reason can be asked for under the key.
    pub fn tracked(server: &Server, key: &str) -> Self {
        let mut session = Self::connected(server);
        session.post_ok(&format!("420[\"track\",\"{key}\"]"));
        session.read_until("430[\"ok\"]");
        session
    }

    /// The text of a GET.
    pub fn get_request(&self) -> String {
        format!("GET /socket.io/?EIO=4&transport=polling&sid={} HTTP/1.1\r\nHost: example.test\r\n\r\n", self.sid)
    }

    /// The text of a POST.
    pub fn post_request(&self, body: &str) -> String {
        format!(
            "POST /socket.io/?EIO=4&transport=polling&sid={} HTTP/1.1\r\nHost: example.test\r\nContent-Length: {}\r\n\
             Content-Type: text/plain;charset=UTF-8\r\n\r\n{body}",
            self.sid,
            body.len()
        )
    }

    /// Answer to a GET on the session's own connection.
    pub fn get(&mut self) -> Response {
        let request = self.get_request();
        self.exchange(request.as_bytes())
    }

    /// Answer to a POST on the session's own connection.
    pub fn post(&mut self, body: &str) -> Response {
        let request = self.post_request(body);
        self.exchange(request.as_bytes())
    }

    pub fn post_ok(&mut self, body: &str) {
        self.post(body).assert_is(200, "ok");
    }

    fn exchange(&mut self, request: &[u8]) -> Response {
        self.connection.send(request);
        self.connection.response()
    }

    /// Polls until a packet with this beginning has come.
    pub fn read_until(&mut self, beginning: &str) {
        loop {
            let response = self.get();
            assert_eq!(response.status, 200, "{response:?}");
            if response.text().split('\x1e').any(|packet| packet.starts_with(beginning)) {
                return;
            }
        }
    }

    /// An idle connection that has already carried a request of this session. Input on two such connections is handled in the
    /// order of sending.
    pub fn attach(&self) -> Connection {
        let mut connection = Connection::open(self.address);
        assert!(Self::knows(&mut connection, &self.sid), "the session is gone");
        // Level-triggered readiness of one turn of the server's loop lasts into the next: this one takes that turn.
        assert!(self.lives(), "the session is gone");
        connection
    }

    /// A GET that is held, on a connection of its own.
    pub fn poll(&self) -> Connection {
        let mut connection = self.attach();
        connection.send(self.get_request().as_bytes());
        // A request that was sent later has been answered: the GET has been read.
        self.lives();
        connection
    }

    /// Whether the server knows the session, on either transport.
    pub fn lives(&self) -> bool {
        Self::knows(&mut Connection::open(self.address), &self.sid)
    }

    /// Whether the server knows a session of this id. The question uses the wrong protocol, which is refused without effect on
    /// the session, and with another code than an unknown id.
    pub fn knows(connection: &mut Connection, sid: &str) -> bool {
        let target = format!("/socket.io/?EIO=3&transport=polling&sid={sid}");
        connection.send(format!("GET {target} HTTP/1.1\r\nHost: example.test\r\n\r\n").as_bytes());
        let response = connection.response();
        match response.text().as_str() {
            "{\"code\":1,\"message\":\"Session ID unknown\"}" => false,
            "{\"code\":3,\"message\":\"Bad request\"}" => true,
            other => panic!("{} {other}", response.status),
        }
    }
}
