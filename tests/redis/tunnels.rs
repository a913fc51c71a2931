//! WebSockets that are passed on: what becomes of them when instances and connections to Redis go.

use std::time::Duration;

use kinglet::{Config, Limits};

use super::support::member::{Client, Member};
use super::support::polling::Polling;
use super::support::server::Server;

/// Messages of a client.
const COUNT: usize = 3000;

fn config() -> Config {
    Config { limits: Limits { settle: Duration::ZERO, ..Limits::default() }, ..Config::default() }
}

fn echoing(config: Config, redis: &Server) -> Member {
    Member::start_with(config, redis.address(), |server| {
        server.of("/").on("echo", |socket, event| socket.emit("echo", event.arguments().clone()));
    })
}

/// The owner and the entry of a WebSocket, which know each other.
fn members(redis: &Server) -> [Member; 2] {
    let members = [echoing(config(), redis), echoing(config(), redis)];
    until_known(&members);
    members
}

fn until_known(members: &[Member]) {
    for member in members {
        member.until("with the other", |handle| handle.cluster_metrics().unwrap().peers == 1);
    }
}

/// A WebSocket that comes to the second server, of a session of the first that is connected.
fn tunnel([owner, entry]: &[Member; 2]) -> Client {
    let client = Polling::open(owner);
    client.through(entry).post("40");
    assert!(client.get().starts_with("40{"));
    let mut websocket = client.through(entry).probe();
    websocket.send("5");
    websocket.send("42[\"echo\",\"begin\"]");
    assert_eq!(websocket.text(), "42[\"echo\",\"begin\"]");
    websocket
}

#[test]
fn nothing_is_missing_in_a_tunnel_when_connections_to_redis_break() {
    for kind in ["normal", "pubsub"] {
        let redis = Server::start(&[]);
        let members = members(&redis);
        let mut client = tunnel(&members);
        for number in 0..COUNT {
            if number == COUNT / 2 {
                assert_eq!(client.text(), "42[\"echo\",0]");
                redis.client().ask(&format!("CLIENT KILL TYPE {kind} SKIPME yes"));
            }
            if !client.send_or_end(&format!("42[\"echo\",{number}]")) {
                break;
            }
        }
        // Either it comes to its end, or it is closed where something would be missing.
        for number in 1..COUNT {
            let Some(text) = client.text_or_end() else { break };
            assert_eq!(text, format!("42[\"echo\",{number}]"), "{kind}");
        }
    }
}

#[test]
fn a_tunnel_closes_with_the_first_message_that_finds_no_redis() {
    let mut redis = Server::start(&[]);
    let members = members(&redis);
    let mut client = tunnel(&members);
    redis.kill();
    client.send_or_end("42[\"echo\",1]");
    assert_eq!(client.text_or_end(), None);
}
