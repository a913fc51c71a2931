//! A client's connection: WebSocket and Engine.IO, and the packets of the server.

use std::io::{self, ErrorKind, Read};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::client::Request;
use tungstenite::http::{HeaderName, HeaderValue};
use tungstenite::{Error, HandshakeError, Message, WebSocket};

use super::error::{ClientError, End};
use super::plan::Plan;
use super::received::Received;
use crate::socketio::{Arguments, DecodeLimits, Decoder, Packet};

/// What a client takes: as much as the program's tests can think of.
const LIMITS: DecodeLimits = DecodeLimits { max_attachments: u32::MAX, max_depth: usize::MAX, max_bytes: usize::MAX };

/// A connection to a server.
#[derive(Debug)]
pub(super) struct Connection {
    socket: WebSocket<TcpStream>,
    decoder: Decoder,
}

/// What the server says.
#[derive(Debug)]
pub(super) enum Said {
    /// The socket is let in.
    Connected {
        id: String,
        pid: Option<String>,
    },
    Refused {
        message: String,
        data: Option<Value>,
    },
    Event(Received),
    Answer {
        to: u64,
        arguments: Arguments,
    },
    /// The socket is disconnected.
    Disconnected,
}

impl Connection {
    /// Opens a session.
    pub(super) fn open(plan: &Plan) -> Result<Self, ClientError> {
        let request = request(plan)?;
        let refused = |source| ClientError::Connect { address: plan.address, source };
        let stream = TcpStream::connect_timeout(&plan.address, plan.timeout).map_err(refused)?;
        stream.set_nodelay(true).map_err(refused)?;
        stream.set_read_timeout(Some(plan.timeout)).map_err(refused)?;
        stream.set_write_timeout(Some(plan.timeout)).map_err(refused)?;
        let (socket, _) = tungstenite::client(request, stream).map_err(|error| unopened(plan, error))?;
        Ok(Self { socket, decoder: Decoder::default() })
    }

    /// Sends a packet: the text behind Engine.IO's type of messages, and its attachments.
    pub(super) fn send(&mut self, packet: &str, attachments: Vec<Bytes>) -> Result<(), ClientError> {
        self.write(Message::text(format!("4{packet}")))?;
        attachments.into_iter().try_for_each(|attachment| self.write(Message::binary(attachment)))?;
        self.flush()
    }

    /// What the server says next; nothing if it says nothing until then. Pings are answered meanwhile.
    pub(super) fn next(&mut self, deadline: Instant) -> Result<Option<Said>, ClientError> {
        while let Some(message) = self.message(deadline)? {
            let packet = match &message {
                Message::Binary(data) => self.decoder.binary(data.clone(), &LIMITS).map_err(undecodable)?,
                Message::Text(text) => match text.as_str().split_at_checked(1) {
                    Some(("2", _)) => {
                        self.write(Message::text("3"))?;
                        self.flush()?;
                        None
                    }
                    Some(("4", text)) if text.starts_with('4') => return refusal(text).map(Some),
                    Some(("4", text)) => self.decoder.text(text, None, &LIMITS).map_err(undecodable)?,
                    // Engine.IO says that the session is open, or nothing; its end is that of the connection.
                    _ => None,
                },
                Message::Close(frame) => {
                    let code = frame.as_ref().map(|frame| frame.code.into());
                    return Err(ClientError::Disconnected(End::Connection(code)));
                }
                _ => None,
            };
            if let Some(said) = packet.map(said).transpose()?.flatten() {
                return Ok(Some(said));
            }
        }
        Ok(None)
    }

    /// Closes the WebSocket in good order, and waits until the server has closed the connection.
    pub(super) fn close(mut self, timeout: Duration) -> io::Result<()> {
        // If the server has closed it already, the connection ends all the same.
        let _ = self.socket.close(None);
        self.cut(timeout)
    }

