//! The server behind the gate: `may_minihttp` on a loopback port, and the conversion between its types and ours.

use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use may::coroutine::JoinHandle;
use may_minihttp::{HttpServer, HttpService, Request as Received, Response};

use super::Subject;
use super::request::{Answer, Request, Status};
use super::routes;
use super::token::{Secret, same};

/// The header that identifies the gate.
pub(super) const GATE: &str = "x-gate";

/// Ports tried before giving up.
const ATTEMPTS: usize = 16;

/// Starts the service, and returns its address.
pub(super) fn start(subject: &Arc<Subject>, secret: &Secret) -> io::Result<(JoinHandle<()>, SocketAddr)> {
    let mut attempt = 1;
    loop {
        let address = free_address()?;
        let service = Service { subject: Arc::clone(subject), secret: secret.clone() };
        match HttpServer(service).start(address) {
            Ok(listener) => return Ok((listener, address)),
            // Another process took the port first.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempt < ATTEMPTS => attempt += 1,
            Err(error) => return Err(error),
        }
    }
}

/// An unused address. The crate does not tell which port the system chose, so it needs a fixed one.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

#[derive(Clone)]
struct Service {
    subject: Arc<Subject>,
    secret: Secret,
}

impl HttpService for Service {
    fn call(&mut self, received: Received<'_, '_, '_>, response: &mut Response<'_>) -> io::Result<()> {
        let answer = self.answer(received).unwrap_or_else(|| {
            Answer::refusal(Status::Forbidden, "this is the inside of the port for operations: ask at its gate")
        });
        let (code, reason) = answer.status.code();
        response.status_code(code, reason).header("Connection: close").header("Cache-Control: no-store");
        response.header("X-Content-Type-Options: nosniff");
        for &header in answer.headers {
            response.header(header);
        }
        response.body_vec(answer.body);
        Ok(())
    }
}

impl Service {
    /// Answers a request of the gate; `None` if somebody else sent it, whose body is not read.
    fn answer(&self, received: Received<'_, '_, '_>) -> Option<Answer> {
        let header = |name: &str| {
            let mut values = received.headers().iter().filter(|header| header.name.eq_ignore_ascii_case(name));
            values.next().map(|header| header.value)
        };
        if !same(header(GATE)?, self.secret.as_str().as_bytes()) {
            return None;
        }
        let length: usize = str::from_utf8(header("content-length")?).ok()?.parse().ok()?;
        if length > self.subject.shared.config.limits.ops_body {
            return None;
        }
        let authorization = header("authorization").map(<[u8]>::to_vec);
        let (method, target) = (received.method().to_owned(), received.path().to_owned());
        let mut body = vec![0; length];
        if length > 0 {
            received.body().read_exact(&mut body).ok()?;
        }
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let request = Request { method: &method, path, query, authorization: authorization.as_deref(), body: &body };
        Some(routes::answer(&self.subject, &request))
    }
}
