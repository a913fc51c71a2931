//! A bare client: a WebSocket, and packets as text.

use std::net::{SocketAddr, TcpStream};

use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

use crate::PATIENCE;

/// A client of the server, on a WebSocket.
pub struct Client(WebSocket<TcpStream>);

impl Client {
    /// Opens a session, with these headers in the handshake.
    pub fn open(address: SocketAddr, headers: &[(&'static str, &str)]) -> Self {
        Self::try_open(address, headers).expect("a handshake that is accepted")
    }

    /// As [`open`](Self::open); gives the body of the refusal.
    pub fn try_open(address: SocketAddr, headers: &[(&'static str, &str)]) -> Result<Self, String> {
        let stream = TcpStream::connect(address).expect("the server accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("a read timeout");
        let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
        let mut request = url.into_client_request().expect("a request");
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().expect("a header"));
        }
        match tungstenite::client(request, stream) {
            Ok((socket, _)) => {
                let mut client = Self(socket);
                assert!(client.text().starts_with("0{"));
                Ok(client)
            }
            Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(answer))) => Err(format!(
                "{} {}",
                answer.status().as_u16(),
                String::from_utf8_lossy(answer.body().as_deref().unwrap_or_default())
            )),
            Err(error) => panic!("{error}"),
        }
    }

    /// Asks for a namespace and gives the answer's payload: `{"sid":…}` or `{"message":…}`.
    pub fn connect(&mut self, namespace: &str) -> String {
        self.connect_with(namespace, "")
    }

    /// The same, with authentication data.
    pub fn connect_with(&mut self, namespace: &str, auth: &str) -> String {
        let prefix = prefix(namespace);
        self.send(&format!("40{prefix}{auth}"));
        let answer = self.text();
        let payload = answer.strip_prefix("40").or_else(|| answer.strip_prefix("44")).expect("an answer to CONNECT");
        payload.strip_prefix(&prefix).expect("of that namespace").to_owned()
    }

    /// Joins a namespace and gives the socket's id.
    pub fn join(&mut self, namespace: &str) -> String {
        let answer = self.connect(namespace);
        let sid = answer.strip_prefix("{\"sid\":\"").and_then(|rest| rest.strip_suffix("\"}"));
        sid.unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    pub fn send(&mut self, text: &str) {
        self.0.send(Message::text(text)).expect("the server reads");
    }

    /// The next text message.
    pub fn text(&mut self) -> String {
        loop {
            match self.0.read().expect("the server writes") {
                Message::Text(text) => return text.as_str().to_owned(),
                Message::Close(_) => panic!("the server closed"),
                _ => {}
            }
        }
    }

    /// Waits for this very text.
    pub fn expect(&mut self, text: &str) {
        assert_eq!(self.text(), text);
    }

    /// Waits until the server has closed the connection.
    pub fn closed(&mut self) {
        while self.0.read().is_ok() {}
    }
}

fn prefix(namespace: &str) -> String {
    if namespace == "/" { String::new() } else { format!("{namespace},") }
}
