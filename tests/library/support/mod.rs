//! What the library's tests share: a server in this process, the raw clients of the wire tests, and a Socket.IO client.

mod client;
mod server;
#[path = "../../wire/support/tcp.rs"]
#[expect(dead_code, reason = "the wire tests use more of it")]
mod tcp;
#[path = "../../wire/support/vectors.rs"]
#[expect(dead_code, reason = "the wire tests use more of it")]
mod vectors;
#[path = "../../wire/support/websocket.rs"]
#[expect(dead_code, reason = "the wire tests use more of it")]
mod websocket;

pub use client::{Client, Polling, event, raw, socket_id};
pub use server::{Server, config, one_shard, receive};
pub use tcp::{Connection, Response};
use vectors::{hex, masked};
pub use websocket::{Frame, WebSocket};

use std::time::Duration;

/// Bound on every wait for the server: no correct answer takes as long, however loaded the machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Panics unless the answer is a 503 that ends the connection.
pub fn expect_busy(connection: &mut Connection) {
    let answer = connection.response();
    answer.assert_is(503, "");
    assert_eq!(answer.header("retry-after").as_deref(), Some("5"));
    connection.expect_end();
}

/// The result of a handler that uses `?`.
pub type Handled = Result<(), Box<dyn std::error::Error>>;
