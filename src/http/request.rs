//! A request for a route, as the program gets it.

use std::borrow::Cow;
use std::net::SocketAddr;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::head::Head;
use super::head_text::HeadText;
use super::method::Method;
use crate::engineio::percent_decode;
use crate::error::RequestError;

/// A request for a route that the program declared ([`Server::route`](crate::Server::route)).
#[derive(Debug, Clone)]
pub struct Request {
    method: Method,
    path: Box<str>,
    /// How much of the path is the route's own; the rest is what its wildcard stands for.
    own: usize,
    text: HeadText,
    address: SocketAddr,
    body: Bytes,
}

impl Request {
    /// A request without its body, for a route that is the first `own` bytes of its path.
    pub(crate) fn new(head: &Head<'_>, method: Method, address: SocketAddr, own: usize) -> Self {
        Self { method, path: head.path.into(), own, text: HeadText::of(head), address, body: Bytes::new() }
    }

    /// The same with its body.
    pub(crate) fn with(self, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + self.path.len() + self.text.len() + self.body.len()
    }

    /// The method. A route for [`Method::Get`] gets [`Method::Head`], too.
    pub const fn method(&self) -> Method {
        self.method
    }

    /// The path as it was sent, not decoded, without the query.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What the wildcard of the route stands for, decoded: `42` of `/users/42` for the route `/users/*`. Empty for a
    /// route without one.
    pub fn rest(&self) -> Cow<'_, str> {
        percent_decode(self.encoded_rest())
    }

    /// The same, not decoded: a slash in it separates parts of the path, an encoded one does not.
    pub(crate) fn encoded_rest(&self) -> &str {
        self.path.get(self.own..).unwrap_or_default()
    }

    /// The address below which things of this path are: the path with a slash more, and the query.
    pub(crate) fn with_slash(&self) -> String {
        let query = self.text.encoded_query().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}/{query}", self.path)
    }

    /// The parameters of the query, decoded, in order.
    pub fn query(&self) -> Vec<(String, String)> {
        self.text.query()
    }

    /// The first parameter of that name in the query, decoded.
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.query().into_iter().find_map(|(found, value)| (found == name).then_some(value))
    }

    /// The headers, names in lower case, in order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.text.headers()
    }

    /// The first header of that name, which is written in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.text.header(name)
    }

    /// The address of the client, as in [`Handshake::address`](crate::Handshake::address): with
    /// [`Config::trusted_proxies`](crate::Config::trusted_proxies) it is the one that the proxies tell.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The body, of at most [`Limits::route_body`](crate::Limits::route_body) bytes. Empty if there is none.
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// The body as text.
    ///
    /// # Errors
    /// If it is not UTF-8. A handler that returns the error answers `400`.
    pub fn text(&self) -> Result<&str, RequestError> {
        Ok(std::str::from_utf8(&self.body)?)
    }

    /// The body, read as JSON.
    ///
    /// # Errors
    /// If it is not JSON, or does not fit the type. A handler that returns the error answers `400`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, RequestError> {
        Ok(serde_json::from_slice(&self.body)?)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::head::{HeadLimits, Parsed, parse, scratch};
    use super::*;

    fn request(target: &str, own: usize) -> Request {
        let text = format!("GET {target} HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nx-a: 2\r\n\r\n");
        match parse(text.as_bytes(), &HeadLimits::default(), &mut scratch()) {
            Ok(Parsed::Complete(head)) => Request::new(&head, Method::Get, (Ipv4Addr::LOCALHOST, 1).into(), own),
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn the_path_stays_and_the_rest_is_decoded() {
        let asked = request("/a/b%20c%2Fd+e?f=1&f=2%26&g", "/a/".len());
        assert_eq!((asked.path(), &*asked.rest()), ("/a/b%20c%2Fd+e", "b c/d+e"));
        assert_eq!(asked.encoded_rest(), "b%20c%2Fd+e");
        assert_eq!([asked.parameter("f"), asked.parameter("g")], [Some("1".into()), Some(String::new())]);
        assert_eq!((asked.parameter("h"), asked.query().len()), (None, 3));
        assert_eq!(asked.header("x-a"), Some("1"));
    }

    #[test]
    fn a_target_with_a_host_has_the_same_path() {
        let asked = request("http://h/a?b=c", 2);
        assert_eq!((asked.path(), &*asked.rest(), asked.parameter("b").as_deref()), ("/a", "", Some("c")));
        assert_eq!(request("http://h?b=c", 1).path(), "/");
    }

    #[test]
    fn the_body_is_read_as_what_it_is() {
        let asked = request("/", 1).with(&b"[1]"[..]);
        assert_eq!((asked.text().ok(), asked.json::<Vec<u8>>().ok()), (Some("[1]"), Some(vec![1])));
        assert!(asked.json::<String>().is_err() && request("/", 1).with(&b"\xff"[..]).text().is_err());
    }
}
