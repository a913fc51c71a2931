//! Kinglets on one Redis know each other.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use kinglet::{Config, Password, Recovery};

use super::support::client::Client;
use super::support::logs;
use super::support::member::Member;
use super::support::server::Server;

/// The channel of all.
const ALL: &str = "socket.io-peer#";

fn member(redis: &Server) -> Member {
    Member::start(Config::default(), redis.address())
}

fn with_key(redis: &Server, key: &str) -> Member {
    Member::start(Config { peer_key: Some(Password::new(key)), ..Config::default() }, redis.address())
}

/// Waits until a member knows so many others.
fn until_knows(member: &Member, others: u64) {
    member.until(&format!("among {others} others"), |handle| handle.cluster_metrics().unwrap().peers == others);
}

/// A client that hears all that kinglets tell each other.
fn eavesdropper(redis: &Server) -> Client {
    let mut client = redis.client();
    assert_eq!(client.ask(&format!("PSUBSCRIBE {ALL}*")), format!("psubscribe {ALL}* 1"));
    client
}

/// The channel and the bytes of the next message, which are no text.
fn heard(client: &mut Client) -> (String, Vec<u8>) {
    let [_, _, channel, payload] = client.message_parts().try_into().unwrap();
    (String::from_utf8(channel).unwrap(), payload)
}

/// The channels of the connections to Redis, to end them.
fn end_connections(redis: &Server, kind: &str) {
    redis.client().ask(&format!("CLIENT KILL TYPE {kind} SKIPME yes"));
}

#[test]
fn all_know_all_others_as_they_come_and_go() {
    let redis = Server::start(&[]);
    let first = member(&redis);
    until_knows(&first, 0);
    let second = member(&redis);
    let third = member(&redis);
    for one in [&first, &second, &third] {
        until_knows(one, 2);
    }
    drop(second);
    for one in [&first, &third] {
        until_knows(one, 1);
    }
    drop(first);
    until_knows(&third, 0);
}

#[test]
fn a_greeting_costs_one_message_and_one_of_each_other_and_then_all_are_silent() {
    let redis = Server::start(&[]);
    let mut ear = eavesdropper(&redis);
    let first = member(&redis);
    assert_eq!(heard(&mut ear).0, ALL);
    let second = member(&redis);
    until_knows(&second, 1);
    until_knows(&first, 1);
    assert_eq!(heard(&mut ear).0, ALL);
    let (channel, _) = heard(&mut ear);
    assert!(channel.starts_with(ALL) && channel.len() == ALL.len() + 7, "{channel}");
    redis.client().publish(ALL, b"the end");
    assert_eq!(heard(&mut ear).1, b"the end");
}

