//! Two servers and a Redis.

use std::time::Instant;

use kinglet::cluster::redis;
use kinglet::{Config, Server};

use crate::client::Client;
use crate::http::{get, post};
use crate::redis::server::Server as Redis;
use crate::{PATIENCE, config, start, stop};

#[test]
fn an_event_that_one_server_is_given_reaches_the_clients_of_two() {
    let redis_server = Redis::start(&[]);
    let server = || Server::new(Config { redis: Some(redis_server.address()), ..config() }).expect("settings");
    let (one, ops) = start(server());
    let (other, other_ops) = start(server());
    let until = Instant::now() + PATIENCE;
    for running in [&one, &other] {
        while !matches!(running.handle().redis_state(), Some(redis::State::Up)) {
            assert!(Instant::now() < until, "Redis is not there");
            std::thread::yield_now();
        }
    }
    assert_eq!(get(other_ops, "/ready?redis=1").status, 200);
    let mut clients = [Client::open(one.address(), &[]), Client::open(other.address(), &[])];
    clients.iter_mut().for_each(|client| drop(client.join("/")));
    assert_eq!(post(ops, "/emit", r#"{"event": "news", "args": ["for both"]}"#).status, 202);
    clients.iter_mut().for_each(|client| client.expect("42[\"news\",\"for both\"]"));
    // A namespace that this server lacks may be the other's.
    assert_eq!(post(ops, "/emit", r#"{"event": "x", "namespace": "/elsewhere"}"#).status, 202);
    assert_eq!(post(ops, "/emit", r#"{"event": "x", "namespace": "/elsewhere", "local": true}"#).status, 404);
    assert_eq!(post(other_ops, "/disconnect", r#"{"everybody": true}"#).status, 202);
    clients.iter_mut().for_each(|client| client.expect("41"));
    stop(one);
    stop(other);
}
