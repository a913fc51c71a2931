//! Connection state recovery and what Redis keeps for it.

use std::time::{Duration, Instant};

use kinglet::{Config, Recovery};

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
