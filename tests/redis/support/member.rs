//! A server in this process, as a member of a cluster, and a bare Socket.IO client of it.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::Instant;

use kinglet::cluster::redis::State;
use kinglet::{Config, Handle, RedisServer, Running, Server};
use tungstenite::{Message, WebSocket};

use super::PATIENCE;

/// A server that runs; dropping it stops it.
pub struct Member {
    pub handle: Handle,
    running: Option<Running>,
}

impl Member {
    /// Starts one with these settings, on a free port and with two shards, and waits until it is in the cluster.
    pub fn start(config: Config, redis: RedisServer) -> Self {
        Self::start_with(config, redis, |_| ())
    }

    /// The same with more than `/`.
    pub fn start_with(config: Config, redis: RedisServer, declare: impl FnOnce(&mut Server)) -> Self {
        let member = Self::begin_with(config, redis, declare);
        member.until("in the cluster", |handle| matches!(handle.redis_state(), Some(State::Up)));
        member
    }

    /// The same without waiting.
    pub fn begin(config: Config, redis: RedisServer) -> Self {
        Self::begin_with(config, redis, |_| ())
    }

    /// The same with more than `/`, without waiting.
    pub fn begin_with(config: Config, redis: RedisServer, declare: impl FnOnce(&mut Server)) -> Self {
        let address = Ipv4Addr::LOCALHOST.into();
        let config = Config { address, port: 0, shards: Some(2), redis: Some(redis), ..config };
        let mut server = Server::new(config).unwrap();
        server.of("/");
        declare(&mut server);
        let running = server.start().unwrap();
        Self { handle: running.handle(), running: Some(running) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.running.as_ref().unwrap().address()
    }

    /// A client that has joined `/`.
    pub fn client(&self) -> Client {
        let mut client = Client::connect(self.address(), "EIO=4&transport=websocket");
        assert!(client.text().starts_with("0{"));
        client.0.send(Message::text("40")).unwrap();
        assert!(client.text().starts_with("40{"));
        client
    }

    /// Polls until a condition is true that no event announces.
    pub fn until(&self, what: &str, holds: impl Fn(&Handle) -> bool) {
        let begin = Instant::now();
        while !holds(&self.handle) {
            assert!(begin.elapsed() < PATIENCE, "not {what}: {:?}", self.handle.cluster_metrics());
            thread::yield_now();
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(running) = self.running.take().filter(|_| !thread::panicking()) {
            self.handle.close();
            running.join().unwrap();
        }
    }
}

/// A client of Socket.IO on a WebSocket.
pub struct Client(WebSocket<TcpStream>);

impl Client {
    /// A WebSocket with this query.
    pub fn connect(address: SocketAddr, query: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(tungstenite::client(format!("ws://{address}/socket.io/?{query}"), stream).unwrap().0)
    }

    /// Sends a text message.
    pub fn send(&mut self, text: &str) {
        self.0.send(Message::text(text)).unwrap();
    }

    /// Sends a text message, if the connection has not ended.
    pub fn send_or_end(&mut self, text: &str) -> bool {
        self.0.send(Message::text(text)).is_ok()
    }

    /// Sends text messages in one segment.
    pub fn send_together(&mut self, texts: &[&str]) {
        for text in texts {
            self.0.write(Message::text(*text)).unwrap();
        }
        self.0.flush().unwrap();
    }

    /// Waits for the end, and says whether it came without a close frame.
    pub fn is_cut(&mut self) -> bool {
        matches!(self.0.read(), Err(tungstenite::Error::Io(_) | tungstenite::Error::Protocol(_)))
    }

    /// The next text message.
    pub fn text(&mut self) -> String {
        loop {
            if let Message::Text(text) = self.0.read().unwrap() {
                return text.as_str().to_owned();
            }
        }
    }

    /// The next text message; `None` when the connection has ended.
    pub fn text_or_end(&mut self) -> Option<String> {
        loop {
            match self.0.read() {
                Ok(Message::Text(text)) => return Some(text.as_str().to_owned()),
                Ok(_) => {}
                Err(tungstenite::Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => panic!("nothing comes"),
                Err(_) => return None,
            }
        }
    }
}
