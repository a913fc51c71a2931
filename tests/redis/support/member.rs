//! A server in this process, as a member of a cluster, and a bare Socket.IO client of it.

use std::net::{Ipv4Addr, TcpStream};
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
        let member = Self::begin(config, redis);
        member.until("in the cluster", |handle| matches!(handle.redis_state(), Some(State::Up)));
        member
    }

    /// The same without waiting.
    pub fn begin(config: Config, redis: RedisServer) -> Self {
        Self::begin_with(config, redis, |_| ())
    }

    /// The same with more than `/`.
    pub fn begin_with(config: Config, redis: RedisServer, declare: impl FnOnce(&mut Server)) -> Self {
        let address = Ipv4Addr::LOCALHOST.into();
        let config = Config { address, port: 0, shards: Some(2), redis: Some(redis), ..config };
        let mut server = Server::new(config).unwrap();
        server.of("/");
        declare(&mut server);
        let running = server.start().unwrap();
        Self { handle: running.handle(), running: Some(running) }
    }

    /// A client that has joined `/`.
    pub fn client(&self) -> Client {
        let address = self.running.as_ref().unwrap().address();
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
        let mut client = Client(tungstenite::client(url, stream).unwrap().0);
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
    /// Sends a text message.
    pub fn send(&mut self, text: &str) {
        self.0.send(Message::text(text)).unwrap();
    }

    /// The next text message.
    pub fn text(&mut self) -> String {
        loop {
            if let Message::Text(text) = self.0.read().unwrap() {
                return text.as_str().to_owned();
            }
        }
    }
}
