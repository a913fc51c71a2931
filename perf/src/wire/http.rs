//! HTTP/1.1 answers, read whole.

use std::borrow::Cow;

use thiserror::Error;

/// Why bytes are not an answer that can be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HttpError {
    /// The status line or a header is malformed.
    #[error("a malformed HTTP answer: {0}")]
    Head(#[from] httparse::Error),
    /// The body's length is missing or malformed.
    #[error("an HTTP answer whose body has no readable length")]
    Length,
}

/// A whole answer at the head of what was read.
#[derive(Debug, PartialEq, Eq)]
pub struct Response<'a> {
    /// The status code.
    pub status: u16,
    /// The body, put together when it came in chunks.
    pub body: Cow<'a, [u8]>,
    /// Whether the server closes the connection after it.
    pub closes: bool,
    /// The value of `Sec-WebSocket-Accept`, in an answer to a WebSocket handshake.
    pub accept: Option<&'a [u8]>,
    /// `name=value` of the cookies it sets, joined as a `Cookie` header wants them.
    pub cookies: Option<String>,
    /// How many bytes of the input it takes.
    pub size: usize,
}

enum Length {
    Known(usize),
    Chunked,
    Missing,
}

impl<'a> Response<'a> {
    /// The answer that `bytes` begin with, or none while it is not whole.
    pub fn parse(bytes: &'a [u8]) -> Result<Option<Self>, HttpError> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(start) = head.parse(bytes)? else { return Ok(None) };
        let status = head.code.unwrap_or(0);
        let mut length = Length::Missing;
        let mut closes = head.version == Some(0);
        let mut accept = None;
        let mut cookies: Option<String> = None;
        for header in head.headers.iter() {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            if is("content-length") {
                let text = std::str::from_utf8(header.value).ok();
                length = Length::Known(text.and_then(|text| text.trim().parse().ok()).ok_or(HttpError::Length)?);
            } else if is("transfer-encoding") {
                length = Length::Chunked;
            } else if is("connection") {
                closes = header.value.eq_ignore_ascii_case(b"close");
            } else if is("sec-websocket-accept") {
                accept = Some(header.value);
            } else if is("set-cookie") {
                let pair = String::from_utf8_lossy(header.value);
                let pair = pair.split(';').next().unwrap_or_default().trim();
                match &mut cookies {
                    Some(cookies) => cookies.extend(["; ", pair]),
                    None => cookies = Some(pair.to_owned()),
                }
            }
        }
        if matches!(status, 100..=199 | 204 | 304) {
            length = Length::Known(0);
        }
        let (body, taken) = match length {
            Length::Known(length) => match bytes[start..].get(..length) {
                Some(body) => (Cow::Borrowed(body), length),
                None => return Ok(None),
            },
            Length::Chunked => match chunks(&bytes[start..])? {
                Some((body, taken)) => (Cow::Owned(body), taken),
                None => return Ok(None),
            },
            Length::Missing => return Err(HttpError::Length),
        };
        Ok(Some(Self { status, body, closes, accept, cookies, size: start + taken }))
    }
}

/// The body that chunks carry and how many bytes they take, or none while the last one is missing.
fn chunks(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, HttpError> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let parsed = httparse::parse_chunk_size(&bytes[at..]).map_err(|_| HttpError::Length)?;
        let httparse::Status::Complete((head, length)) = parsed else { return Ok(None) };
        let start = at + head;
        let end = usize::try_from(length).ok().and_then(|length| start.checked_add(length));
        let end = end.ok_or(HttpError::Length)?;
        let Some(chunk) = bytes.get(start..end) else { return Ok(None) };
        match bytes.get(end..end + 2) {
            Some(b"\r\n") => {}
            Some(_) => return Err(HttpError::Length),
            None => return Ok(None),
        }
        if length == 0 {
            return Ok(Some((body, end + 2)));
        }
        body.extend_from_slice(chunk);
        at = end + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_only_when_whole() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: a=1; Path=/\r\nset-cookie: b=2\r\n\r\nokHTTP";
        for cut in 0..bytes.len() - 4 {
            assert_eq!(Response::parse(&bytes[..cut]), Ok(None), "cut at {cut}");
        }
        let response = Response::parse(bytes).unwrap().unwrap();
        assert_eq!((response.status, &*response.body, response.size), (200, &b"ok"[..], bytes.len() - 4));
        assert_eq!((response.closes, response.cookies.as_deref()), (false, Some("a=1; b=2")));
    }

    #[test]
    fn chunks_are_put_together() {
        let bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        for cut in 0..bytes.len() {
            assert_eq!(Response::parse(&bytes[..cut]), Ok(None), "cut at {cut}");
        }
        let response = Response::parse(bytes).unwrap().unwrap();
        assert_eq!((&*response.body, response.size), (&b"abcde"[..], bytes.len()));
    }

    #[test]
    fn an_upgrade_has_no_body_and_an_accept_key() {
        let bytes =
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: k\r\n\r\n\x81\x00";
        let response = Response::parse(bytes).unwrap().unwrap();
        assert_eq!((response.status, response.accept, response.size), (101, Some(&b"k"[..]), bytes.len() - 2));
    }

    #[test]
    fn a_body_without_a_length_is_refused() {
        assert_eq!(Response::parse(b"HTTP/1.1 200 OK\r\n\r\nbody"), Err(HttpError::Length));
        let broken = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc";
        assert_eq!(Response::parse(broken), Err(HttpError::Length));
    }
}
