//! From the gate to the service and back: a request repeated in few headers, and its answer unchanged.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use may::net::TcpStream;

use super::service::GATE;
use super::token::Secret;

/// Time the service has for an answer: longer than the slowest answer, that of a loop that does not turn.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// Longest head of an answer.
const HEAD: usize = 8 * 1024;

/// Headers of an answer.
const HEADERS: usize = 16;

/// The connections to the service.
pub(super) struct Relay {
    service: SocketAddr,
    secret: Secret,
    /// Idle connections.
    idle: Mutex<Vec<TcpStream>>,
}

impl Relay {
    pub(super) const fn new(service: SocketAddr, secret: Secret) -> Self {
        Self { service, secret, idle: Mutex::new(Vec::new()) }
    }

    /// Has a request answered, and returns the answer as it is to be sent.
    ///
    /// # Errors
    /// If the service is gone, or does not answer in time.
    pub(super) fn ask(&self, method: &str, target: &str, token: Option<&[u8]>, body: &[u8]) -> io::Result<Vec<u8>> {
        let mut request = Vec::with_capacity(256 + target.len() + body.len());
        write!(request, "{method} {target} HTTP/1.1\r\n{GATE}: {}\r\n", self.secret.as_str())?;
        write!(request, "content-length: {}\r\n", body.len())?;
        if let Some(token) = token {
            request.extend_from_slice(b"authorization: ");
            request.extend_from_slice(token);
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(body);
        let mut stream = self.connection()?;
        stream.write_all(&request)?;
        let answer = read_answer(&mut stream)?;
        // One that failed is not used again.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
        Ok(answer)
    }

    fn connection(&self) -> io::Result<TcpStream> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(stream) = idle {
            return Ok(stream);
        }
        let stream = TcpStream::connect(self.service)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWERED_WITHIN))?;
        Ok(stream)
    }
}

/// Reads one answer, head and body.
fn read_answer(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    let mut chunk = [0; 8 * 1024];
    let mut whole = None;
    while whole.is_none_or(|length| answer.len() < length) {
        let count = stream.read(&mut chunk)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        answer.extend_from_slice(chunk.get(..count).unwrap_or_default());
        if whole.is_none() {
            whole = length(&answer)?;
        }
    }
    Ok(answer)
}

/// The length of an answer, by its head; `None` until the head is complete.
fn length(answer: &[u8]) -> io::Result<Option<usize>> {
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let Ok(parsed) = response.parse(answer) else { return Err(malformed()) };
    let httparse::Status::Complete(head) = parsed else {
        return if answer.len() < HEAD { Ok(None) } else { Err(malformed()) };
    };
    let mut headers = response.headers.iter();
    let length = headers.find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|header| str::from_utf8(header.value).ok()?.parse::<usize>().ok());
    length.and_then(|length| head.checked_add(length)).map(Some).ok_or_else(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns one byte at a time.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let (Some((&first, rest)), Some(place)) = (self.0.split_first(), buffer.first_mut()) else { return Ok(0) };
            *place = first;
            self.0 = rest;
            Ok(1)
        }
    }

    #[test]
    fn an_answer_is_read_to_its_end_however_it_comes() {
        let answer = b"HTTP/1.1 200 Ok\r\nContent-Length: 5\r\n\r\nhello";
        assert_eq!(read_answer(&mut Slow(answer)).unwrap(), answer);
        assert_eq!(read_answer(&mut &answer[..]).unwrap(), answer);
        assert!(read_answer(&mut &answer[..answer.len() - 1]).is_err());
        assert!(read_answer(&mut &b"HTTP/1.1 200 Ok\r\n\r\n"[..]).is_err());
    }
}
