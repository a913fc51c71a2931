//! What a client asks for. It is kept, because a client that comes back asks for the same.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Map, Value};

/// A client's wishes.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) address: SocketAddr,
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) namespace: String,
    pub(super) auth: Option<Value>,
    /// Bound on what the client does beside waiting for events and answers.
    pub(super) timeout: Duration,
}

/// What a socket needs to be recovered.
#[derive(Debug, Clone, Default)]
pub(super) struct WayBack {
    /// The private id that the server gave the socket.
    pub(super) pid: Option<String>,
    /// The last event that came.
    pub(super) offset: Option<String>,
}

impl Plan {
    /// The address of the WebSocket.
    pub(super) fn url(&self) -> String {
        let mut url = format!("ws://{}{}?EIO=4&transport=websocket", self.address, self.path);
        for (name, value) in &self.query {
            url.push('&');
            encode(&mut url, name);
            url.push('=');
            encode(&mut url, value);
        }
        url
    }

    /// The payload of CONNECT, as official clients make it: `pid` and `offset` beside the authentication data.
    pub(super) fn auth(&self, way_back: &WayBack) -> Option<Value> {
        let Some(pid) = &way_back.pid else { return self.auth.clone() };
        let mut auth = match &self.auth {
            Some(Value::Object(auth)) => auth.clone(),
            _ => Map::new(),
        };
        auth.entry("pid").or_insert_with(|| pid.as_str().into());
        if let Some(offset) = &way_back.offset {
            auth.entry("offset").or_insert_with(|| offset.as_str().into());
        }
        Some(auth.into())
    }
}

/// Appends a name or value of a query.
fn encode(url: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => url.push(byte.into()),
            // Writing to a text never fails.
            _ => _ = write!(url, "%{byte:02X}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            address: ([127, 0, 0, 1], 3000).into(),
            path: "/socket.io/".to_owned(),
            query: vec![("a b".to_owned(), "1&2=ä".to_owned())],
            headers: Vec::new(),
            namespace: "/".to_owned(),
            auth: Some(serde_json::json!({ "token": 1 })),
            timeout: Duration::ZERO,
        }
    }

    #[test]
    fn a_query_is_encoded() {
        let url = "ws://127.0.0.1:3000/socket.io/?EIO=4&transport=websocket&a%20b=1%262%3D%C3%A4";
        assert_eq!(plan().url(), url);
    }

    #[test]
    fn who_comes_back_says_who_it_was() {
        let way_back = WayBack { pid: Some("p".to_owned()), offset: Some("o".to_owned()) };
        let auth = |way_back| plan().auth(way_back).map(|auth| auth.to_string());
        assert_eq!(auth(&way_back).as_deref(), Some(r#"{"offset":"o","pid":"p","token":1}"#));
        assert_eq!(auth(&WayBack::default()).as_deref(), Some(r#"{"token":1}"#));
    }
}
