//! A client for tests (feature `testing`): it plays a user of your application against the server that you deploy.
//!
//! ```toml
//! [dev-dependencies]
//! kinglet = { version = "0.1", features = ["testing"] }
//! ```
//!
//! An application that can be tested is a function from its settings to a [`Server`](crate::Server): `main` runs it with
//! the settings of the environment, a test starts it with [`config`], on a free port of its own. So tests run at the same
//! time.
//!
//! ```
//! use std::time::Duration;
//!
//! use kinglet::testing::{self, Client, ClientError};
//! use kinglet::{Config, Refusal, Result, Server};
//! use serde_json::{Value, json};
//!
//! /// The application: whoever has a name may chat.
//! fn application(config: Config) -> Result<Server> {
//!     let mut server = Server::new(config)?;
//!     server
//!         .of("/")
//!         .middleware(|socket| match socket.auth::<Value>() {
//!             Some(auth) if auth["name"].is_string() => Ok(()),
//!             _ => Err(Refusal::new("no name")),
//!         })
//!         .on("say", |socket, event| {
//!             socket.broadcast().relay(event);
//!             event.ack("said")
//!         });
//!     Ok(server)
//! }
//!
//! let server = application(testing::config())?.start()?;
//! const SOON: Duration = Duration::from_secs(5);
//!
//! let nameless = Client::connect(server.address());
//! assert!(matches!(nameless, Err(ClientError::Refused { message, .. }) if message == "no name"));
//!
//! let mut ada = Client::builder(server.address()).auth(json!({ "name": "ada" })).connect()?;
//! let mut bob = Client::builder(server.address()).auth(json!({ "name": "bob" })).connect()?;
//! let answer = ada.emit_with_ack("say", "hello", SOON)?;
//! assert_eq!(answer.args::<(String,)>()?, ("said".to_owned(),));
//! let heard = bob.next("say", SOON)?;
//! assert_eq!(heard.args::<(String,)>()?, ("hello".to_owned(),));
//! // Whatever the server sent to Ada before its answer has come with it.
//! assert!(ada.next("say", Duration::ZERO).is_err());
//!
//! // A server that ends waits for its clients, for two seconds at most.
//! drop((ada, bob));
//! server.handle().close();
//! server.join()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A [`Client`] has one socket, on a connection of its own. It blocks, and reads only while it waits for something: so a
//! test may also play a client that does not read. Pings are answered while it waits, too. A test that leaves a client
//! alone for longer than `ping_interval` and `ping_timeout` together, 45 s by default, finds it disconnected.
//!
//! It speaks WebSocket alone, and Socket.IO's protocol 5. What official clients do beyond that, such as polling and
//! coming back by themselves, kinglet's own tests cover with these clients.

mod builder;
mod client;
mod connection;
mod error;
mod plan;
mod received;

pub use builder::ClientBuilder;
pub use client::Client;
pub use error::{ClientError, End};
pub use received::Received;

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::config::Config;

/// Settings for a test: the defaults, but on this machine only, on a port that the system chooses
/// ([`Running::address`](crate::Running::address) tells it), and without a drain, so that a server ends at once.
pub fn config() -> Config {
    Config { address: Ipv4Addr::LOCALHOST.into(), port: 0, drain: Duration::ZERO, ..Config::default() }
}
