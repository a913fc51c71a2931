//! What the wire tests share: the server process, raw clients of each layer, and the vectors.

mod polling;
mod server;
mod socket;
mod tcp;
mod vectors;
mod websocket;

pub use polling::Polling;
pub use server::{Server, program};
pub use socket::Socket;
pub use tcp::{Connection, Response};
pub use vectors::{Vectors, assert_covers, hex, masked, without_auth};
pub use websocket::{Frame, WebSocket};

use std::time::Duration;

/// Bound on every wait for the server: no correct answer takes as long, however loaded the machine.
pub const PATIENCE: Duration = Duration::from_secs(10);
