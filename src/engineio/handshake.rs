//! The checks on a request before it reaches a session: its purpose, or the error code of its refusal.
//!
//! [`check`] does the checks of Engine.IO in the order of the Node server, up to the application's own hook, which runs
//! between [`check`] and [`check_protocol`].

use std::borrow::Cow;
use std::fmt;

use memchr::memchr;

use super::encoding::Encoding;
use super::protocol::Protocol;
use super::settings::{Settings, Transport};

/// The query parameters of Engine.IO. If one is repeated, the last counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query<'a> {
    /// `EIO`.
    pub protocol: Protocol,
    /// `transport`; `None` when missing or unknown.
    pub transport: Option<Transport>,
    /// `sid`; `None` when missing or empty.
    pub sid: Option<Cow<'a, str>>,
    /// `b64`: the client cannot take binary data. It has a meaning in protocol 3 only.
    pub b64: bool,
}

impl<'a> Query<'a> {
    /// Parses the part of a request target after `?`. Allocates only where a `%` or a `+` requires it.
    pub fn parse(query: &'a str) -> Self {
        let mut parsed = Self { protocol: Protocol::V3, transport: None, sid: None, b64: false };
        for (name, value) in query_pairs(query) {
            match &*name {
                "EIO" => parsed.protocol = if value == "4" { Protocol::V4 } else { Protocol::V3 },
                "transport" => parsed.transport = Transport::from_name(&value),
                "sid" => parsed.sid = Some(value).filter(|sid| !sid.is_empty()),
                "b64" => parsed.b64 = !value.is_empty(),
                _ => {}
            }
        }
        parsed
    }

    /// The form of the packets of a session that this handshake opens.
    pub const fn encoding(&self) -> Encoding {
        match (self.protocol, self.b64) {
            (Protocol::V4, _) => Encoding::V4,
            (Protocol::V3, false) => Encoding::V3,
            (Protocol::V3, true) => Encoding::V3Base64,
        }
    }
}

/// The names and values of a query, decoded, in order.
pub fn query_pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (form_decode(name), form_decode(value))
    })
}

/// Decodes one name or value of a form: `+` is a space, and the rest is as in [`percent_decode`].
fn form_decode(text: &str) -> Cow<'_, str> {
    if text.contains('+') {
        return Cow::Owned(percent_decode(&text.replace('+', " ")).into_owned());
    }
    percent_decode(text)
}

/// Decodes a part of a request's target: `%` with two hexadecimal digits is a byte; any other `%` stays.
pub(crate) fn percent_decode(text: &str) -> Cow<'_, str> {
    if memchr(b'%', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        decoded.push(match first {
            b'%' => match behind {
                [high, low, behind @ ..] => match (hex_digit(*high), hex_digit(*low)) {
                    (Some(high), Some(low)) => {
                        rest = behind;
                        high << 4 | low
                    }
                    _ => b'%',
                },
                _ => b'%',
            },
            other => other,
        });
    }
    Cow::Owned(match String::from_utf8(decoded) {
        Ok(text) => text,
        Err(invalid) => String::from_utf8_lossy(invalid.as_bytes()).into_owned(),
    })
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Code {
    /// The transport is missing, unknown, or not allowed.
    UnknownTransport = 0,
    /// No session has this sid any more, or none ever had.
    UnknownSid = 1,
    /// A handshake that is not a GET.
    BadHandshakeMethod = 2,
    /// The request contradicts itself or its session.
    BadRequest = 3,
    /// The application refused the handshake.
    Forbidden = 4,
    /// A protocol that this server does not speak.
    UnsupportedProtocolVersion = 5,
}

impl Code {
    /// Every code, in order.
    pub const ALL: [Self; 6] = [
        Self::UnknownTransport,
        Self::UnknownSid,
        Self::BadHandshakeMethod,
        Self::BadRequest,
        Self::Forbidden,
        Self::UnsupportedProtocolVersion,
    ];

    /// The message of the code. It is the whole body when a WebSocket handshake is refused.
    pub const fn message(self) -> &'static str {
        match self {
            Self::UnknownTransport => "Transport unknown",
            Self::UnknownSid => "Session ID unknown",
            Self::BadHandshakeMethod => "Bad handshake method",
            Self::BadRequest => "Bad request",
            Self::Forbidden => "Forbidden",
            Self::UnsupportedProtocolVersion => "Unsupported protocol version",
        }
    }

    /// The body of a refused plain request. `custom` replaces the message, for the application's hook.
    pub fn json_body(self, custom: Option<&str>) -> String {
        let message = serde_json::Value::from(custom.unwrap_or(self.message()));
        format!(r#"{{"code":{},"message":{message}}}"#, self as u8)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

/// The methods that Engine.IO distinguishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// GET.
    Get,
    /// POST.
    Post,
    /// Any other.
    Other,
}

/// The two kinds of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A request that wants an answer.
    Plain,
    /// A request that wants to become a WebSocket.
    Upgrade,
}