#[test]
fn clients_that_name_instances_of_nobody_cost_redis_little() {
    const REQUESTS: usize = 1000;
    let redis = Server::start(&[]);
    let member = member(&redis);
    until_knows(&member, 0);
    let mut ear = eavesdropper(&redis);
    let begun = Instant::now();
    let mut client = TcpStream::connect(member.address()).unwrap();
    client.set_nodelay(true).unwrap();
    let (mut answer, unknown) = (Vec::new(), b"{\"code\":1,\"message\":\"Session ID unknown\"}");
    for number in 0..REQUESTS {
        let sid = format!("{number:04}AAAAAAAAAAAAAAAA");
        write!(client, "GET /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .unwrap();
        answer.clear();
        while !answer.ends_with(unknown) {
            let mut part = [0; 256];
            let count = client.read(&mut part).unwrap();
            assert_ne!(count, 0, "{number}: {}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&part[..count]);
        }
    }
    let seconds = begun.elapsed().as_secs();
    redis.client().publish(ALL, b"the end");
    let mut messages = 0;
    while heard(&mut ear).1 != b"the end" {
        messages += 1;
    }
    // Ten in any second, and perhaps the member's own greeting.
    assert!((1..=10 * (seconds + 1) + 1).contains(&messages), "{messages} messages in {seconds} s");
}

#[test]
fn lost_connections_are_made_again_and_all_know_all() {
    let redis = Server::start(&[]);
    let (first, second) = (member(&redis), member(&redis));
    for kind in ["pubsub", "normal", "pubsub"] {
        for one in [&first, &second] {
            until_knows(one, 1);
        }
        let reconnections = |member: &Member| member.handle.cluster_metrics().unwrap().redis.reconnections;
        let before = [reconnections(&first), reconnections(&second)];
        end_connections(&redis, kind);
        for (one, before) in [&first, &second].into_iter().zip(before) {
            one.until("connected again", |_| reconnections(one) > before);
        }
    }
    for one in [&first, &second] {
        until_knows(one, 1);
    }
}

#[test]
fn without_redis_nobody_is_known() {
    let mut redis = Server::start(&[]);
    let (first, second) = (member(&redis), member(&redis));
    until_knows(&first, 1);
    redis.kill();
    for one in [&first, &second] {
        until_knows(one, 0);
    }
    redis.run();
    for one in [&first, &second] {
        until_knows(one, 1);
    }
}

#[test]
fn only_those_with_the_same_key_know_each_other() {
    let redis = Server::start(&[]);
    let key = "0123456789abcdef0123456789abcdef";
    let [first, second] = [with_key(&redis, key), with_key(&redis, key)];
    let other = with_key(&redis, "another, of at least 32 characters");
    let none = member(&redis);
    until_knows(&first, 1);
    until_knows(&second, 1);
    let dropped = |member: &Member, reason| {
        let metrics = member.handle.cluster_metrics().unwrap();
        metrics.dropped.into_iter().find(|(name, _)| *name == reason).unwrap().1
    };
    for one in [&first, &other] {
        one.until("told of another key", |_| dropped(one, "signature") >= 1);
    }
    assert_eq!([&other, &none].map(|one| one.handle.cluster_metrics().unwrap().peers), [0, 0]);
}

#[test]
fn messages_without_a_meaning_are_dropped_by_their_reason() {
    let redis = Server::start(&[]);
    let member = member(&redis);
    let mut client = redis.client();
    for message in [&b"x"[..], b"\x95\x02\xc4\0\xc0\x01\xc0", b"\x95\x01\xc4\0\xc0\x01\xc0"] {
        client.publish(ALL, message);
    }
    let dropped = |reason| {
        let metrics = member.handle.cluster_metrics().unwrap();
        metrics.dropped.into_iter().find(|(name, _)| *name == reason).unwrap().1
    };
    member.until("rid of three messages", |_| dropped("encoding") == 2 && dropped("type") == 1);
}

#[test]
fn another_server_of_the_same_name_ends_it() {
    logs::keep();
    let redis = Server::start(&[]);
    let mut ear = eavesdropper(&redis);
    let first = member(&redis);
    let (_, mut hello) = heard(&mut ear);
    let second = member(&redis);
    until_knows(&second, 1);
    until_knows(&first, 1);
    // Behind the heads of the array, the version and the address stand its name and its boot id.
    let channel = format!("{ALL}{:02x}{:02x}{:02x}#", hello[4], hello[5], hello[6]);
    hello[7] ^= 1;
    redis.client().publish(&channel, &hello);
    until_knows(&first, 0);
    assert_eq!(logs::with("has the same name as this one").len(), 1);
    until_knows(&second, 0);
}

#[test]
fn nothing_is_said_if_neither_requests_nor_recovery_need_it() {
    let redis = Server::start(&[]);
    let mut ear = eavesdropper(&redis);
    let silent = Member::start(Config { relay_requests: false, ..Config::default() }, redis.address());
    assert_eq!(redis.client().ask(&format!("PUBSUB NUMSUB {ALL}")), format!("{ALL} 0"));
    let recovery = Some(Recovery::default());
    let config = Config { relay_requests: false, recovery, ..Config::default() };
    let _recovering = Member::start(config, redis.address());
    assert_eq!(heard(&mut ear).0, ALL);
    drop(silent);
}

#[test]
fn a_user_without_these_channels_is_served_all_the_same() {
    logs::keep();
    let rights = "poor on >x ~* resetchannels &socket.io#/#* &socket.io-request#/# &socket.io-response#/#* +@all";
    let redis = Server::with_user(rights);
    let mut address = redis.address();
    (address.user, address.password) = (Some("poor".to_owned()), Some(Password::new("x")));
    let member = Member::start(Config::default(), address);
    assert_eq!(member.handle.cluster_metrics().unwrap().redis.reconnections, 0);
    let lines = || logs::with("Redis refuses SUBSCRIBE socket.io-peer#").len();
    member.until("told so", |_| lines() > 0);
    assert_eq!(lines(), 1);
}

#[test]
fn a_short_key_is_refused_and_not_shown() {
    let config = Config { peer_key: Some(Password::new("hunter2")), ..Config::default() };
    let error = kinglet::Server::new(config).expect_err("it is too short").to_string();
    assert!(error.contains("KINGLET_PEER_KEY") && error.contains("32") && !error.contains("hunter2"), "{error}");
}

#[test]
fn node_servers_hear_nothing_of_it() {
    let redis = Server::start(&[]);
    let mut node = redis.client();
    // What Node's adapters subscribe to: the classic one by the first two lines, the sharded one by the third.
    for (command, names) in [
        ("PSUBSCRIBE", &["socket.io#/#*", "socket.io#/chat#*"][..]),
        ("SUBSCRIBE", &["socket.io-request#/#", "socket.io-response#/#", "socket.io-response#/#9y1JGY#"]),
        ("SSUBSCRIBE", &["socket.io#/#", "socket.io#/#room#"]),
    ] {
        for name in names {
            let answer = node.ask(&format!("{command} {name}"));
            assert!(answer.contains("subscribe"), "{answer}");
        }
    }
    let receivers = redis.client().ask("PUBLISH socket.io-peer#0a1b2c# x");
    assert_eq!((receivers, redis.client().ask("PUBLISH socket.io-peer# x")), ("0".to_owned(), "0".to_owned()));
}
