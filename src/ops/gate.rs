//! The gate: it listens, reads one request per connection within limits, has it answered, and closes.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use log::Level;
use may::coroutine::JoinHandle;
use may::go;
use may::net::{TcpListener, TcpStream};

use super::Subject;
use super::relay::Relay;
use crate::http::{self, BodyLength, BodyReader, BodyStep, Delivery, Expectation, HeadError, Method, Parsed, Status};
use crate::log_line::{Excerpt, LineKind};
use crate::metrics::Limit;

/// Pause in accepting after the system refused a connection, for example when descriptors are short.
const REST: Duration = Duration::from_millis(100);

/// Time a client has to close after its answer; bytes that it still sends are dropped.
const LINGER: Duration = Duration::from_secs(1);

/// Connections that may linger, for each that may ask.
const LINGERING: usize = 4;

/// Time a client has to take its answer.
const TAKEN_WITHIN: Duration = Duration::from_secs(10);

static FAILED: LineKind = LineKind::new(Level::Warn, module_path!(), "failures of the port for operations");

struct Gate {
    subject: Arc<Subject>,
    relay: Relay,
    open: AtomicUsize,
}

/// A connection, counted while this lives.
struct Guest {
    gate: Arc<Gate>,
    stream: TcpStream,
}

/// A request, as it is repeated to the service.
struct Whole {
    method: &'static str,
    target: String,
    token: Option<Vec<u8>>,
    body: Vec<u8>,
}

/// Why the service does not answer a request.
enum Refusal {
    /// It is answered with this status and reason.
    Answer(Status, String),
    /// The client is gone, or silent.
    Gone,
}

/// Accepts connections.
pub(super) fn start(listener: TcpListener, subject: &Arc<Subject>, relay: Relay) -> JoinHandle<()> {
    let gate = Arc::new(Gate { subject: Arc::clone(subject), relay, open: AtomicUsize::new(0) });
    go!(move || {
        loop {
            match listener.accept() {
                Ok((stream, _)) => {
                    let guest = Guest { gate: Arc::clone(&gate), stream };
                    let place = gate.open.fetch_add(1, Relaxed);
                    go!(move || guest.serve(place));
                }
                Err(error) => {
                    FAILED.write(|| format!("the port for operations cannot take a connection: {error}"));
                    may::coroutine::sleep(REST);
                }
            }
        }
    })
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.gate.open.fetch_sub(1, Relaxed);
    }
}

impl Guest {
    /// Answers one request, unless there are too many connections: `place` others came before this one.
    fn serve(mut self, place: usize) {
        let answered = self.answer(place).and_then(|answer| {
            self.stream.set_write_timeout(Some(TAKEN_WITHIN))?;
            self.stream.write_all(&answer)?;
            // Far beyond the limit a connection gets no more than its answer, so that they do not pile up.
            if place < self.gate.subject.shared.config.limits.ops_connections * LINGERING {
                self.linger()
            } else {
                Ok(())
            }
        });
        if let Err(error) = answered {
            log::debug!("the port for operations: {error}");
        }
    }

    fn answer(&mut self, place: usize) -> io::Result<Vec<u8>> {
        self.stream.set_nodelay(true)?;
        if place >= self.gate.subject.shared.config.limits.ops_connections {
            self.hit(Limit::OpsConnections);
            return Ok(refusal(Status::ServiceUnavailable, "too many connections (ops_connections): try again soon"));
        }
        let whole = match self.request() {
            Ok(whole) => whole,
            Err(Refusal::Answer(status, why)) => return Ok(refusal(status, &why)),
            Err(Refusal::Gone) => return Err(io::ErrorKind::ConnectionAborted.into()),
        };
        let answer = self.gate.relay.ask(whole.method, &whole.target, whole.token.as_deref(), &whole.body);
        Ok(answer.unwrap_or_else(|error| {
            let target = Excerpt(&whole.target);
            FAILED.write(|| format!("the port for operations cannot answer {} {target:?}: {error}", whole.method));
            refusal(Status::InternalServerError, "no answer was found")
        }))
    }

    fn hit(&self, limit: Limit) {
        if let Some(metrics) = self.gate.subject.metrics() {
            metrics.hit(limit);
        }
    }

