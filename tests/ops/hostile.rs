//! Hostile requests that never reach the parser behind the gate: heads, bodies and lengths that are wrong, long or
//! late.

use std::io::Write;
use std::time::Duration;

use kinglet::{Config, Limits, Server};

use crate::http::{answer, get, open, post, send};
use crate::{TOKEN, config, start, stop};

fn server(limits: Limits) -> Server {
    Server::new(Config { limits, ..config() }).expect("settings")
}

fn hits(running: &kinglet::Running, limit: &str) -> u64 {
    running.handle().metrics().limits_hit.into_iter().find(|(name, _)| *name == limit).map_or(0, |(_, hits)| hits)
}

#[test]
fn wrong_lengths_and_heads_are_refused_and_the_port_goes_on() {
    let (running, ops) = start(server(Limits::default()));
    for wrong in [
        "POST /emit HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        "POST /emit HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "POST /emit HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        "POST /emit HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n12",
        "POST /emit HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /emit HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        "GET /health HTTP/1.1\r\n\r\n",
        "GET  /health HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /health HTTP/1.1\nHost: a\n\n",
        "nonsense\r\n\r\n",
    ] {
        assert_eq!(send(ops, wrong.as_bytes()).status, 400, "{wrong:?}");
    }
    assert_eq!(send(ops, b"PUT /health HTTP/1.1\r\nHost: a\r\n\r\n").status, 405);
    assert_eq!(send(ops, b"POST /health HTTP/1.1\r\nHost: a\r\n\r\n").status, 405);
    assert_eq!(get(ops, "/emit").status, 405);
    assert_eq!(send(ops, b"GET /health HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n").status, 417);
    assert_eq!(get(ops, "/nothing").status, 404);
    assert_eq!(get(ops, "/health").status, 200);
    stop(running);
}

#[test]
fn more_headers_than_the_parser_takes_do_no_harm() {
    let (running, ops) = start(server(Limits::default()));
    let headers: String = (0..60).map(|number| format!("X-{number}: y\r\n")).collect();
    let request = format!("GET /health HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
    assert_eq!(send(ops, request.as_bytes()).status, 200);
    stop(running);
}

#[test]
fn a_head_without_end_is_refused_at_its_bound() {
    let (running, ops) = start(server(Limits::default()));
    let mut stream = open(ops);
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\nX: ").expect("the head is taken");
    // The gate answers when it has its fill; it may be gone before all is written.
    let _ = stream.write_all(&vec![b'x'; 64 * 1024]);
    assert_eq!(answer(&stream).status, 431);
    assert_eq!(hits(&running, "request_head"), 1);
    stop(running);
}

#[test]
fn heads_and_bodies_that_do_not_come_time_out() {
    let limits =
        Limits { header_timeout: Duration::from_secs(1), body_timeout: Duration::from_secs(1), ..Limits::default() };
    let (running, ops) = start(server(limits));
    let mut stream = open(ops);
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n").expect("the beginning is taken");
    assert_eq!(answer(&stream).status, 408);
    let mut stream = open(ops);
    stream.write_all(b"POST /emit HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{").expect("the beginning is taken");
    assert_eq!(answer(&stream).status, 408);
    assert_eq!((hits(&running, "header_timeout"), hits(&running, "body_timeout")), (1, 1));
    stop(running);
}

#[test]
fn a_body_is_bounded_by_its_length_and_by_its_chunks() {
    let (running, ops) = start(server(Limits { ops_body: 64, ..Limits::default() }));
    let long = format!("{{\"event\": \"{}\"}}", "x".repeat(64));
    let told = post(ops, "/emit", &long);
    assert_eq!(told.status, 413, "{told:?}");
    let head = format!(
        "POST /emit HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let chunked = |body: &str| send(ops, format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).as_bytes()).status;
    assert_eq!(chunked(&long), 413);
    assert_eq!(chunked("{\"event\": \"x\"}"), 202);
    assert_eq!(hits(&running, "ops_body"), 2);
    stop(running);
}

#[test]
fn a_client_that_expects_100_continue_gets_it_from_the_gate() {
    let (running, ops) = start(server(Limits::default()));
    let mut stream = open(ops);
    let head = format!(
        "POST /emit HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 14\r\n\
         Expect: 100-continue\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("the head is taken");
    let mut told = [0; 25];
    std::io::Read::read_exact(&mut stream, &mut told).expect("an interim answer");
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"{\"event\": \"x\"}").expect("the body is taken");
    assert_eq!(answer(&stream).status, 202);
    stop(running);
}

#[test]
fn a_connection_beyond_the_limit_is_told_to_come_again() {
    let (running, ops) = start(server(Limits { ops_connections: 1, ..Limits::default() }));
    let mut first = open(ops);
    // Half a request: the connection is certainly there when its rest is answered.
    first.write_all(b"GET /health HTTP/1.1\r\n").expect("the beginning is taken");
    assert_eq!(answer(&open(ops)).status, 503);
    first.write_all(b"Host: a\r\n\r\n").expect("the rest is taken");
    assert_eq!(answer(&first).status, 200);
    assert_eq!(hits(&running, "ops_connections"), 1);
    stop(running);
}