    /// Ends the connection as a network does, without a word, and waits until the server has noticed.
    pub(super) fn cut(&mut self, timeout: Duration) -> io::Result<()> {
        let deadline = Instant::now() + timeout;
        let mut stream = self.socket.get_ref();
        // A connection that is gone cannot be shut; reading tells.
        let _ = stream.shutdown(Shutdown::Write);
        let mut unread = [0; 4096];
        loop {
            stream.set_read_timeout(Some(left(deadline).ok_or(ErrorKind::TimedOut)?))?;
            match stream.read(&mut unread) {
                Ok(0) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(()),
                Err(error) if is_timeout(&error) => return Err(ErrorKind::TimedOut.into()),
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
        }
    }

    fn write(&mut self, message: Message) -> Result<(), ClientError> {
        self.socket.write(message).map_err(|error| self.unsent(&error))
    }

    fn flush(&mut self) -> Result<(), ClientError> {
        self.socket.flush().map_err(|error| self.unsent(&error))
    }

    /// Why something could not be sent. A server does not read from a client for which much waits.
    fn unsent(&self, error: &Error) -> ClientError {
        match error {
            Error::Io(error) if is_timeout(error) => {
                ClientError::Unread { after: self.socket.get_ref().write_timeout().ok().flatten().unwrap_or_default() }
            }
            error => ended(error),
        }
    }

    /// The next WebSocket message; none if none comes until then.
    fn message(&mut self, deadline: Instant) -> Result<Option<Message>, ClientError> {
        loop {
            let Some(left) = left(deadline) else { return Ok(None) };
            let set = self.socket.get_ref().set_read_timeout(Some(left));
            match set.map_err(Error::Io).and_then(|()| self.socket.read()) {
                Ok(message) => return Ok(Some(message)),
                Err(Error::Io(error)) if is_timeout(&error) => return Ok(None),
                Err(Error::Io(error)) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(ended(&error)),
            }
        }
    }
}

/// The request of a handshake.
fn request(plan: &Plan) -> Result<Request, ClientError> {
    let unsendable = |error: &dyn std::fmt::Display| ClientError::Request(error.to_string());
    let mut request = plan.url().into_client_request().map_err(|error| unsendable(&error))?;
    for (name, value) in &plan.headers {
        let name: HeaderName = name.parse().map_err(|error| unsendable(&error))?;
        let value: HeaderValue = value.parse().map_err(|error| unsendable(&error))?;
        request.headers_mut().append(name, value);
    }
    Ok(request)
}

/// Why a session was not opened.
fn unopened<R: tungstenite::handshake::HandshakeRole>(plan: &Plan, error: HandshakeError<R>) -> ClientError {
    match error {
        HandshakeError::Failure(Error::Http(answer)) => ClientError::Handshake {
            status: answer.status().as_u16(),
            body: String::from_utf8_lossy(answer.body().as_deref().unwrap_or_default()).into_owned(),
        },
        HandshakeError::Failure(error) => ended(&error),
        HandshakeError::Interrupted(_) => ClientError::Timeout {
            awaited: "answer to the handshake".to_owned(),
            after: plan.timeout,
            waiting: Vec::new(),
        },
    }
}

/// A connection of which nothing can be read or written any more.
fn ended(error: &Error) -> ClientError {
    match error {
        Error::Protocol(error) if *error != tungstenite::error::ProtocolError::ResetWithoutClosingHandshake => {
            ClientError::Protocol(format!("no WebSocket: {error}"))
        }
        Error::Utf8(_) | Error::Capacity(_) => ClientError::Protocol(error.to_string()),
        _ => ClientError::Disconnected(End::Connection(None)),
    }
}

fn undecodable(error: crate::socketio::DecodeError) -> ClientError {
    ClientError::Protocol(format!("a packet that cannot be read: {error}"))
}

/// What a packet says. One that a server never sends says nothing.
fn said(packet: Packet) -> Result<Option<Said>, ClientError> {
    #[derive(Deserialize)]
    struct Accepted {
        sid: String,
        pid: Option<String>,
    }
    Ok(match packet {
        Packet::Connect { auth, .. } => {
            let accepted = serde_json::from_str(auth.as_deref().unwrap_or_default());
            let Accepted { sid, pid } =
                accepted.map_err(|error| ClientError::Protocol(format!("a CONNECT without an id: {error}")))?;
            Some(Said::Connected { id: sid, pid })
        }
        Packet::Disconnect { .. } => Some(Said::Disconnected),
        Packet::Event { id, event, .. } => event.map(|event| Said::Event(Received::new(event, id))),
        Packet::Ack { id, arguments, .. } => id.zip(arguments).map(|(to, arguments)| Said::Answer { to, arguments }),
        Packet::ConnectError { .. } => None,
    })
}

/// A CONNECT_ERROR, which the server's decoder has no eye for.
fn refusal(text: &str) -> Result<Said, ClientError> {
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
        data: Option<Value>,
    }
    let payload = text.find('{').and_then(|begin| text.get(begin..)).unwrap_or_default();
    let Refusal { message, data } = serde_json::from_str(payload)
        .map_err(|error| ClientError::Protocol(format!("a CONNECT_ERROR without a message: {error}")))?;
    Ok(Said::Refused { message, data })
}

/// The time until then, if there is any.
fn left(deadline: Instant) -> Option<Duration> {
    deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
}

/// Whether a socket's time is up. Systems tell it by either kind.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