    /// Reads a whole request.
    fn request(&mut self) -> Result<Whole, Refusal> {
        let limits = &self.gate.subject.shared.config.limits;
        let (ops_body, body_timeout) = (limits.ops_body, limits.body_timeout);
        let head_until = Instant::now() + limits.header_timeout;
        let mut bytes = Vec::new();
        let (mut whole, length, mut reader) = loop {
            let mut scratch = http::scratch();
            match http::parse(&bytes, &self.gate.subject.shared.head_limits, &mut scratch) {
                Ok(Parsed::Complete(head)) => {
                    let method = match head.method {
                        Some(Method::Get) => "GET",
                        Some(Method::Post) => "POST",
                        _ => return Err(refused(Status::MethodNotAllowed, "only GET and POST are answered here")),
                    };
                    match head.expectation {
                        Expectation::Continue if !matches!(head.body, BodyLength::None) => {
                            self.stream.write_all(http::CONTINUE).map_err(|_| Refusal::Gone)?;
                        }
                        Expectation::None | Expectation::Continue => {}
                        Expectation::Unknown => {
                            let why = "of all that may be expected only 100-continue is met here";
                            return Err(refused(Status::ExpectationFailed, why));
                        }
                    }
                    let target = head.target.to_owned();
                    let token = head.header("authorization").map(<[u8]>::to_vec);
                    let whole = Whole { method, target, token, body: Vec::new() };
                    break (whole, head.length, BodyReader::new(head.body, ops_body));
                }
                Ok(Parsed::Partial) => {}
                Err(error) => {
                    match error {
                        HeadError::TooLong => self.hit(Limit::RequestHead),
                        HeadError::TooManyHeaders => self.hit(Limit::RequestHeaders),
                        _ => {}
                    }
                    return Err(refused(error.status(), error));
                }
            }
            self.read(&mut bytes, head_until, Limit::HeaderTimeout)?;
        };
        bytes.drain(..length);
        let body_until = Instant::now() + body_timeout;
        loop {
            let step = reader.read(&bytes, &mut whole.body);
            match step.map_err(|error| refused(Status::BadRequest, error))?.1 {
                BodyStep::Done => return Ok(whole),
                BodyStep::TooLarge => {
                    self.hit(Limit::OpsBody);
                    let why = format!("the body is longer than {ops_body} bytes (ops_body)");
                    return Err(Refusal::Answer(Status::PayloadTooLarge, why));
                }
                BodyStep::More => bytes.clear(),
            }
            self.read(&mut bytes, body_until, Limit::BodyTimeout)?;
        }
    }

    /// Reads more bytes. If time is up, the client gets an answer if it has sent anything.
    fn read(&mut self, bytes: &mut Vec<u8>, until: Instant, limit: Limit) -> Result<(), Refusal> {
        let mut chunk = [0; 8 * 1024];
        let left = until.saturating_duration_since(Instant::now());
        let count = match left {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            left => self.stream.set_read_timeout(Some(left)).and_then(|()| self.stream.read(&mut chunk)),
        };
        match count {
            Ok(0) => Err(Refusal::Gone),
            Ok(count) => {
                bytes.extend_from_slice(chunk.get(..count).unwrap_or_default());
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                self.hit(limit);
                Err(Refusal::Answer(Status::RequestTimeout, format!("the request took too long ({limit})")))
            }
            Err(_) => Err(Refusal::Gone),
        }
    }

    /// Closes our half and waits a little for the client's. If we closed with unread bytes, the client would not see
    /// its answer.
    fn linger(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)?;
        let until = Instant::now() + LINGER;
        let mut chunk = [0; 8 * 1024];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.stream.set_read_timeout(Some(left))?;
            if self.stream.read(&mut chunk)? == 0 {
                return Ok(());
            }
        }
    }
}

fn refused(status: Status, why: impl ToString) -> Refusal {
    Refusal::Answer(status, why.to_string())
}

/// An answer with the reason why there is no better one.
fn refusal(status: Status, why: &str) -> Vec<u8> {
    let body = serde_json::json!({ "error": why }).to_string();
    let answer = http::AnswerWriter::new(status, Delivery::LAST, body.as_bytes());
    answer.header("Content-Type", b"application/json").length().finish().to_vec()
}
