//! The port for operations: a server in this process, and bare HTTP over TCP.

#[path = "../api/client.rs"]
mod client;
mod cluster;
mod hostile;
mod http;
mod metrics;
mod process;
mod publishing;
#[path = "../redis/support/mod.rs"]
#[expect(dead_code, clippy::unwrap_used, reason = "it is of the tests of the way to Redis, which need more of it")]
mod redis;
mod watching;

use std::net::SocketAddr;
use std::time::Duration;

use kinglet::{Config, Password, Running, Server};

/// How long a test waits for what must happen, at most.
const PATIENCE: Duration = Duration::from_secs(30);

const TOKEN: &str = "a-token-of-the-tests";

/// Settings with ports that the system chooses, and a token.
fn config() -> Config {
    Config {
        port: 0,
        address: [127, 0, 0, 1].into(),
        shards: Some(2),
        ops_port: Some(0),
        ops_token: Some(Password::new(TOKEN)),
        ..Config::default()
    }
}

/// A server that runs, and the address of its port for operations.
fn start(server: Server) -> (Running, SocketAddr) {
    let running = server.start().expect("the server starts");
    let address = running.ops_address().expect("the port was asked for");
    (running, address)
}

fn stop(running: Running) {
    running.handle().close();
    running.join().expect("the server ends well");
}
