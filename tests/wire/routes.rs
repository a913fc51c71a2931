//! Requests beside Socket.IO, as the example `conformance` answers them.

use crate::support::{Polling, Server};

fn post(path: &str, content_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n");
    format!("{head}\r\n{body}").into_bytes()
}

#[test]
fn routes_answer_beside_sessions_on_one_connection() {
    let server = Server::start();
    let mut connection = server.connect();
    connection.send(b"GET /hello?name=x HTTP/1.1\r\nHost: h\r\n\r\n");
    let answer = connection.response();
    answer.assert_is(200, "hello x");
    assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")));
    assert_eq!(answer.header("access-control-allow-origin").as_deref(), Some("*"));
    connection.send(
        b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\nGET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: h\r\n\r\n",
    );
    connection.response().assert_is(200, "slow");
    assert!(connection.response().text().starts_with("0{\"sid\""));
    let echoed = post("/echo", "a/b", "as it came");
    connection.send(&echoed);
    let answer = connection.response();
    answer.assert_is(200, "as it came");
    assert_eq!(answer.header("content-type").as_deref(), Some("a/b"));
}

#[test]
fn a_body_of_64_kibibytes_is_taken_and_one_byte_more_is_not() {
    let server = Server::start();
    let mut connection = server.connect();
    let fits = "x".repeat(64 * 1024);
    connection.send(&post("/echo", "a/b", &fits));
    connection.response().assert_is(200, &fits);
    connection.send(&post("/echo", "a/b", &(fits + "x")));
    connection.response().assert_is(413, "");
    connection.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    connection.response().assert_is(200, "all good");
}

#[test]
fn a_request_split_at_each_byte_is_answered_the_same() {
    let server = Server::with_vars(&[("KINGLET_SHARDS", "1")]);
    let chunked = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
    for request in [String::from_utf8(post("/echo", "a/b", "abc")).expect("text"), chunked.to_owned()] {
        for at in 1..request.len() {
            let mut connection = server.connect();
            let (one, other) = request.as_bytes().split_at(at);
            connection.send(one);
            // Another request's answer proves that the first part was read.
            Polling::open(&server);
            connection.send(other);
            connection.response().assert_is(200, "abc");
        }
    }
}

#[test]
fn a_request_that_breaks_the_rules_reaches_no_route() {
    let server = Server::start();
    for (request, status) in [
        ("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400),
        ("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx", 400),
        ("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n", 400),
        ("GET /hello HTTP/1.1\r\n\r\n", 400),
        ("GET /hello HTTP/2.0\r\nHost: h\r\n\r\n", 505),
        ("GET /hello HTTP/1.1\r\nHost: h\r\nExpect: much\r\n\r\n", 417),
    ] {
        let mut connection = server.connect();
        connection.send(request.as_bytes());
        assert_eq!(connection.response().status, status, "{request}");
    }
}
