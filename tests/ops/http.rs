//! Bare HTTP: one request a connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::{PATIENCE, TOKEN};

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

pub fn open(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// Reads an answer to the end of its connection.
pub fn answer(mut stream: &TcpStream) -> Answer {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer in UTF-8, and an end");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {answer:?}"));
    let status = head.get(9..12).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no status in {head:?}"));
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

/// Sends a request as it is.
pub fn send(address: SocketAddr, request: &[u8]) -> Answer {
    let mut stream = open(address);
    stream.write_all(request).expect("the request is taken");
    answer(&stream)
}

pub fn get(address: SocketAddr, target: &str) -> Answer {
    send(address, format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes())
}

/// A POST with header lines of its own.
pub fn post_with(address: SocketAddr, target: &str, headers: &str, body: &str) -> Answer {
    let length = body.len();
    let head = format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n{headers}\r\n");
    send(address, format!("{head}{body}").as_bytes())
}

/// A POST with the token.
pub fn post(address: SocketAddr, target: &str, body: &str) -> Answer {
    post_with(address, target, &format!("Authorization: Bearer {TOKEN}\r\n"), body)
}
