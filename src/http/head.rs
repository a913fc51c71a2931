//! Request heads: the request line and the headers, parsed by `httparse` and then checked by stricter rules.

use std::mem::MaybeUninit;

use memchr::memchr_iter;

use super::method::Method;
use super::status::Status;

/// Most headers that a setting can allow: the size of the array that a head is parsed into.
pub(crate) const MAX_HEADERS: usize = 96;

/// Room for the headers of one head, on the caller's stack: see [`scratch`].
pub(crate) type HeaderScratch<'b> = [MaybeUninit<httparse::Header<'b>>; MAX_HEADERS];

/// Fresh room for [`parse`]; making it costs nothing.
pub(crate) const fn scratch<'b>() -> HeaderScratch<'b> {
    [const { MaybeUninit::uninit() }; MAX_HEADERS]
}

/// Limits of a request head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeadLimits {
    /// Longest head in bytes, the empty line at its end included. Default: 16 KiB.
    pub(crate) max_head_bytes: usize,
    /// Most header lines. Default: 96, which is also the largest value that has an effect.
    pub(crate) max_headers: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { max_head_bytes: 16 * 1024, max_headers: MAX_HEADERS }
    }
}

/// What [`parse`] found at the start of a buffer.
#[derive(Debug)]
pub(crate) enum Parsed<'h> {
    /// A whole head.
    Complete(Head<'h>),
    /// The beginning of a head: more bytes are needed.
    Partial,
}

/// The HTTP version of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    Http10,
    Http11,
}

/// How a request gives the length of its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyLength {
    /// There is no body.
    None,
    /// `Content-Length`, in bytes.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// What a client of HTTP/1.1 expects before it sends the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Expectation {
    /// Nothing.
    #[default]
    None,
    /// An answer that tells it to go on, `100-continue`.
    Continue,
    /// Something that this server does not support.
    Unknown,
}

/// Why a head was refused. The connection cannot be used any further: where the next request begins is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeadError {
    #[error("malformed request line")]
    RequestLine,
    #[error("malformed request target")]
    Target,
    #[error("malformed header line")]
    Header,
    #[error("line feed without carriage return")]
    LineEnd,
    #[error("missing or repeated Host header")]
    Host,
    #[error("malformed or repeated Content-Length header")]
    ContentLength,
    #[error("Transfer-Encoding other than a single chunked, or beside Content-Length, or on HTTP/1.0")]
    TransferEncoding,
    #[error("HTTP version not supported")]
    Version,
    #[error("request head too long")]
    TooLong,
    #[error("too many headers")]
    TooManyHeaders,
}

impl HeadError {
    /// The status that answers the request before its connection is closed.
    pub(crate) const fn status(self) -> Status {
        match self {
            Self::TooLong | Self::TooManyHeaders => Status::RequestHeaderFieldsTooLarge,
            Self::Version => Status::HttpVersionNotSupported,
            _ => Status::BadRequest,
        }
    }
}

/// A request head. It borrows the buffer it was parsed from.
#[derive(Debug, Clone)]
pub(crate) struct Head<'h> {
    /// `None` for a method that nothing here serves.
    pub(crate) method: Option<Method>,
    /// The request target as it was sent.
    pub(crate) target: &'h str,
    /// The target's path, not decoded; `*` for `OPTIONS *`.
    pub(crate) path: &'h str,
    /// The part after the target's first `?`, not decoded; empty when there is none.
    pub(crate) query: &'h str,
    pub(crate) version: Version,
    pub(crate) body: BodyLength,
    /// Whether the client wants to keep the connection open after this exchange.
    pub(crate) keep_alive: bool,
    /// What the client expects before it sends the body.
    pub(crate) expectation: Expectation,
    /// Whether the client asks for another protocol: `Connection` has the token `upgrade`, and `Upgrade` is present.
    pub(crate) upgrade: bool,
    /// Length of the head in bytes, the empty line included: the body begins there.
    pub(crate) length: usize,
    headers: &'h [httparse::Header<'h>],
}

impl<'h> Head<'h> {
    /// The value of the first header called `name`, whatever its case.
    pub(crate) fn header(&self, name: &str) -> Option<&'h [u8]> {
        self.values(name).next()
    }

    /// Like [`header`](Self::header), for headers that are text; a value that is not UTF-8 counts as absent.
    pub(crate) fn text(&self, name: &str) -> Option<&'h str> {
        self.header(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The values of all headers called `name`, whatever their case, in order.
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &'h [u8]> {
        self.headers().filter(move |(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All headers in order, names as they were sent, values without surrounding blanks.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&'h str, &'h [u8])> + use<'h> {
        self.headers.iter().map(|header| (header.name, header.value))
    }
}

/// Parses the request head at the start of `buf`. Empty lines before it are skipped and count as part of it.
///
/// The result does not depend on how the bytes arrive: a head that is refused as a whole is refused however it is
/// split.
pub(crate) fn parse<'h, 'b: 'h>(
    buf: &'b [u8],
    limits: &HeadLimits,
    scratch: &'h mut HeaderScratch<'b>,
) -> Result<Parsed<'h>, HeadError> {
    let within = buf.get(..limits.max_head_bytes).unwrap_or(buf);
    let room = scratch.get_mut(..limits.max_headers.min(MAX_HEADERS)).unwrap_or_default();
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(within, room) {
        Ok(httparse::Status::Complete(length)) => {
            only_whole_line_ends(within.get(..length).unwrap_or(within))?;
            judge(request, length).map(Parsed::Complete)
        }
        Ok(httparse::Status::Partial) if buf.len() >= limits.max_head_bytes => Err(HeadError::TooLong),
        Ok(httparse::Status::Partial) => Ok(Parsed::Partial),
        Err(httparse::Error::TooManyHeaders) => Err(HeadError::TooManyHeaders),
        Err(httparse::Error::HeaderName | httparse::Error::HeaderValue) => Err(HeadError::Header),
        Err(httparse::Error::Version) if names_a_version(within) => Err(HeadError::Version),
        Err(_) => Err(HeadError::RequestLine),
    }
}

