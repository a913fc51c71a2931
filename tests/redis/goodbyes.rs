//! A server that ends, or leaves a namespace, says goodbye, and is not missed.

use std::sync::mpsc::channel;
use std::time::Duration;

use kinglet::{Config, Limits, MissingServers};
use serde_json::Value;

use super::support::client::Client;
use super::support::member::Member;
use super::support::server::Server;

const REQUESTS: &str = "socket.io-request#/#";

fn count(member: &Member) -> Result<usize, MissingServers<usize>> {
    let (sender, counts) = channel();
    member.handle.of("/").server_count(move |count| sender.send(count).unwrap());
    counts.recv_timeout(super::support::PATIENCE).expect("an answer")
}

/// A member that counts others as missing for an hour.
fn patient(redis: &Server) -> Member {
    let limits = Limits { redis_connect_timeout: Duration::from_secs(3600), ..Limits::default() };
    Member::start(Config { limits, ..Config::default() }, redis.address())
}

/// A client that is counted as a server.
fn counted(redis: &Server) -> Client {
    let mut client = redis.client();
    client.subscribe(REQUESTS);
    client
}

fn until_counted(redis: &Server, servers: usize) {
    let mut client = redis.client();
    while client.ask(&format!("PUBSUB NUMSUB {REQUESTS}")) != format!("{REQUESTS} {servers}") {}
}

fn goodbye(uid: &str, stayed: u64) -> String {
    format!(r#"{{"uid":"{uid}","type":200,"stayed":{stayed}}}"#)
}

fn kind(request: &str) -> Value {
    serde_json::from_str::<Value>(request).unwrap()["type"].clone()
}

#[test]
fn a_server_that_said_goodbye_is_not_missing() {
    let redis = Server::start(&[]);
    let member = patient(&redis);
    let leaving = counted(&redis);
    assert_eq!(count(&member), Ok(2));
    drop(leaving);
    until_counted(&redis, 1);
    let missing = Err(MissingServers { answers: 1, missing: Some(1) });
    assert_eq!(count(&member), missing);
    let told = |member: &Member| member.handle.cluster_metrics().unwrap().requests;
    // A server of another kind, one that came after it was counted: neither is the one that is missing.
    redis.client().publish(REQUESTS, goodbye("9y1JGY", 3_600_000_000).as_bytes());
    redis.client().publish(REQUESTS, goodbye("late00~", 0).as_bytes());
    member.until("told", |_| told(&member) == 1);
    assert_eq!(count(&member), missing);
    redis.client().publish(REQUESTS, goodbye("9y1JGY~", 3_600_000_000).as_bytes());
    member.until("complete", |_| count(&member) == Ok(1));
}

#[test]
fn a_stopping_server_says_goodbye_once_redis_no_longer_counts_it() {
    let redis = Server::start(&[]);
    let member = Member::start(Config::default(), redis.address());
    let mut other = counted(&redis);
    let mut monitor = redis.client();
    assert_eq!(monitor.ask("MONITOR"), "OK");
    drop(member);
    let request: Value = serde_json::from_str(&other.message()).unwrap();
    assert_eq!(request["type"], 200);
    assert!(request["uid"].as_str().unwrap().ends_with('~') && request["stayed"].as_u64().unwrap() > 0);
    let mut commands = std::iter::from_fn(|| Some(monitor.read()));
    // It greets others on channels of their own meanwhile.
    let is = |line: &str, command: &str| line.contains(command) && line.contains(REQUESTS);
    let before = commands.by_ref().take_while(|line| !is(line, "\"PUBLISH\""));
    assert!(before.into_iter().any(|line| is(&line, "\"UNSUBSCRIBE\"")));
}

#[test]
fn a_server_that_leaves_a_namespace_says_goodbye_there() {
    let redis = Server::start(&[]);
    let member = Member::begin_with(Config::default(), redis.address(), |server| {
        server.of_dynamic(|name| name == "/room");
    });
    let mut other = redis.client();
    other.subscribe("socket.io-request#/room#");
    let mut client = member.client();
    for _ in 0..2 {
        client.send("40/room,");
        assert!(client.text().starts_with("40/room,"));
        client.send("41/room,");
        assert_eq!(kind(&other.message()), 200);
    }
}

#[test]
fn a_goodbye_without_redis_is_not_sent_later() {
    let mut redis = Server::start(&[]);
    let member = Member::begin_with(Config::default(), redis.address(), |server| {
        server.of_dynamic(|name| name == "/room");
    });
    let mut client = member.client();
    client.send("40/room,");
    assert!(client.text().starts_with("40/room,"));
    redis.kill();
    client.send("41/room,");
    redis.run();
    let mut other = redis.client();
    other.subscribe("socket.io-request#/room#");
    // All messages before the goodbye for `/` have come by then.
    let mut root = counted(&redis);
    until_counted(&redis, 2);
    drop(member);
    assert_eq!(kind(&root.message()), 200);
    redis.client().publish("socket.io-request#/room#", br#"{"type":"last"}"#);
    assert_eq!(kind(&other.message()), "last");
}
