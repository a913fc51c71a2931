//! A raw TCP connection, and HTTP answers read from it one at a time.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use super::PATIENCE;

/// A connection, with the bytes that were read and not yet used.
pub struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
    at_end: bool,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).expect("the server accepts"))
    }

    /// Takes a stream that is connected already.
    pub fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("TCP_NODELAY");
        stream.set_read_timeout(Some(PATIENCE)).expect("a read timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a write timeout");
        Self { stream, unread: Vec::new(), at_end: false }
    }

    /// Writes all the bytes at once.
    pub fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).expect("the server reads");
    }

    /// As `send`, if the server may already have closed the connection.
    pub fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Closes the sending half.
    pub fn finish_sending(&self) {
        // After a reset there is nothing left to close.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Reads exactly one HTTP answer.
    pub fn response(&mut self) -> Response {
        self.response_to("GET")
    }

    /// Reads exactly one HTTP answer to a request of this method: that to HEAD has no body.
    pub fn response_to(&mut self, method: &str) -> Response {
        loop {
            if let Some((response, length)) = Response::parse(&self.unread, method, self.at_end) {
                self.unread.drain(..length);
                return response;
            }
            assert!(!self.at_end, "no whole answer before the end: {:?}", String::from_utf8_lossy(&self.unread));
            self.fill();
        }
    }

    /// Takes `n` bytes.
    pub fn take(&mut self, n: usize) -> Vec<u8> {
        while self.unread.len() < n {
            let got = self.unread.len();
            assert!(!self.at_end, "the end after {got} of {n} bytes: {:02x?}", &self.unread[..got.min(64)]);
            self.fill();
        }
        self.unread.drain(..n).collect()
    }

    /// Panics unless the server ends the connection without another byte. A reset is an end, too.
    pub fn expect_end(&mut self) {
        while !self.at_end {
            assert!(self.unread.is_empty(), "bytes in place of the end: {:?}", String::from_utf8_lossy(&self.unread));
            self.fill();
        }
        assert!(self.unread.is_empty(), "bytes before the end: {:?}", String::from_utf8_lossy(&self.unread));
    }

    /// Reads and drops whatever comes until the server ends the connection.
    pub fn drain_to_end(&mut self) {
        while !self.at_end {
            self.fill();
            self.unread.clear();
        }
    }

    /// Whether neither a byte nor the end comes within this time.
    pub fn is_silent_for(&self, time: Duration) -> bool {
        if !self.unread.is_empty() || self.at_end {
            return false;
        }
        self.stream.set_read_timeout(Some(time)).expect("a read timeout");
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_read_timeout(Some(PATIENCE)).expect("a read timeout");
        matches!(&peeked, Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    }

    /// Whether bytes were read and not used yet.
    pub fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    fn fill(&mut self) {
        let mut chunk = [0; 16384];
        match self.stream.read(&mut chunk) {
            Ok(0) => self.at_end = true,
            Ok(n) => self.unread.extend_from_slice(&chunk[..n]),
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
                self.at_end = true
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                panic!("nothing came for {PATIENCE:?} ({error}) after {:?}", String::from_utf8_lossy(&self.unread))
            }
        }
    }
}

/// An HTTP answer. Header names are in lower case.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// The answer at the start of the bytes and its length, if it is complete.
    pub fn parse(bytes: &[u8], method: &str, at_end: bool) -> Option<(Self, usize)> {
        let head_length = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&bytes[..head_length - 4]).into_owned();
        let mut lines = head.split("\r\n");
        let mut first = lines.next()?.splitn(3, ' ');
        assert!(first.next()?.starts_with("HTTP/1."), "not HTTP: {head:?}");
        let status = first.next()?.parse().expect("a status");
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("not a header: {line:?}"));
            (name.to_ascii_lowercase(), value.trim().to_owned())
        });
        let mut response = Self { status, headers: headers.collect(), body: Vec::new() };
        let rest = &bytes[head_length..];
        let (body, length) = response.body_in(rest, method, at_end)?;
        response.body = body;
        Some((response, head_length + length))
    }

    fn body_in(&self, rest: &[u8], method: &str, at_end: bool) -> Option<(Vec<u8>, usize)> {
        if method == "HEAD" || self.status < 200 || matches!(self.status, 204 | 304) {
            return Some((Vec::new(), 0));
        }
        if self.header("transfer-encoding").as_deref() == Some("chunked") {
            return unchunk(rest);
        }
        if let Some(length) = self.header("content-length") {
            let length = length.parse().expect("one Content-Length");
            return Some((rest.get(..length)?.to_vec(), length));
        }
        at_end.then(|| (rest.to_vec(), rest.len()))
    }

    /// The values of a header, joined by commas, or `None` without it.
    pub fn header(&self, name: &str) -> Option<String> {
        let values: Vec<_> = self.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("a body in UTF-8")
    }

    /// Panics unless this is an answer with this status and this body.
    pub fn assert_is(&self, status: u16, body: &str) {
        assert_eq!((self.status, self.text().as_str()), (status, body));
    }
}

fn unchunk(mut rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (begin, mut body) = (rest.len(), Vec::new());
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = std::str::from_utf8(&rest[..line]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
        let size = size.unwrap_or_else(|| panic!("not a chunk: {:?}", String::from_utf8_lossy(rest)));
        let chunk = rest.get(line + 2..line + 2 + size)?;
        body.extend_from_slice(chunk);
        assert_eq!(rest.get(line + 2 + size..line + 4 + size)?, b"\r\n", "the end of a chunk");
        rest = &rest[line + 4 + size..];
        if size == 0 {
            return Some((body, begin - rest.len()));
        }
    }
}