/// `httparse` takes a lone line feed for a line end; other parsers do not.
fn only_whole_line_ends(head: &[u8]) -> Result<(), HeadError> {
    let whole = |at: usize| at.checked_sub(1).and_then(|before| head.get(before)) == Some(&b'\r');
    if memchr_iter(b'\n', head).all(whole) { Ok(()) } else { Err(HeadError::LineEnd) }
}

/// Whether the third word of the request line is an HTTP version, of any number, and not garbage.
fn names_a_version(head: &[u8]) -> bool {
    let third = head.trim_ascii_start().splitn(3, |&byte| byte == b' ').nth(2);
    third.and_then(|word| word.strip_prefix(b"HTTP/")).and_then(<[u8]>::first).is_some_and(u8::is_ascii_digit)
}

/// Checks the rules that depend on what the headers of a well-formed head mean.
fn judge<'h, 'b: 'h>(request: httparse::Request<'h, 'b>, length: usize) -> Result<Head<'h>, HeadError> {
    let version = if request.version == Some(0) { Version::Http10 } else { Version::Http11 };
    let method = request.method.and_then(Method::from_token);
    let target = request.path.unwrap_or_default();
    let (path, query) = split(target, method)?;
    let fields = Fields::survey(request.headers)?;
    if fields.hosts > 1 || (fields.hosts == 0 && version == Version::Http11) {
        return Err(HeadError::Host);
    }
    let body = match (fields.chunked, fields.content_length) {
        (false, None) => BodyLength::None,
        (false, Some(length)) => BodyLength::Length(length),
        (true, None) if version == Version::Http11 => BodyLength::Chunked,
        (true, _) => return Err(HeadError::TransferEncoding),
    };
    // Expectations came with HTTP/1.1; a client of 1.0 would not understand the answers. Upgrades did, too, but a proxy
    // that speaks 1.0 to its servers passes them on, as nginx does by default, and the Node server serves them.
    let modern = version == Version::Http11;
    Ok(Head {
        method,
        target,
        path,
        query,
        version,
        body,
        keep_alive: !fields.close && (modern || fields.keep_alive),
        expectation: if modern { fields.expectation } else { Expectation::None },
        upgrade: fields.upgrade && fields.upgrade_token,
        length,
        headers: request.headers,
    })
}

/// Path and query of a target in origin form, absolute form, or, for OPTIONS, asterisk form (RFC 9112 §3.2).
fn split(target: &str, method: Option<Method>) -> Result<(&str, &str), HeadError> {
    if !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(HeadError::Target);
    }
    let local = if target.starts_with('/') || (target == "*" && method == Some(Method::Options)) {
        target
    } else {
        let (scheme, rest) = target.split_once("://").ok_or(HeadError::Target)?;
        let known = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
        let authority = rest.find(['/', '?']).unwrap_or(rest.len());
        if !known || authority == 0 {
            return Err(HeadError::Target);
        }
        rest.get(authority..).unwrap_or_default()
    };
    let (path, query) = local.split_once('?').unwrap_or((local, ""));
    Ok((if path.is_empty() { "/" } else { path }, query))
}

/// The contents of the headers that govern the connection.
#[derive(Default)]
struct Fields {
    hosts: usize,
    content_length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    upgrade_token: bool,
    upgrade: bool,
    expectation: Expectation,
}

impl Fields {
    fn survey(headers: &[httparse::Header<'_>]) -> Result<Self, HeadError> {
        let mut fields = Self::default();
        for &httparse::Header { name, value } in headers {
            // The length alone rules out nearly all other headers.
            match name.len() {
                4 if name.eq_ignore_ascii_case("host") => fields.hosts += 1,
                6 if name.eq_ignore_ascii_case("expect") => fields.expect(value),
                7 if name.eq_ignore_ascii_case("upgrade") => fields.upgrade = true,
                10 if name.eq_ignore_ascii_case("connection") => fields.connection(value),
                14 if name.eq_ignore_ascii_case("content-length") => {
                    let length = decimal(value).ok_or(HeadError::ContentLength)?;
                    if fields.content_length.replace(length).is_some() {
                        return Err(HeadError::ContentLength);
                    }
                }
                17 if name.eq_ignore_ascii_case("transfer-encoding") => {
                    if fields.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                        return Err(HeadError::TransferEncoding);
                    }
                    fields.chunked = true;
                }
                _ => {}
            }
        }
        Ok(fields)
    }

    /// As on Node, one supported expectation of several is enough.
    fn expect(&mut self, value: &[u8]) {
        if value.split(|&byte| byte == b',').any(|one| one.trim_ascii().eq_ignore_ascii_case(b"100-continue")) {
            self.expectation = Expectation::Continue;
        } else if self.expectation == Expectation::None {
            self.expectation = Expectation::Unknown;
        }
    }

    fn connection(&mut self, value: &[u8]) {
        for token in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            self.close |= token.eq_ignore_ascii_case(b"close");
            self.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
            self.upgrade_token |= token.eq_ignore_ascii_case(b"upgrade");
        }
    }
}

/// A number that consists of digits only; `str::parse` would also accept a sign.
fn decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests;
