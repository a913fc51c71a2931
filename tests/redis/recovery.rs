//! Connection state recovery and what Redis keeps for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kinglet::cluster::redis::State;
use kinglet::{Config, Handle, Password, Recovery, RedisServer};

use super::support::logs;
use super::support::member::{Client, Member};
use super::support::server::Server;

fn member(redis: &RedisServer) -> Member {
    let drain = Duration::from_secs(3);
    Member::start(Config { recovery: Some(Recovery::default()), drain, ..Config::default() }, redis.clone())
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

/// The private id in the answer to a CONNECT.
fn pid_of(answer: &str) -> String {
    answer.split_once("\"pid\":\"").unwrap().1[..20].to_owned()
}

/// The offset of an event, its last text.
fn offset_of(event: &str) -> String {
    event.rsplit('"').nth(1).unwrap().to_owned()
}

/// A client that was sent an event, with its private id and that event's offset.
fn told(member: &Member) -> (Client, String, String) {
    let mut client = Client::connect(member.address(), "EIO=4&transport=websocket");
    assert!(client.text().starts_with("0{"));
    client.send("40");
    let pid = pid_of(&client.text());
    member.handle.of("/").emit("event", ()).unwrap();
    let offset = offset_of(&client.text());
    (client, pid, offset)
}

#[test]
fn a_client_that_may_have_missed_something_in_an_outage_is_a_new_one() {
    let mut redis = Server::start(&[]);
    let member = member(&redis.address());
    let is_up = |handle: &Handle| matches!(handle.redis_state(), Some(State::Up));
    member.until("with Redis", is_up);
    let lost = || {
        let (client, pid, offset) = told(&member);
        drop(client);
        member.until("without clients", |handle| handle.metrics().sessions == 0);
        (pid, offset)
    };
    let is_recovered = |(pid, offset): (String, String)| claim(&member, &pid, &offset).contains(&pid);
    assert!(is_recovered(lost()));
    let (during, after) = (lost(), lost());
    redis.kill();
    member.until("without Redis", |handle| !is_up(handle));
    assert!(!is_recovered(during));
    redis.run();
    member.until("with Redis again", is_up);
    assert!(!is_recovered(after));
    member.until("sure of what comes now", |_| is_recovered(lost()));
}

/// A server with a key, whose middleware counts how often it is asked, and keeps a value with the socket if it should.
fn asked_member(redis: &RedisServer, keeps: bool) -> (Member, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let config = Config {
        peer_key: Some(Password::new("k".repeat(32))),
        recovery: Some(Recovery::default()),
        ..Config::default()
    };
    let member = Member::start_with(config, redis.clone(), |server| {
        server.of("/").middleware(move |socket| {
            count.fetch_add(1, Ordering::Relaxed);
            if keeps {
                socket.insert(Named("Ada"));
            }
            Ok(())
        });
        server.of("/").on_connect(|socket| {
            let name = socket.get::<Named>().map(|named| named.0);
            socket.emit("named", (name,))
        });
    });
    (member, asked)
}

struct Named(&'static str);

#[test]
fn middlewares_keep_values_anew_with_the_sockets_of_other_servers() {
    let redis = Server::start(&[]);
    for (keeps, times, named) in [(true, 1, r#"42["named","Ada""#), (false, 0, r#"42["named",null"#)] {
        let ((old, _), (new, asked)) = (asked_member(&redis.address(), keeps), asked_member(&redis.address(), keeps));
        for one in [&old, &new] {
            one.until("among others", |handle| handle.cluster_metrics().unwrap().peers == 1);
        }
        let mut client = Client::connect(old.address(), "EIO=4&transport=websocket");
        assert!(client.text().starts_with("0{"));
        client.send("40");
        let (pid, offset) = (pid_of(&client.text()), offset_of(&client.text()));
        drop(client);
        let mut client = Client::connect(new.address(), "EIO=4&transport=websocket");
        assert!(client.text().starts_with("0{"));
        client.send(&format!("40{{\"pid\":\"{pid}\",\"offset\":\"{offset}\"}}"));
        assert_eq!(pid_of(&client.text()), pid, "{keeps}");
        assert!(client.text().starts_with(named));
        assert_eq!(asked.load(Ordering::Relaxed), times);
    }
}

#[test]
fn a_client_does_not_wait_for_a_redis_that_is_silent() {
    let redis = Server::start(&[]);
    let member = member(&redis.address());
    redis.freeze();
    let begin = Instant::now();
    claim(&member, "AAAAAAAAAAAAAAAAAAAA", "Q8AGDxC.1");
    let waited = begin.elapsed();
    redis.thaw();
    assert!((Duration::from_millis(900)..Duration::from_secs(3)).contains(&waited), "{waited:?}");
}

/// A server that has ended has left a socket; another one knew it.
struct Left {
    new: Member,
    pid: String,
    /// The last event that the client received.
    offset: String,
    key: String,
}

impl Left {
    fn behind(redis: &RedisServer) -> Self {
        let (old, new) = (member(redis), member(redis));
        for one in [&old, &new] {
            one.until("among others", |handle| handle.cluster_metrics().unwrap().peers == 1);
        }
        let (client, pid, offset) = told(&old);
        drop(client);
        old.until("without that client", |handle| handle.metrics().sessions == 0);
        drop(old);
        let key = format!("socket.io-lost:{pid}");
        Self { new, pid, offset, key }
    }

    /// The client comes back. Gives whether its socket does.
    fn comes_back(&self, offset: &str) -> bool {
        claim(&self.new, &self.pid, offset).contains(&self.pid)
    }
}

#[test]
fn a_record_that_is_of_no_use_goes_back_to_redis() {
    let redis = Server::start(&[]);
    let left = Left::behind(&redis.address());
    let mut bare = redis.client();
    let key = &left.key;
    assert_eq!(bare.ask(&format!("EXISTS {key}")), "1");
    let before: u64 = bare.ask(&format!("PTTL {key}")).parse().unwrap();
    assert!(!left.comes_back("Q8AGDxC.1"), "nobody knows what that client has");
    left.new.until("back in Redis", |_| redis.client().ask(&format!("EXISTS {key}")) == "1");
    let after: u64 = bare.ask(&format!("PTTL {key}")).parse().unwrap();
    assert!(after <= before + 50 && after > before / 2, "{before} {after}");
    assert!(left.comes_back(&left.offset));
    assert_eq!(bare.ask(&format!("EXISTS {key}")), "0");
}

#[test]
fn a_redis_older_than_getdel_gives_records_away() {
    let redis = Server::start(&["--rename-command", "GETDEL", ""]);
    assert!(redis.client().ask("GETDEL key").starts_with("ERR unknown command"));
    let left = Left::behind(&redis.address());
    assert!(left.comes_back(&left.offset));
    assert_eq!(redis.client().ask(&format!("EXISTS {}", left.key)), "0");
}

/// A Redis with a user that `docs/operations.md` makes, who may do this as well, and its address for that user.
fn with_rights(rights: &str) -> (Server, RedisServer) {
    let docs = include_str!("../../docs/operations.md");
    let user = docs.lines().find_map(|line| line.trim().strip_prefix("user ")).expect("a user");
    let redis = Server::with_user(&format!("{user} {rights}"));
    let (user, password) = (Some("kinglet".to_owned()), Some(Password::new("PASSWORD")));
    let address = RedisServer { user, password, ..redis.address() };
    (redis, address)
}

#[test]
fn the_documented_rights_suffice() {
    let docs = include_str!("../../docs/operations.md");
    let (begin, getdel, instead) = ("~socket.io-lost:* +set ", "+getdel", "+get +del +multi +exec");
    assert!(docs.contains(&format!("`{begin}{getdel}`")) && docs.contains(&format!("`{instead}`")));
    for rights in [getdel, instead] {
        let (redis, address) = with_rights(&format!("{begin}{rights}"));
        let left = Left::behind(&address);
        assert!(left.comes_back(&left.offset), "{rights}");
        assert_eq!(redis.client().ask(&format!("EXISTS {}", left.key)), "0");
    }
}

#[test]
fn without_rights_for_records_a_client_is_new_and_the_log_says_why() {
    logs::keep();
    for (rights, verb) in [("", "keep"), ("~socket.io-lost:* +set", "take")] {
        let (_redis, address) = with_rights(rights);
        let left = Left::behind(&address);
        assert!(!left.comes_back(&left.offset));
        let lines = logs::with(&format!("Redis refuses to {verb} a lost socket"));
        assert!(!lines.is_empty() && lines.iter().all(|line| line.contains("NOPERM")), "{lines:?}");
    }
}

#[test]
fn a_server_that_cannot_leave_its_lost_sockets_says_how_many_and_why() {
    logs::keep();
    let mut redis = Server::start(&[]);
    let member = member(&redis.address());
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
