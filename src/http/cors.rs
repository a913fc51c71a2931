//! Cross-origin resource sharing: which pages browsers let read the answers.

use std::time::Duration;

use bytes::Bytes;

use super::field::HeaderLines;
use super::head::Head;
use super::response::{AnswerWriter, Delivery};
use super::status::Status;

/// The methods that a preflight allows by default.
const METHODS: &str = "GET,HEAD,PUT,PATCH,POST,DELETE";

/// The origins whose pages may read the answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// All, by `*`. Browsers do not accept it together with credentials.
    Any,
    /// All, by echoing the origin of each request. Browsers accept it together with credentials.
    Echo,
    /// This one, named in every answer.
    Fixed(String),
    /// Each of these, compared exactly. Other origins are served, too, but their browsers hide the answer from the
    /// page.
    List(Vec<String>),
}

/// Cross-origin resource sharing: which pages of other origins may use the server.
///
/// Without it no CORS header is sent, and preflight requests are refused. Texts with control characters, which cannot
/// be in a header, are left out of the answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    origin: Origin,
    credentials: bool,
    methods: String,
    allowed_headers: Option<String>,
    exposed_headers: Option<String>,
    max_age: Option<Duration>,
}

impl Cors {
    /// Settings that allow pages of `origin`, without credentials.
    pub fn new(origin: Origin) -> Self {
        Self {
            origin,
            credentials: false,
            methods: METHODS.to_owned(),
            allowed_headers: None,
            exposed_headers: None,
            max_age: None,
        }
    }

    /// Whether requests may carry credentials such as cookies. Default: no.
    pub fn credentials(mut self, allowed: bool) -> Self {
        self.credentials = allowed;
        self
    }

    /// The methods a preflight allows. Default: GET, HEAD, PUT, PATCH, POST and DELETE.
    pub fn methods<T: AsRef<str>>(mut self, methods: &[T]) -> Self {
        self.methods = join(methods);
        self
    }

    /// The request headers that a preflight allows. Default: those that it asks for.
    pub fn allowed_headers<T: AsRef<str>>(mut self, headers: &[T]) -> Self {
        self.allowed_headers = Some(join(headers));
        self
    }

    /// The answer headers that a page may read besides the common ones. Default: none.
    pub fn exposed_headers<T: AsRef<str>>(mut self, headers: &[T]) -> Self {
        self.exposed_headers = Some(join(headers));
        self
    }

    /// How long a browser may remember the answer to a preflight, in whole seconds. Default: not said.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// The origins that are compared or named in answers.
    pub(crate) fn named_origins(&mut self) -> &mut [String] {
        match &mut self.origin {
            Origin::Any | Origin::Echo => &mut [],
            Origin::Fixed(fixed) => std::slice::from_mut(fixed),
            Origin::List(list) => list,
        }
    }

    /// Appends the headers of any answer to a request with this `Origin`.
    pub(crate) fn headers(&self, origin: Option<&str>, out: &mut HeaderLines) {
        self.access(origin, b"Origin", out);
        self.exposed(out);
    }

    /// The answer to a preflight, that is, to any OPTIONS request. It depends on its `Origin` and its
    /// `Access-Control-Request-Headers`.
    pub(crate) fn preflight(&self, delivery: Delivery, head: &Head<'_>) -> Bytes {
        AnswerWriter::new(Status::NoContent, delivery, b"").lines(&self.preflight_lines(head)).length().finish()
    }

    /// The headers of that answer.
    pub(crate) fn preflight_lines(&self, head: &Head<'_>) -> HeaderLines {
        let requested: Vec<_> = head.values("access-control-request-headers").collect();
        self.allow(head.text("origin"), &requested.join(&b", "[..]))
    }

