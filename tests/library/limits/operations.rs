//! Limits of the port for operations.

use std::io::{Read, Write};
use std::net::TcpStream;

use kinglet::{Config, Limits, Password};

use crate::support::{PATIENCE, Server, one_shard};

const TOKEN: &str = "a-token-of-the-tests";

fn limited(limits: Limits) -> Server {
    let config = Config { limits, ops_port: Some(0), ops_token: Some(Password::new(TOKEN)), ..one_shard() };
    Server::start(config, |_| {})
}

fn open(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.ops_address()).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// The status of the answer that ends a connection.
fn status(mut stream: &TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer, and an end");
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

fn publish(server: &Server, body: &str) -> String {
    let mut stream = open(server);
    let length = body.len();
    let head = "POST /emit HTTP/1.1\r\nHost: a\r\n";
    write!(stream, "{head}Authorization: Bearer {TOKEN}\r\nContent-Length: {length}\r\n\r\n{body}")
        .expect("it is taken");
    status(&stream)
}

pub fn a_connection_too_many_gets_503() -> Server {
    let server = limited(Limits { ops_connections: 1, ..Limits::default() });
    let mut first = open(&server);
    first.write_all(b"GET /health HTTP/1.1\r\n").expect("the beginning is taken");
    assert_eq!(status(&open(&server)), "503");
    first.write_all(b"Host: a\r\n\r\n").expect("the rest is taken");
    assert_eq!(status(&first), "200");
    server
}

pub fn a_body_too_long_gets_413() -> Server {
    let server = limited(Limits { ops_body: 16, ..Limits::default() });
    assert_eq!(publish(&server, "{\"event\": \"x\"}"), "202");
    assert_eq!(publish(&server, "{\"event\": \"long\"}"), "413");
    server
}

pub fn a_list_too_long_gets_413() -> Server {
    let server = limited(Limits { ops_batch: 1, ..Limits::default() });
    assert_eq!(publish(&server, "[{\"event\": \"x\"}]"), "202");
    assert_eq!(publish(&server, "[{\"event\": \"x\"}, {\"event\": \"x\"}]"), "413");
    server
}
