//! A bare client on polling, which may upgrade.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::PATIENCE;
use super::member::{Client, Member};

/// A session on polling. Each request has a connection of its own.
pub struct Polling {
    address: SocketAddr,
    query: String,
}

/// A GET that is not answered yet.
pub struct Get(TcpStream);

impl Polling {
    /// Opens a session.
    pub fn open(member: &Member) -> Self {
        let mut client = Self { address: member.address(), query: "EIO=4&transport=polling".to_owned() };
        let open = client.get();
        let sid = open.split_once("\"sid\":\"").unwrap().1.split('"').next().unwrap().to_owned();
        client.query = format!("EIO=4&transport=polling&sid={sid}");
        client
    }

    /// The same session, by way of another server.
    pub fn through(&self, member: &Member) -> Self {
        Self { address: member.address(), query: self.query.clone() }
    }

    fn request(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    /// Sends packets, and waits until they are accepted.
    pub fn post(&self, packets: &str) {
        let length = packets.len();
        let request = format!(
            "POST /socket.io/?{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{packets}",
            self.query
        );
        assert_eq!(body(self.request(&request)), "ok");
    }

    /// Begins a GET.
    pub fn begin_get(&self) -> Get {
        Get(self.request(&format!(
            "GET /socket.io/?{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            self.query
        )))
    }

    /// The answer to a GET.
    pub fn get(&self) -> String {
        self.begin_get().answer()
    }

    /// A WebSocket that has probed.
    pub fn probe(&self) -> Client {
        let mut client = Client::connect(self.address, &self.query.replace("polling", "websocket"));
        client.send("2probe");
        assert_eq!(client.text(), "3probe");
        client
    }
}

impl Get {
    pub fn answer(self) -> String {
        body(self.0)
    }
}

/// The body of an answer that ends its connection.
fn body(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    body.to_owned()
}
