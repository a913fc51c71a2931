//! What a session remembers of the request that opened it.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::clock;
use crate::cluster::message::DescribedHandshake;
use crate::config::HandshakeHeaders;
use crate::http::Head;

/// The request that opened a session (`socket.handshake` of the Node server, without what each namespace adds).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// The request's target, then names and values of headers, each ended by a line feed, which none can contain.
    text: Box<str>,
    address: SocketAddr,
    issued: Duration,
    cross_origin: bool,
    secure: bool,
}

impl Handshake {
    pub(in crate::shard) fn new(head: &Head<'_>, address: SocketAddr, headers: HandshakeHeaders) -> Self {
        let keeps = headers == HandshakeHeaders::Keep;
        let kept = || head.headers().filter(|_| keeps);
        let target = if keeps { head.target } else { "" };
        let length: usize = kept().map(|(name, value)| name.len() + value.len() + 2).sum();
        let mut text = String::with_capacity(target.len() + 1 + length);
        text.push_str(target);
        text.push('\n');
        for (name, value) in kept() {
            let start = text.len();
            text.push_str(name);
            if let Some(name) = text.get_mut(start..) {
                name.make_ascii_lowercase();
            }
            text.push('\n');
            text.push_str(&String::from_utf8_lossy(value));
            text.push('\n');
        }
        let issued = clock::since_epoch();
        let cross_origin = head.header("origin").is_some();
        Self { text: text.into_boxed_str(), address, issued, cross_origin, secure: false }
    }

    /// A handshake as another server describes it.
    pub(crate) fn elsewhere(told: &DescribedHandshake) -> Self {
        // No line feed can stand in a request or a header.
        let line = |text: &str| text.replace('\n', " ") + "\n";
        let headers = told.headers.iter().map(|(name, value)| line(name) + &line(value));
        let text: String = std::iter::once(line(&told.url)).chain(headers).collect();
        Self {
            text: text.into_boxed_str(),
            address: SocketAddr::new(told.address, 0),
            issued: told.issued,
            cross_origin: told.cross_origin,
            secure: told.secure,
        }
    }

    /// Bytes that are kept of the request.
    pub(super) const fn bytes(&self) -> usize {
        size_of::<Self>() + self.text.len()
    }

    /// The request's target: path and query. Empty if the server forgets it
    /// ([`Config::handshake_headers`](crate::Config::handshake_headers)).
    pub fn url(&self) -> &str {
        self.text.split('\n').next().unwrap_or_default()
    }

    /// The parameters of the query, decoded, in order; `EIO` and `transport` are among them.
    pub fn query(&self) -> Vec<(String, String)> {
        let query = self.url().split_once('?').map_or("", |(_, query)| query);
        crate::engineio::query_pairs(query).map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
    }

    /// The headers, names in lower case, in order. Empty if the server forgets them
    /// ([`Config::handshake_headers`](crate::Config::handshake_headers)).
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut lines = self.text.split_terminator('\n').skip(1);
        std::iter::from_fn(move || Some((lines.next()?, lines.next()?)))
    }

    /// The first header of that name, which is written in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().find_map(|(found, value)| (found == name).then_some(value))
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
