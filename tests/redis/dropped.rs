//! Messages that are invalid or too long: dropped, counted by the reason, and logged once a minute.

use kinglet::cluster::redis::Kind;
use kinglet::{Config, Limits};

use super::support::listener::{Listener, quick};
use super::support::logs;
use super::support::member::Member;
use super::support::server::Server;

/// A broadcast of an event `x` as emitters have it, with these bytes for its namespace.
fn broadcast(namespace: &[u8]) -> Vec<u8> {
    [b"\x93\xa7emitter\x83\xa4type\x02\xa4data\x91\xa1x\xa3nsp", namespace, b"\x90"].concat()
}

#[test]
fn dropped_messages_are_counted_by_reason_and_logged_once_a_minute() {
    logs::keep();
    let redis = Server::start(&[]);
    let member = Member::start(Config::default(), redis.address());
    let mut client = member.client();
    let emitter = Listener::start(&quick(redis.address()));
    let publish = |channel: &'static str, message: Vec<u8>| emitter.redis.publish(channel, message, Kind::Lasting);
    publish("socket.io#/#", b"\x93\xa7emitter".to_vec());
    publish("socket.io-request#/#", b"{\"type\":".to_vec());
    for number in 0..3 {
        publish("socket.io#/#", vec![number]);
    }
    publish("socket.io-request#/#", br#"{"type":"socketsJoin","rooms":"solo"}"#.to_vec());
    publish("socket.io#/#", b"\x93\xa7emitter\x82\xa4type\x02\xa4data\x91\xaadisconnect\x90".to_vec());
    publish("socket.io#/#", broadcast(b"\xa5/chat"));
    publish(
        "socket.io-request#/#",
        format!(r#"{{"type":6,"data":["x",{}]}}"#, "[".repeat(200) + &"]".repeat(200)).into(),
    );
    publish("socket.io#/#", broadcast(b"\xa1/"));
    assert_eq!(client.text(), "42[\"x\"]");
    let dropped = member.handle.cluster_metrics().unwrap().dropped;
    let expected = [("encoding", 2), ("shape", 3), ("type", 1), ("event", 1), ("namespace", 1), ("size", 1)];
    assert_eq!(dropped[..expected.len()], expected);
    assert_eq!(dropped[expected.len()..], [("signature", 0)]);
    // Of the size another test may be told.
    for (reason, _) in expected.iter().filter(|(reason, _)| *reason != "size") {
        let lines = logs::with(&format!("was dropped ({reason}): "));
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].starts_with("WARN ") && lines[0].contains("a message on \"socket.io"), "{lines:?}");
    }
}

#[test]
fn a_server_that_is_sent_too_long_a_message_misses_only_that() {
    logs::keep();
    let redis = Server::start(&[]);
    let limits = Limits { redis_message: 100_000, ..Limits::default() };
    let member = Member::start(Config { limits, ..Config::default() }, redis.address());
    let mut client = member.client();
    let mut emitter = redis.client();
    for round in 1..=3 {
        emitter.publish("socket.io#/#", &[broadcast(b"\xa1/"), vec![b'x'; 1_000_000]].concat());
        emitter.publish("socket.io#/#", &broadcast(b"\xa1/"));
        assert_eq!(client.text(), "42[\"x\"]");
        let metrics = member.handle.cluster_metrics().unwrap();
        assert!(metrics.dropped.contains(&("size", round)), "{:?}", metrics.dropped);
        assert_eq!(metrics.redis.reconnections, 0);
    }
    assert!(logs::with("was dropped (size): ").iter().all(|line| line.contains("a message on \"socket.io")));
}
