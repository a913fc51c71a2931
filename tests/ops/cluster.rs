//! Two servers and a Redis.

use std::sync::mpsc::channel;
use std::time::Instant;

use kinglet::cluster::redis;
use kinglet::{Config, Handle, Limits, Password, RedisServer, Running, Server};

use crate::client::Client;
use crate::http::{get, post};
use crate::redis::server::Server as Redis;
use crate::{PATIENCE, config, start, stop};

#[test]
fn an_event_posted_to_one_server_reaches_the_clients_of_both() {
    let redis_server = Redis::start(&[]);
    let limits = Limits { redis_queue: 100_000, ..config().limits };
    let server = || {
        let redis = Some(redis_server.address());
        Server::new(Config { redis, limits: limits.clone(), ..config() }).expect("settings")
    };
    let (one, ops) = start(server());
    let (other, other_ops) = start(server());
    [&one, &other].into_iter().for_each(until_up);
    assert_eq!(get(other_ops, "/ready?redis=1").status, 200);
    let mut clients = [Client::open(one.address(), &[]), Client::open(other.address(), &[])];
    clients.iter_mut().for_each(|client| drop(client.join("/")));
    assert_eq!(post(ops, "/emit", r#"{"event": "news", "args": ["for both"]}"#).status, 202);
    clients.iter_mut().for_each(|client| client.expect("42[\"news\",\"for both\"]"));
    // The other server may have a namespace that this one lacks.
    assert_eq!(post(ops, "/emit", r#"{"event": "x", "namespace": "/elsewhere"}"#).status, 202);
    assert_eq!(post(ops, "/emit", r#"{"event": "x", "namespace": "/elsewhere", "local": true}"#).status, 404);
    let too_long = format!(r#"{{"event": "x", "args": ["{}"]}}"#, "x".repeat(100_000));
    assert_eq!(post(ops, "/emit", &too_long).status, 413);
    assert_eq!(post(other_ops, "/disconnect", r#"{"everybody": true}"#).status, 202);
    clients.iter_mut().for_each(|client| client.expect("41"));
    stop(one);
    stop(other);
}

/// The members of a user of Redis that `docs/operations.md` makes: for `/` alone, and for any number of namespaces.
fn documented_users() -> Vec<&'static str> {
    let lines = include_str!("../../docs/operations.md").lines();
    lines.filter_map(|line| line.trim().strip_prefix("user ").filter(|user| user.starts_with("kinglet on "))).collect()
}

/// Settings to log in to a Redis as its user `kinglet`.
fn with_user(redis: &Redis, password: &str) -> Config {
    let (user, password) = (Some("kinglet".to_owned()), Some(Password::new(password)));
    Config { redis: Some(RedisServer { user, password, ..redis.address() }), ..config() }
}

fn until_up(running: &Running) {
    until("Redis is there", || matches!(running.handle().redis_state(), Some(redis::State::Up)));
}

/// Polls until a condition is true that no event announces.
fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "not in time: {what}");
        std::thread::yield_now();
    }
}

/// How many sockets the namespace has in the cluster, if all servers have answered.
fn sockets(handle: &Handle, namespace: &str) -> Option<usize> {
    let (tell, told) = channel();
    handle.of(namespace).fetch_sockets(move |sockets| tell.send(sockets.ok().map(|all| all.len())).expect("it waits"));
    told.recv_timeout(PATIENCE).expect("an answer")
}

#[test]
fn the_documented_rights_suffice() {
    let users = documented_users();
    assert_eq!(users.len(), 2, "{users:?}");
    for (user, namespaces) in users.into_iter().zip([&["/"][..], &["/", "/game-1", "/game-2"]]) {
        let redis = Redis::with_user(user);
        let server = || {
            let mut server = Server::new(with_user(&redis, "PASSWORD")).expect("settings");
            server.of_dynamic(|name| name.starts_with("/game-"));
            start(server).0
        };
        let servers = [server(), server()];
        servers.iter().for_each(until_up);
        for namespace in namespaces {
            let mut clients = servers.each_ref().map(|server| Client::open(server.address(), &[]));
            clients.iter_mut().for_each(|client| drop(client.join(namespace)));
            let here = servers[0].handle();
            until("both servers know of both sockets", || sockets(&here, namespace) == Some(2));
            here.of(namespace).emit("news", ()).expect("JSON");
            let prefix = if *namespace == "/" { String::new() } else { format!("{namespace},") };
            clients.iter_mut().for_each(|client| client.expect(&format!("42{prefix}[\"news\"]")));
        }
        servers.into_iter().for_each(stop);
    }
}

#[test]
fn a_redis_that_refuses_subscriptions_is_down_and_still_gets_what_is_emitted() {
    // The user may publish to the channels of a pattern, but not subscribe to the pattern.
    let redis = Redis::with_user("kinglet on >x resetchannels &socket.io#/# &socket.io-re*#/# +@all");
    let (running, ops) = start(Server::new(with_user(&redis, "x")).expect("settings"));
    until("down", || matches!(running.handle().redis_state(), Some(redis::State::Down(_))));
    assert_eq!(get(ops, "/ready").status, 200);
    let ready = get(ops, "/ready?redis=1");
    assert!(ready.status == 503 && ready.body.contains("down: ") && ready.body.contains("NOPERM"), "{ready:?}");
    assert!(get(ops, "/status").body.contains(r#""state":"down""#));
    assert_eq!(post(ops, "/emit", r#"{"event": "news"}"#).status, 202);
    until("published", || get(ops, "/metrics").body.contains("\nkinglet_redis_published_total 1\n"));
    assert!(get(ops, "/metrics").body.contains("\nkinglet_redis_up 0\n"));
    stop(running);
}

#[test]
fn a_redis_that_refuses_to_publish_is_up_and_the_refusals_are_counted() {
    let redis = Redis::with_user("kinglet on >x allchannels +@all -publish");
    // Otherwise it greets other kinglets, which is refused, too.
    let alone = Config { relay_requests: false, ..with_user(&redis, "x") };
    let (running, ops) = start(Server::new(alone).expect("settings"));
    until_up(&running);
    assert_eq!(post(ops, "/emit", r#"{"event": "news"}"#).status, 202);
    until("refused", || get(ops, "/metrics").body.contains("\nkinglet_redis_refused_total 1\n"));
    let metrics = get(ops, "/metrics").body;
    assert!(metrics.contains("\nkinglet_redis_up 1\n") && metrics.contains("\nkinglet_redis_published_total 0\n"));
    assert_eq!(get(ops, "/ready?redis=1").status, 200);
    stop(running);
}