    fn allow(&self, origin: Option<&str>, requested: &[u8]) -> HeaderLines {
        let echoes_headers = self.allowed_headers.is_none();
        let mut lines = HeaderLines::EMPTY;
        let vary: &[u8] = if echoes_headers { b"Origin, Access-Control-Request-Headers" } else { b"Origin" };
        self.access(origin, vary, &mut lines);
        lines.push("Access-Control-Allow-Methods", self.methods.as_bytes());
        if echoes_headers && self.origin == Origin::Any {
            lines.push("Vary", b"Access-Control-Request-Headers");
        }
        let headers = self.allowed_headers.as_deref().map_or(requested, str::as_bytes);
        if !headers.is_empty() {
            lines.push("Access-Control-Allow-Headers", headers);
        }
        if let Some(age) = self.max_age {
            lines.push("Access-Control-Max-Age", age.as_secs().to_string().as_bytes());
        }
        self.exposed(&mut lines);
        lines
    }

    /// The origin that may read the answer. `vary` is what this depends on, if it depends on the origin.
    fn access(&self, origin: Option<&str>, vary: &[u8], out: &mut HeaderLines) {
        let allowed = match &self.origin {
            Origin::Any => Some("*"),
            Origin::Echo => origin,
            Origin::Fixed(fixed) => Some(fixed.as_str()),
            Origin::List(list) => origin.filter(|&origin| list.iter().any(|listed| listed == origin)),
        };
        if let Some(allowed) = allowed {
            out.push("Access-Control-Allow-Origin", allowed.as_bytes());
        }
        if self.origin != Origin::Any {
            out.push("Vary", vary);
        }
        if self.credentials {
            out.push("Access-Control-Allow-Credentials", b"true");
        }
    }

    fn exposed(&self, out: &mut HeaderLines) {
        if let Some(headers) = &self.exposed_headers {
            out.push("Access-Control-Expose-Headers", headers.as_bytes());
        }
    }
}

fn join<T: AsRef<str>>(texts: &[T]) -> String {
    texts.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cors: &Cors, origin: Option<&str>) -> String {
        let mut lines = HeaderLines::EMPTY;
        cors.headers(origin, &mut lines);
        String::from_utf8_lossy(lines.as_bytes()).into_owned()
    }

    fn preflight(cors: &Cors, requested: &str) -> String {
        let lines = cors.allow(Some("http://a.test"), requested.as_bytes());
        String::from_utf8_lossy(lines.as_bytes()).into_owned()
    }

    #[test]
    fn the_origin_is_named_as_the_setting_says() {
        let list = Cors::new(Origin::List(vec!["http://a.test".into()])).exposed_headers(&["X-A", "X-B"]);
        let exposed = "Access-Control-Expose-Headers: X-A,X-B\r\n";
        assert_eq!(
            headers(&list, Some("http://a.test")),
            format!("Access-Control-Allow-Origin: http://a.test\r\nVary: Origin\r\n{exposed}")
        );
        assert_eq!(headers(&list, Some("http://A.test")), format!("Vary: Origin\r\n{exposed}"));
        assert_eq!(headers(&list, None), format!("Vary: Origin\r\n{exposed}"));
        let echo = Cors::new(Origin::Echo);
        assert_eq!(headers(&echo, Some("null")), "Access-Control-Allow-Origin: null\r\nVary: Origin\r\n");
    }

    #[test]
    fn texts_cannot_forge_headers() {
        let forged = "x\r\nSet-Cookie: a";
        let cors = Cors::new(Origin::Echo).allowed_headers(&[forged]).exposed_headers(&[forged]).methods(&[forged]);
        assert_eq!(headers(&cors, Some(forged)), "Vary: Origin\r\n");
        assert!(!preflight(&cors, "").contains("Set-Cookie"));
        assert!(!preflight(&Cors::new(Origin::Any), forged).contains("Set-Cookie"));
    }

    #[test]
    fn a_preflight_tells_what_is_configured() {
        let cors = Cors::new(Origin::Any)
            .methods(&["GET", "POST"])
            .allowed_headers(&["X-A"])
            .exposed_headers(&["X-B"])
            .max_age(Duration::from_secs(60));
        assert_eq!(
            preflight(&cors, "ignored"),
            "Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Methods: GET,POST\r\n\
             Access-Control-Allow-Headers: X-A\r\nAccess-Control-Max-Age: 60\r\nAccess-Control-Expose-Headers: X-B\r\n"
        );
        assert!(preflight(&Cors::new(Origin::Any), "").contains("\r\nVary: Access-Control-Request-Headers\r\n"));
    }
}
