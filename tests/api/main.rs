//! The library as a program uses it: a server in this process, on a free port and with two shards, and bare clients.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails; handlers of tests, too")]

mod asking;
mod blocking;
mod client;
mod dynamic_namespaces;
mod events;
mod handles;
mod handshakes;
mod many_sockets;
mod message_pack;
mod results;
mod room_events;
mod values;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use client::Client;
use kinglet::{Config, Handle, Running, Server};

/// Bound on every wait: no correct answer takes as long, however loaded the machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server that runs; dropping it stops it.
struct Served {
    address: SocketAddr,
    handle: Handle,
    running: Option<Running>,
}

/// Settings of a server under test.
fn config() -> Config {
    Config { address: Ipv4Addr::LOCALHOST.into(), port: 0, shards: Some(2), ..Config::default() }
}

/// Starts a server that was declared.
fn serve(config: Config, declare: impl FnOnce(&mut Server)) -> Served {
    let mut server = Server::new(config).expect("settings that are accepted");
    declare(&mut server);
    let running = server.start().expect("a server that starts");
    Served { address: running.address(), handle: running.handle(), running: Some(running) }
}

impl Served {
    /// A client that has joined the namespace `/`.
    fn client(&self) -> Client {
        let mut client = Client::open(self.address, &[]);
        client.join("/");
        client
    }

    /// How often a limit was met.
    fn hit(&self, limit: &str) -> u64 {
        let hits = self.handle.metrics().limits_hit;
        hits.into_iter().find(|(name, _)| *name == limit).expect("a limit of that name").1
    }

    /// Polls until a condition is true that no event announces.
    fn until(&self, holds: impl Fn(&Handle) -> bool) {
        let begin = Instant::now();
        while !holds(&self.handle) {
            assert!(begin.elapsed() < PATIENCE, "it does not come to hold: {:?}", self.handle.metrics());
            std::thread::yield_now();
        }
    }

    fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            self.handle.close();
            running.join().expect("shards that end well");
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.stop();
        }
    }
}
