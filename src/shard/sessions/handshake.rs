//! What a session remembers of the request that opened it.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::clock;
use crate::cluster::message::DescribedHandshake;
use crate::cluster::peers::message::moving::MovingHandshake;
use crate::config::HandshakeHeaders;
use crate::http::{Head, HeadText};

/// The request that opened a session (`socket.handshake` of the Node server, without what each namespace adds).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    text: HeadText,
    address: SocketAddr,
    issued: Duration,
    cross_origin: bool,
    secure: bool,
}

impl Handshake {
    pub(in crate::shard) fn new(head: &Head<'_>, address: SocketAddr, headers: HandshakeHeaders) -> Self {
        let text = match headers {
            HandshakeHeaders::Keep => HeadText::of(head),
            HandshakeHeaders::Forget => HeadText::nothing(),
        };
        let issued = clock::since_epoch();
        let cross_origin = head.header("origin").is_some();
        Self { text, address, issued, cross_origin, secure: false }
    }

    /// A handshake as another server describes it.
    pub(crate) fn elsewhere(told: &DescribedHandshake) -> Self {
        let headers = told.headers.iter().map(|(name, value)| (&**name, &**value));
        Self {
            text: HeadText::told(&told.url, headers),
            address: SocketAddr::new(told.address, 0),
            issued: told.issued,
            cross_origin: told.cross_origin,
            secure: told.secure,
        }
    }

    /// It for the instance to which its session moves.
    pub(super) fn moving(&self) -> MovingHandshake {
        let Self { text, address, issued, cross_origin, secure } = self;
        MovingHandshake {
            head: text.as_str().to_owned(),
            address: *address,
            issued: *issued,
            cross_origin: *cross_origin,
            secure: *secure,
        }
    }

    /// That of a session that has moved here.
    pub(super) fn moved(from: MovingHandshake) -> Self {
        let MovingHandshake { head, address, issued, cross_origin, secure } = from;
        Self { text: HeadText::moved(head), address, issued, cross_origin, secure }
    }

    /// Bytes that are kept of the request.
    pub(super) const fn bytes(&self) -> usize {
        size_of::<Self>() + self.text.len()
    }

    /// The request's target: path and query. Empty if the server forgets it
    /// ([`Config::handshake_headers`](crate::Config::handshake_headers)).
    pub fn url(&self) -> &str {
        self.text.target()
    }

    /// The parameters of the query, decoded, in order; `EIO` and `transport` are among them.
    pub fn query(&self) -> Vec<(String, String)> {
        self.text.query()
    }

    /// The headers, names in lower case, in order. Empty if the server forgets them
    /// ([`Config::handshake_headers`](crate::Config::handshake_headers)).
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.text.headers()
    }

    /// The first header of that name, which is written in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.text.header(name)
    }

    /// The address of the client: the peer of the TCP connection, or the address that trusted proxies tell
    /// ([`Config::trusted_proxies`](crate::Config::trusted_proxies)). Behind a load balancer that is not trusted, it is the
    /// balancer's. The port is 0 if it is unknown: proxies may leave it out, and other servers of a cluster always do.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether the request came from a page of another origin, that is, had an `Origin` header.
    pub const fn is_cross_origin(&self) -> bool {
        self.cross_origin
    }

    /// Whether the connection is encrypted. This server does not terminate TLS, so this is false for its own sockets, as on a
    /// Node server behind a balancer. It may be true for sockets of other servers in a cluster.
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// When the session was opened.
    pub fn time(&self) -> SystemTime {
        UNIX_EPOCH + self.issued
    }

    /// When the session was opened, as time since the Unix epoch.
    pub const fn issued(&self) -> Duration {
        self.issued
    }
}
