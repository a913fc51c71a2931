//! A connected socket hears other servers: a CONNECT waits for its namespace's subscriptions.

use std::time::Duration;

use kinglet::cluster::redis::State;
use kinglet::{Config, Limits, RedisServer, Server as Kinglet};

use super::support::member::{Client, Member};
use super::support::server::Server;

const FOR_EVER: Duration = Duration::from_secs(3600);

/// A server with namespaces by predicate, and the event `echo` in `/`.
fn member(subscribe_wait: Duration, redis: RedisServer) -> Member {
    let limits = Limits { subscribe_wait, ..Limits::default() };
    let member = Member::begin_with(Config { limits, ..Config::default() }, redis, |server: &mut Kinglet| {
        server.of("/").on("echo", |socket, _| socket.emit("echo", ()));
        server.of_dynamic(|name| name.starts_with("/room"));
    });
    member.until("in the cluster", |handle| matches!(handle.redis_state(), Some(State::Up)));
    member
}

/// Sends an event whose answer proves that earlier ones were handled.
fn settle(client: &mut Client) {
    client.send("42[\"echo\"]");
    assert_eq!(client.text(), "42[\"echo\"]");
}

#[test]
fn a_socket_in_a_new_namespace_hears_other_servers_at_once() {
    let redis = Server::start(&[]);
    let member = member(FOR_EVER, redis.address());
    let mut counter = redis.client();
    for round in 0..100 {
        let mut client = member.client();
        client.send(&format!("40/room{round},"));
        assert!(client.text().starts_with(&format!("40/room{round},")));
        // The pattern is subscribed to before the channels.
        let channel = format!("socket.io-request#/room{round}#");
        assert_eq!(counter.ask(&format!("PUBSUB NUMSUB {channel}")), format!("{channel} 1"));
    }
    assert_eq!(member.handle.cluster_metrics().unwrap().unheard, 0);
}

#[test]
fn a_connect_waits_for_a_slow_redis_and_others_do_not() {
    let redis = Server::start(&[]);
    let member = member(FOR_EVER, redis.address());
    let mut client = member.client();
    redis.freeze();
    client.send("40/room,");
    settle(&mut client);
    let mut other = member.client();
    settle(&mut other);
    redis.thaw();
    assert!(client.text().starts_with("40/room,"));
}

#[test]
fn a_connect_that_waits_too_long_is_let_in_and_counted() {
    let redis = Server::start(&[]);
    let member = member(Duration::from_millis(50), redis.address());
    let mut client = member.client();
    redis.freeze();
    client.send("40/room,");
    assert!(client.text().starts_with("40/room,"));
    assert_eq!(member.handle.cluster_metrics().unwrap().unheard, 1);
    redis.thaw();
    // A late confirmation does not let a socket in a second time.
    client.send("40/room-2,");
    assert!(client.text().starts_with("40/room-2,"));
    settle(&mut client);
}

#[test]
fn nobody_waits_if_so_set_or_while_redis_is_away() {
    let mut redis = Server::start(&[]);
    let hasty = member(Duration::ZERO, redis.address());
    let patient = member(FOR_EVER, redis.address());
    let mut client = hasty.client();
    redis.freeze();
    client.send("40/room,");
    assert!(client.text().starts_with("40/room,"));
    redis.kill();
    patient.until("without Redis", |handle| matches!(handle.redis_state(), Some(State::Down(_))));
    let mut client = patient.client();
    client.send("40/room,");
    assert!(client.text().starts_with("40/room,"));
    assert_eq!(hasty.handle.cluster_metrics().unwrap().unheard, 0);
}

#[test]
fn a_connect_that_waits_when_redis_goes_is_let_in() {
    let mut redis = Server::start(&[]);
    let member = member(FOR_EVER, redis.address());
    let mut client = member.client();
    redis.freeze();
    client.send("40/room,");
    settle(&mut client);
    redis.kill();
    assert!(client.text().starts_with("40/room,"));
}

#[test]
fn a_socket_that_leaves_while_it_waits_is_forgotten() {
    let redis = Server::start(&[]);
    let member = member(FOR_EVER, redis.address());
    let (mut leaving, mut staying) = (member.client(), member.client());
    redis.freeze();
    leaving.send("40/room,");
    settle(&mut leaving);
    staying.send("40/room,");
    settle(&mut staying);
    drop(leaving);
    member.until("gone", |handle| handle.clients_count() == 1);
    redis.thaw();
    assert!(staying.text().starts_with("40/room,"));
    settle(&mut staying);
}
