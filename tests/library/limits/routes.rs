//! The limits of routes.

use std::time::Duration;

use kinglet::{Config, Limits};

use crate::routes::{Slow, get, hello, post, request};
use crate::support::{Server, one_shard};

pub fn a_body_beyond_the_limit_gets_413_and_the_connection_goes_on() -> Server {
    let limits = Limits { route_body: 10, ..Limits::default() };
    let server = Server::start(Config { limits, ..one_shard() }, hello);
    let mut connection = server.connect();
    connection.send(&post("/echo", "0123456789"));
    connection.response().assert_is(200, "0123456789");
    connection.send(&post("/echo", "0123456789a"));
    connection.response().assert_is(413, "");
    connection.send(&request("POST /echo", "Transfer-Encoding: chunked\r\n", "b\r\n0123456789a\r\n0\r\n\r\n"));
    connection.response().assert_is(413, "");
    connection.send(&request("POST /echo", "Expect: 100-continue\r\nContent-Length: 11\r\n", ""));
    assert_eq!(connection.response().status, 100);
    connection.response().assert_is(413, "");
    connection.send(b"0123456789a");
    get(&mut connection, "/hello").assert_is(200, "hello ");
    assert_eq!(server.hits("route_body"), 3);
    server
}

pub fn a_route_that_takes_too_long_is_answered_for_and_its_answer_is_dropped() -> Server {
    let limits = Limits { route_timeout: Duration::from_millis(50), ..Limits::default() };
    let slow = Slow::start(Config { limits, ..one_shard() });
    let mut connection = slow.ask_and_wait();
    connection.response().assert_is(503, "");
    assert_eq!(slow.server.hits("route_timeout"), 1);
    slow.answer("late");
    get(&mut connection, "/hello").assert_is(200, "hello ");
    slow.server
}

pub fn beyond_the_queue_of_the_threads_requests_are_refused() -> Server {
    let limits = Limits { blocking_queue: 1, ..Limits::default() };
    let slow = Slow::start(Config { blocking_threads: 1, limits, ..one_shard() });
    let mut first = slow.ask_and_wait();
    let mut second = slow.ask();
    slow.server.wait_until("two asked", |metrics| metrics.routed == 2);
    let refusal = slow.ask().response();
    assert_eq!((refusal.status, refusal.header("retry-after").as_deref()), (503, Some("5")));
    slow.server.wait_for_hits("blocking_queue", 1);
    slow.answer("1");
    slow.answer("2");
    first.response().assert_is(200, "1");
    second.response().assert_is(200, "2");
    slow.server
}
