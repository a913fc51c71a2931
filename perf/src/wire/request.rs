//! The HTTP requests of a client.

/// The key that every WebSocket handshake here asks with (the example of RFC 6455 §1.3).
const WEBSOCKET_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// The only right answer to it.
pub const WEBSOCKET_ACCEPT: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The requests of one server and path.
#[derive(Debug)]
pub struct Requests {
    path: String,
    host: String,
}

impl Requests {
    /// Requests to `path`, which begins with a slash, of the server that `Host` names.
    pub fn new(path: &str, host: &str) -> Self {
        Self { path: path.to_owned(), host: host.to_owned() }
    }

    /// Opens a session by polling.
    pub fn open(&self) -> Vec<u8> {
        self.request("GET", "polling", None, None, "\r\n")
    }

    /// Takes what waits for session `sid`.
    pub fn poll(&self, sid: &str, cookies: Option<&str>) -> Vec<u8> {
        self.request("GET", "polling", Some(sid), cookies, "\r\n")
    }

    /// The head of a POST to session `sid`, all but the length of its body and the empty line.
    pub fn post(&self, sid: &str, cookies: Option<&str>) -> Vec<u8> {
        self.request(
            "POST",
            "polling",
            Some(sid),
            cookies,
            "Content-Type: text/plain;charset=UTF-8\r\nContent-Length: ",
        )
    }

    /// The WebSocket handshake: of a new session, or to upgrade session `sid`.
    pub fn websocket(&self, sid: Option<&str>, cookies: Option<&str>) -> Vec<u8> {
        let rest = format!(
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: {WEBSOCKET_KEY}\r\n\r\n"
        );
        self.request("GET", "websocket", sid, cookies, &rest)
    }

    fn request(&self, method: &str, transport: &str, sid: Option<&str>, cookies: Option<&str>, rest: &str) -> Vec<u8> {
        let Self { path, host } = self;
        let sid = sid.map_or_else(String::new, |sid| format!("&sid={sid}"));
        let cookies = cookies.map_or_else(String::new, |cookies| format!("Cookie: {cookies}\r\n"));
        format!("{method} {path}?EIO=4&transport={transport}{sid} HTTP/1.1\r\nHost: {host}\r\n{cookies}{rest}").into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_carry_session_and_cookies() {
        let requests = Requests::new("/websockets/", "example.org");
        let poll = requests.poll("abc", Some("AWSALB=x"));
        let expected = "GET /websockets/?EIO=4&transport=polling&sid=abc HTTP/1.1\r\nHost: example.org\r\nCookie: AWSALB=x\r\n\r\n";
        assert_eq!(std::str::from_utf8(&poll), Ok(expected));
        assert!(requests.open().starts_with(b"GET /websockets/?EIO=4&transport=polling HTTP/1.1\r\n"));
    }
}
