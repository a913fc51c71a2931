//! While there are other kinglets, clients on polling have time for their upgrade before the program hears of them.

use std::time::Duration;

use kinglet::{Config, Limits, Server as Kinglet};

use super::support::member::Member;
use super::support::polling::Polling;
use super::support::server::Server;

const FOR_EVER: Duration = Duration::from_secs(3600);

/// A server with the event `echo` and a second namespace.
fn member(redis: &Server, settle: Duration) -> Member {
    let config = Config { limits: Limits { settle, ..Limits::default() }, ..Config::default() };
    Member::start_with(config, redis.address(), |server: &mut Kinglet| {
        server.of("/").on("echo", |socket, event| socket.emit("echo", event.arguments().clone()));
        server.of("/other");
    })
}

/// Two servers that know each other.
fn members(redis: &Server, settle: Duration) -> [Member; 2] {
    let members = [member(redis, settle), member(redis, settle)];
    for one in &members {
        one.until("with another", |handle| handle.cluster_metrics().unwrap().peers == 1);
    }
    members
}

/// A client that has sent its CONNECT.
fn connecting(member: &Member) -> Polling {
    let client = Polling::open(member);
    client.post("40");
    client
}

fn sockets(member: &Member) -> u64 {
    member.handle.metrics().sockets
}

#[test]
fn what_a_client_sends_before_its_upgrade_is_handled_after_it_in_order() {
    let redis = Server::start(&[]);
    let [member, _other] = members(&redis, FOR_EVER);
    let client = connecting(&member);
    client.post("42[\"echo\",1]\x1e40/other,\x1e42[\"echo\",2]");
    assert_eq!(sockets(&member), 0);
    let kept = member.handle.metrics().kept_bytes;
    let get = client.begin_get();
    let mut websocket = client.probe();
    assert_eq!(get.answer(), "6");
    assert_eq!(sockets(&member), 0);
    websocket.send("5");
    assert!(websocket.text().starts_with("40{"));
    assert_eq!(websocket.text(), "42[\"echo\",1]");
    assert!(websocket.text().starts_with("40/other,"));
    assert_eq!(websocket.text(), "42[\"echo\",2]");
    assert_eq!(sockets(&member), 2);
    drop(websocket);
    member.until("empty", |handle| handle.metrics().kept_bytes == 0);
    assert!(kept > 0);
}

#[test]
fn a_client_that_does_not_upgrade_is_heard_when_its_time_is_over() {
    let redis = Server::start(&[]);
    let [member, _other] = members(&redis, Duration::from_millis(50));
    let client = connecting(&member);
    assert!(client.get().starts_with("40{"));
    // Only the first CONNECT waits.
    client.post("41");
    member.until("without sockets", |handle| handle.metrics().sockets == 0);
    client.post("40");
    assert!(client.get().starts_with("40{"));
}

#[test]
fn a_client_whose_upgrade_fails_is_heard_at_once() {
    let redis = Server::start(&[]);
    let [member, _other] = members(&redis, FOR_EVER);
    for end in [Some("4early"), None] {
        let client = connecting(&member);
        let mut websocket = client.probe();
        if let Some(end) = end {
            websocket.send(end);
        } else {
            drop(websocket);
        }
        let answer = client.get();
        assert!(answer == "6" || answer.starts_with("40{"), "{answer}");
        if answer == "6" {
            assert!(client.get().starts_with("40{"));
        }
    }
}

#[test]
fn who_sends_much_before_an_upgrade_is_heard_at_once() {
    let redis = Server::start(&[]);
    let [member, _other] = members(&redis, FOR_EVER);
    let client = connecting(&member);
    client.post(&vec!["42[\"echo\"]"; 62].join("\x1e"));
    assert_eq!(sockets(&member), 0);
    client.post("42[\"echo\"]\x1e42[\"echo\",\"last\"]");
    let answer = client.get();
    assert!(answer.starts_with("40{") && answer.ends_with("42[\"echo\",\"last\"]"), "{answer}");
    assert_eq!(answer.split('\x1e').count(), 65);
    let client = connecting(&member);
    client.post(&format!("42[\"echo\",\"{}\"]", "x".repeat(999_900)));
    assert!(client.get().starts_with("40{"));
}

#[test]
fn nobody_waits_who_is_alone_or_cannot_upgrade_or_does_not_begin_with_a_connect() {
    let redis = Server::start(&[]);
    let alone = member(&redis, FOR_EVER);
    assert!(connecting(&alone).get().starts_with("40{"));
    let [first, second] = [member(&redis, Duration::ZERO), member(&redis, FOR_EVER)];
    for one in [&first, &second] {
        one.until("with two others", |handle| handle.cluster_metrics().unwrap().peers == 2);
    }
    assert!(connecting(&first).get().starts_with("40{"));
    // On a WebSocket.
    second.client();
    let client = Polling::open(&second);
    client.post("42[\"echo\"]");
    assert_eq!(client.get(), "6\x1e1", "an event without a CONNECT ends the session");
}

#[test]
fn a_session_that_ends_takes_with_it_what_was_kept() {
    let redis = Server::start(&[]);
    let [member, _other] = members(&redis, FOR_EVER);
    let client = connecting(&member);
    client.post("1");
    member.until("empty", |handle| handle.metrics().kept_bytes == 0 && handle.metrics().sessions == 0);
    assert_eq!(member.handle.metrics().sockets, 0);
}
