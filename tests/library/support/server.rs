//! A server in this process.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Instant;

use kinglet::{Config, Handle, Metrics, Running};

use super::{Connection, PATIENCE};

/// Settings of a server on a free port, with `shards` shards.
pub fn config(shards: usize) -> Config {
    Config { address: Ipv4Addr::LOCALHOST.into(), port: 0, shards: Some(shards), ..Config::default() }
}

/// Settings of a server of one shard.
pub fn one_shard() -> Config {
    config(1)
}

/// The next value that a handler sent to the test.
pub fn receive<T>(receiver: &Receiver<T>) -> T {
    receiver.recv_timeout(PATIENCE).expect("a handler was called")
}

/// A running server. Dropping it stops it, and fails the test if it did not run well to the end.
pub struct Server {
    running: Option<Running>,
    address: SocketAddr,
    handle: Handle,
}

impl Server {
    /// The address of its port for operations, which the settings ask for.
    pub fn ops_address(&self) -> SocketAddr {
        self.running.as_ref().and_then(Running::ops_address).expect("the port was asked for")
    }

    /// Starts a server with the handlers that `declare` gives it.
    pub fn start(config: Config, declare: impl FnOnce(&mut kinglet::Server)) -> Self {
        let mut server = kinglet::Server::new(config).expect("settings");
        declare(&mut server);
        let running = server.start().expect("the server starts");
        Self { address: running.address(), handle: running.handle(), running: Some(running) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A new TCP connection to it.
    pub fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    pub fn metrics(&self) -> Metrics {
        self.handle.metrics()
    }

    /// How often a limit was hit.
    pub fn hits(&self, limit: &str) -> u64 {
        let metrics = self.metrics();
        let hits = metrics.limits_hit.iter().find(|(name, _)| *name == limit);
        hits.unwrap_or_else(|| panic!("no limit {limit}")).1
    }

    /// Waits until the metrics satisfy `wished`.
    pub fn wait_until(&self, what: &str, wished: impl Fn(&Metrics) -> bool) {
        let begin = Instant::now();
        while !wished(&self.metrics()) {
            assert!(begin.elapsed() < PATIENCE, "not {what}: {:?}", self.metrics());
            thread::yield_now();
        }
    }

    /// Waits until the limit has been hit `times` times.
    pub fn wait_for_hits(&self, limit: &str, times: u64) {
        self.wait_until(&format!("{times} times at {limit}"), |_| self.hits(limit) >= times);
        assert_eq!(self.hits(limit), times, "{limit}");
    }

    /// The rooms of a namespace, over all shards.
    pub fn all_rooms(&self, namespace: &str) -> Vec<String> {
        let (sender, receiver) = std::sync::mpsc::channel();
        self.handle.of(namespace).all_rooms(move |rooms| {
            // A test that has failed does not wait for them.
            let _ = sender.send(rooms.expect("no other servers"));
        });
        receive(&receiver)
    }

    /// Panics unless it answers `GET /`.
    pub fn assert_well(&self) {
        let mut connection = self.connect();
        connection.send(b"GET / HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n\r\n");
        connection.response().assert_is(200, "all good");
    }

    /// Waits until it has ended by itself.
    pub fn wait_for_end(mut self) -> kinglet::Result<()> {
        self.running.take().expect("a server ends once").join()
    }

    /// Stops it.
    pub fn stop(mut self) -> kinglet::Result<()> {
        self.handle.close();
        self.running.take().expect("a server is stopped once").join()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.handle.close();
        let Some(running) = self.running.take() else { return };
        if !thread::panicking() {
            running.join().expect("the server ran well");
        }
    }
}
