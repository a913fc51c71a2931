//! A Socket.IO server that is at home on the smallest machine money can rent.
//!
//! ```no_run
//! use kinglet::{Result, Server};
//!
//! fn main() -> Result<()> {
//!     env_logger::init();
//!     let mut server = Server::from_env()?;
//!     server
//!         .of("/")
//!         .on_connect(|socket| log::info!("{} connected", socket.id()))
//!         .on("message-from-client", |socket, event| socket.broadcast().relay(event));
//!     server.run()
//! }
//! ```
//!
//! Every official Socket.IO client talks to it. A connection costs data, not a thread, a task or a stack: see
//! `ARCHITECTURE.md` in the repository.

mod app;
mod config;
pub mod engineio;
mod error;
mod http;
mod metrics;
mod server;
mod shard;
pub mod socketio;

pub use app::{Ack, Args, Binary, Broadcast, Emitter, Event, Handle, Namespace, Outcome, Session, Socket, Writer};
pub use config::{Config, HandshakeHeaders, Limits, SETTINGS, Setting};
pub use error::{AckError, EmitError, Error, JoinError, Result};
pub use http::{Cookie, Cors, Origin, SameSite};
pub use metrics::Metrics;
pub use server::{Running, Server};
pub use shard::{Handshake, Message, Refusal};
pub use socketio::{Arguments, DisconnectReason};
