//! A session goes to the kinglet that its client's WebSocket has reached, if no handler has heard of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kinglet::{Config, Limits, Server as Kinglet};

use super::support::member::{Client, Member};
use super::support::polling::Polling;
use super::support::server::Server;

const FOR_EVER: Duration = Duration::from_secs(3600);

/// Some servers that know each other, and how many sockets were connected on each.
struct Cluster {
    members: Vec<Member>,
    connected: Vec<Arc<AtomicUsize>>,
    _redis: Server,
}

impl Cluster {
    fn start(configs: impl IntoIterator<Item = Config>) -> Self {
        let redis = Server::start(&[]);
        let mut cluster = Self { members: Vec::new(), connected: Vec::new(), _redis: redis };
        for config in configs {
            let connected = Arc::new(AtomicUsize::new(0));
            cluster.connected.push(Arc::clone(&connected));
            let member = Member::start_with(config, cluster._redis.address(), |server: &mut Kinglet| {
                server.of("/").on_connect(move |_| {
                    connected.fetch_add(1, Ordering::Relaxed);
                });
                server.of("/").on("echo", |socket, event| socket.emit("echo", event.arguments().clone()));
                server.of("/").on("all", |socket, event| socket.broadcast().emit("all", event.arguments().clone()));
            });
            cluster.members.push(member);
        }
        let others = cluster.members.len() as u64 - 1;
        for member in &cluster.members {
            member.until("with the others", |handle| handle.cluster_metrics().unwrap().peers == others);
        }
        cluster
    }

    /// Two servers on which sessions settle for so long.
    fn settling(settle: Duration) -> Self {
        Self::start([config(settle), config(settle)])
    }

    fn connected(&self) -> Vec<usize> {
        self.connected.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }

    fn sessions(&self) -> Vec<u64> {
        self.members.iter().map(|member| member.handle.metrics().sessions).collect()
    }

    /// Waits until so many sessions are on each server.
    fn until_sessions(&self, counts: &[u64]) {
        for (member, count) in self.members.iter().zip(counts) {
            member.until("with its sessions", |handle| handle.metrics().sessions == *count);
        }
    }

    /// A session of the first server, whose CONNECT has come to the second, where its client upgrades.
    fn upgrading(&self) -> Client {
        let client = Polling::open(&self.members[0]);
        client.through(&self.members[1]).post("40");
        let get = client.begin_get();
        let websocket = client.through(&self.members[1]).probe();
        assert_eq!(get.answer(), "6");
        websocket
    }
}

fn config(settle: Duration) -> Config {
    Config { limits: Limits { settle, ..Limits::default() }, ..Config::default() }
}

#[test]
fn a_client_is_connected_once_where_its_websocket_is() {
    let cluster = Cluster::settling(FOR_EVER);
    let mut client = cluster.upgrading();
    assert_eq!((cluster.connected(), cluster.sessions()), (vec![0, 0], vec![1, 0]));
    client.send("5");
    assert!(client.text().starts_with("40{"));
    client.send("42[\"echo\",1]");
    assert_eq!(client.text(), "42[\"echo\",1]");
    assert_eq!((cluster.connected(), cluster.sessions()), (vec![0, 1], vec![0, 1]));
    cluster.members[1].until("without a tunnel", |handle| handle.metrics().tunnels == 0);
    let mut other = cluster.members[0].client();
    other.send("42[\"all\",2]");
    assert_eq!(client.text(), "42[\"all\",2]");
    drop((client, other));
    cluster.until_sessions(&[0, 0]);
    for member in &cluster.members {
        member.until("empty", |handle| handle.metrics().kept_bytes == 0 && handle.metrics().connections == 0);
    }
}

#[test]
fn what_comes_behind_the_upgrade_packet_is_not_lost() {
    let cluster = Cluster::settling(FOR_EVER);
    let mut client = cluster.upgrading();
    // In one segment: the owner gets the first messages with the packet.
    client.send_together(&["5", "42[\"echo\",0]", "42[\"echo\",1]"]);
    for number in 2..1000 {
        client.send(&format!("42[\"echo\",{number}]"));
    }
    client.send(&format!("42[\"echo\",\"{}\"]", "x".repeat(500_000)));
    assert!(client.text().starts_with("40{"));
    for number in 0..1000 {
        assert_eq!(client.text(), format!("42[\"echo\",{number}]"));
    }
    assert_eq!(client.text().len(), 500_000 + "42[\"echo\",\"\"]".len());
    assert_eq!(cluster.sessions(), [0, 1]);
}

#[test]
fn a_session_that_has_sent_nothing_moves_too() {
    let cluster = Cluster::settling(FOR_EVER);
    let client = Polling::open(&cluster.members[0]);
    let mut client = client.through(&cluster.members[1]).probe();
    client.send("5");
    client.send("40");
    assert!(client.text().starts_with("40{"));
    assert_eq!((cluster.connected(), cluster.sessions()), (vec![0, 1], vec![0, 1]));
}

#[test]
fn a_connected_session_stays_and_its_websocket_is_passed_on() {
    let cluster = Cluster::settling(Duration::ZERO);
    let client = Polling::open(&cluster.members[0]);
    client.through(&cluster.members[1]).post("40");
    assert!(client.get().starts_with("40{"));
    let mut client = client.through(&cluster.members[1]).probe();
    client.send("5");
    for round in 0..3 {
        for number in 0..300 {
            client.send(&format!("42[\"echo\",{number},\"{}\"]", "x".repeat(1000 * round)));
        }
        for number in 0..300 {
            assert!(client.text().starts_with(&format!("42[\"echo\",{number},")));
        }
    }
    assert_eq!((cluster.connected(), cluster.sessions()), (vec![1, 0], vec![1, 0]));
    assert_eq!(cluster.members[1].handle.metrics().tunnels, 1);
    drop(client);
    cluster.until_sessions(&[0, 0]);
}

#[test]
fn a_moved_session_keeps_its_heartbeat() {
    let often = |settle| Config {
        ping_interval: Duration::from_millis(100),
        ping_timeout: Duration::from_millis(500),
        ..config(settle)
    };
    let cluster = Cluster::start([often(FOR_EVER), often(FOR_EVER)]);
    let client = Polling::open(&cluster.members[0]);
    let mut client = client.through(&cluster.members[1]).probe();
    client.send("5");
    for _ in 0..3 {
        assert_eq!(client.text(), "2");
        client.send("3");
    }
    assert_eq!(cluster.sessions(), [0, 1]);
    cluster.until_sessions(&[0, 0]);
    let limits = cluster.members[1].handle.metrics().limits_hit;
    assert!(limits.contains(&("ping_timeout", 1)), "{limits:?}");
}

#[test]
fn a_session_that_finds_no_room_ends_and_counts_nowhere() {
    let full = Limits { sessions_per_address: Some(1), settle: FOR_EVER, ..Limits::default() };
    let full = Config { limits: full, ..Config::default() };
    let cluster = Cluster::start([config(FOR_EVER), full]);
    let first = cluster.members[1].client();
    let mut client = cluster.upgrading();
    client.send("5");
    assert!(client.is_cut());
    cluster.until_sessions(&[0, 1]);
    drop(first);
    cluster.until_sessions(&[0, 0]);
    let mut client = cluster.upgrading();
    client.send("5");
    assert!(client.text().starts_with("40{"));
}