/// The input of [`check`].
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The request's method.
    pub method: Method,
    /// Whether it is a WebSocket handshake.
    pub kind: Kind,
    /// Its query.
    pub query: &'a Query<'a>,
    /// Its `Origin` header.
    pub origin: Option<&'a [u8]>,
}

/// What [`check`] needs to know of the session with the request's sid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The session's protocol.
    pub protocol: Protocol,
    /// The session's current transport.
    pub transport: Transport,
}

/// The purpose of a request that passed [`check`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Opens a session on the query's transport: ask the application's hook, then [`check_protocol`].
    Handshake,
    /// A GET of the session.
    Poll,
    /// A POST of the session.
    Post,
    /// A WebSocket for the session.
    Upgrade,
    /// A method that sessions do not know: it is answered 500 with an empty body, and the session is not touched.
    UnknownMethod,
    /// A WebSocket handshake with `transport=polling`: it is completed and followed by an empty close frame at once. It
    /// cannot become a session, so the application's hook is not asked.
    Dismissal,
}

/// Finds the purpose of a request, or the code that refuses it. `found` is the session that has the query's sid, if
/// any.
///
/// Two requests are refused here that the Node server leaves unanswered or misunderstands: a plain GET with
/// `transport=websocket` for a session on a WebSocket ([`Code::BadRequest`]), and a second WebSocket for a session that
/// began on one ([`Session::websocket_opened`](super::Session::websocket_opened) shuts it).
pub fn check(request: Request<'_>, settings: &Settings, found: Option<Found>) -> Result<Purpose, Code> {
    let Request { method, kind, query, origin } = request;
    let transport = query.transport.filter(|it| settings.transports.contains(*it)).ok_or(Code::UnknownTransport)?;
    if origin.is_some_and(has_control_characters) {
        return Err(Code::BadRequest);
    }
    let purpose = match (&query.sid, kind) {
        (None, _) if method != Method::Get => return Err(Code::BadHandshakeMethod),
        (None, Kind::Plain) if transport == Transport::WebSocket => return Err(Code::BadRequest),
        (None, _) => Purpose::Handshake,
        (Some(_), Kind::Plain) => {
            let found = found.ok_or(Code::UnknownSid)?;
            let polling = (Transport::Polling, Transport::Polling);
            if (transport, found.transport) != polling || query.protocol != found.protocol {
                return Err(Code::BadRequest);
            }
            match method {
                Method::Get => Purpose::Poll,
                Method::Post => Purpose::Post,
                Method::Other => Purpose::UnknownMethod,
            }
        }
        (Some(_), Kind::Upgrade) => {
            let found = found.ok_or(Code::UnknownSid)?;
            if query.protocol != found.protocol || method != Method::Get {
                return Err(Code::BadRequest);
            }
            Purpose::Upgrade
        }
    };
    match (kind, transport) {
        (Kind::Upgrade, Transport::Polling) => Ok(Purpose::Dismissal),
        _ => Ok(purpose),
    }
}

/// The last check on a handshake, after the application's hook: this server must speak the protocol.
pub fn check_protocol(protocol: Protocol, settings: &Settings) -> Result<(), Code> {
    match protocol {
        Protocol::V4 => Ok(()),
        Protocol::V3 if settings.allow_eio3 => Ok(()),
        Protocol::V3 => Err(Code::UnsupportedProtocolVersion),
    }
}

fn has_control_characters(header: &[u8]) -> bool {
    header.iter().any(|&byte| byte.is_ascii_control() && byte != b'\t')
}

/// The open packet: the first packet of a session that began on `transport`.
pub fn open_packet(sid: &str, transport: Transport, settings: &Settings) -> String {
    let upgrades = if transport == Transport::Polling && settings.offer_upgrade() { r#"["websocket"]"# } else { "[]" };
    format!(
        r#"0{{"sid":"{sid}","upgrades":{upgrades},"pingInterval":{},"pingTimeout":{},"maxPayload":{}}}"#,
        settings.ping_interval.as_millis(),
        settings.ping_timeout.as_millis(),
        settings.max_payload,
    )
}

#[cfg(test)]
mod tests;
