//! Connection state recovery and what Redis keeps for it.

use std::thread;
use std::time::{Duration, Instant};

use kinglet::cluster::redis::State;
use kinglet::{Config, Recovery};

use super::support::logs;
use super::support::member::{Client, Member};
use super::support::server::Server;

fn member(redis: &Server) -> Member {
    let drain = Duration::from_secs(3);
    Member::start(Config { recovery: Some(Recovery::default()), drain, ..Config::default() }, redis.address())
}

/// A client that claims a socket, and the answer to its CONNECT.
fn claim(member: &Member, pid: &str, offset: &str) -> String {
    let mut client = Client::connect(member.address(), "EIO=4&transport=websocket");
    assert!(client.text().starts_with("0{"));
    client.send(&format!("40{{\"pid\":\"{pid}\",\"offset\":\"{offset}\"}}"));
    loop {
        match client.text() {
            answer if answer.starts_with("40{") => return answer,
            other => assert!(other.starts_with("42"), "{other}"),
        }
    }
}

#[test]
fn a_client_does_not_wait_for_a_redis_that_is_silent() {
    let redis = Server::start(&[]);
    let member = member(&redis);
    redis.freeze();
    let begin = Instant::now();
    claim(&member, "AAAAAAAAAAAAAAAAAAAA", "Q8AGDxC.1");
    let waited = begin.elapsed();
    redis.thaw();
    assert!((Duration::from_millis(900)..Duration::from_secs(3)).contains(&waited), "{waited:?}");
}

#[test]
fn a_record_that_is_of_no_use_goes_back_to_redis() {
    let redis = Server::start(&[]);
    let (old, new) = (member(&redis), member(&redis));
    for one in [&old, &new] {
        one.until("among others", |handle| handle.cluster_metrics().unwrap().peers == 1);
    }
    let stays = old.client();
    let mut client = Client::connect(old.address(), "EIO=4&transport=websocket");
    assert!(client.text().starts_with("0{"));
    client.send("40");
    let answer = client.text();
    let (_, pid) = answer.split_once("\"pid\":\"").unwrap();
    let pid = &pid[..20];
    old.handle.of("/").emit("event", ()).unwrap();
    let event = client.text();
    let (_, offset) = event.split_once("42[\"event\",\"").unwrap();
    let offset = &offset[..offset.len() - 2];
    drop(client);
    old.until("without that client", |handle| handle.metrics().sessions == 1);
    old.handle.drain();
    // Its mark has to come back to it.
    thread::sleep(Duration::from_millis(500));
    drop((old, stays));
    let mut bare = redis.client();
    let key = format!("socket.io-lost:{pid}");
    assert_eq!(bare.ask(&format!("EXISTS {key}")), "1");
    let before: u64 = bare.ask(&format!("PTTL {key}")).parse().unwrap();
    assert!(!claim(&new, pid, "Q8AGDxC.1").contains(pid), "nobody knows what that client has");
    new.until("back in Redis", |_| redis.client().ask(&format!("EXISTS {key}")) == "1");
    let after: u64 = bare.ask(&format!("PTTL {key}")).parse().unwrap();
    assert!(after <= before + 50 && after > before / 2, "{before} {after}");
    assert!(claim(&new, pid, offset).contains(pid));
    assert_eq!(bare.ask(&format!("EXISTS {key}")), "0");
}

#[test]
fn a_server_that_cannot_leave_its_lost_sockets_says_how_many_and_why() {
    logs::keep();
    let mut redis = Server::start(&[]);
    let member = member(&redis);
    let clients = [member.client(), member.client(), member.client()];
    drop(clients);
    member.until("without clients", |handle| handle.metrics().sessions == 0);
    redis.kill();
    member.until("without Redis", |handle| !matches!(handle.redis_state(), Some(State::Up)));
    drop(member);
    let lines = logs::with("lost sockets are not left in Redis");
    assert!(
        matches!(&lines[..], [line] if line.ends_with("3 lost sockets are not left in Redis, their clients will be new ones: Redis is away")),
        "{lines:?}"
    );
}
