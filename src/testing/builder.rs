//! A client that is being described.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::client::Client;
use super::error::ClientError;
use super::plan::Plan;

/// How long a client waits for the server to let it in, unless it is told otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A client of a test, before it connects.
#[derive(Debug, Clone)]
pub struct ClientBuilder(Plan);

impl Client {
    /// Connects to a server, with a socket in `/`.
    ///
    /// # Errors
    /// As [`ClientBuilder::connect`].
    pub fn connect(address: SocketAddr) -> Result<Self, ClientError> {
        Self::builder(address).connect()
    }

    /// Describes a client of the server at that address, which [`Running::address`](crate::Running::address) tells.
    pub fn builder(address: SocketAddr) -> ClientBuilder {
        ClientBuilder(Plan {
            address: SocketAddr::new(reachable(address.ip()), address.port()),
            path: "/socket.io/".to_owned(),
            query: Vec::new(),
            headers: Vec::new(),
            namespace: "/".to_owned(),
            auth: None,
            timeout: TIMEOUT,
        })
    }
}

impl ClientBuilder {
    /// The namespace of its socket. Default `/`.
    #[must_use]
    pub fn namespace(mut self, name: impl Into<String>) -> Self {
        self.0.namespace = name.into();
        self
    }

    /// The socket's authentication data, a JSON object. Default none.
    #[must_use]
    pub fn auth(mut self, auth: serde_json::Value) -> Self {
        self.0.auth = Some(auth);
        self
    }

    /// One more parameter of the handshake's query.
    #[must_use]
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.query.push((name.into(), value.into()));
        self
    }

    /// One more header of the handshake, such as a cookie.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.headers.push((name.into(), value.into()));
        self
    }

    /// The server's path ([`Config::path`](crate::Config::path)). Default `/socket.io/`.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.0.path = path.into();
        self
    }

    /// Bound on connecting, sending and disconnecting. Default 10 s.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.0.timeout = timeout;
        self
    }

    /// Connects, and waits until the server has let the socket in.
    ///
    /// # Errors
    /// [`ClientError::Connect`] without a server, [`ClientError::Handshake`] and [`ClientError::Refused`] if it does not
    /// let the client in, [`ClientError::Disconnected`] if it closes the connection, [`ClientError::Timeout`] if it says
    /// nothing.
    pub fn connect(self) -> Result<Client, ClientError> {
        Client::join(self.0)
    }
}

/// An address that reaches a server that listens on `listening`.
fn reachable(listening: IpAddr) -> IpAddr {
    match listening {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    }
}
