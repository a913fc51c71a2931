//! The URL of a server.

use crate::error::{Error, Result};

/// A URL, taken apart as Socket.IO clients do: its path is a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// As it was given.
    pub text: String,
    /// Whether the connection is encrypted.
    pub secure: bool,
    /// The host, without the brackets of an IPv6 address.
    pub host: String,
    /// What the `Host` header says.
    pub authority: String,
    /// The port; 80 or 443 unless given.
    pub port: u16,
    /// The namespace that the path names; `/` without one.
    pub path: String,
}

impl Url {
    /// Takes `text` apart. Without a scheme it is `http`.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |why| Error::Url { url: text.to_owned(), why };
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let secure = match scheme {
            "http" | "ws" => false,
            "https" | "wss" => true,
            _ => return Err(wrong("the scheme is http, https, ws or wss")),
        };
        let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        let (host, port) = match authority.strip_prefix('[') {
            Some(address) => {
                let (host, port) = address.split_once(']').ok_or_else(|| wrong("a bracket is not closed"))?;
                (host, port.strip_prefix(':'))
            }
            None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
        };
        if host.is_empty() || host.contains('@') {
            return Err(wrong("it needs a host, and no user"));
        }
        let port = match port {
            Some(port) => port.parse().map_err(|_| wrong("the port is not a number up to 65535"))?,
            None if secure => 443,
            None => 80,
        };
        let path = path.split(['?', '#']).next().unwrap_or("/").to_owned();
        let (text, host, authority) = (text.to_owned(), host.to_owned(), authority.to_owned());
        Ok(Self { text, secure, host, authority, port, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let url = Url::parse("wss://example.org/custom").unwrap();
        assert_eq!((url.secure, &*url.host, url.port, &*url.path), (true, "example.org", 443, "/custom"));
        let url = Url::parse("http://[::1]:3000").unwrap();
        assert_eq!((&*url.host, &*url.authority, url.port, &*url.path), ("::1", "[::1]:3000", 3000, "/"));
        assert_eq!(Url::parse("localhost:80").unwrap().host, "localhost");
    }

    #[test]
    fn what_names_no_server_is_refused() {
        for text in ["ftp://host", "http://", "http://host:port", "http://[::1", "http://user@host"] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
    }
}
