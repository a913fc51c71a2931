//! Answers of a cluster are complete, or say that they are not: servers that Redis counts, and servers that this one
//! hears.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use kinglet::cluster::redis::State;
use kinglet::{Config, Limits, MissingServers, Password, RedisServer};

use super::support::PATIENCE;
use super::support::client::Client;
use super::support::member::Member;
use super::support::server::Server;

type Rooms = Result<Vec<String>, MissingServers<Vec<String>>>;

/// A server in a cluster, alone.
struct Scene {
    member: Member,
    redis: Server,
}

/// Another server, which only counts and answers.
struct Other {
    hears: Client,
    says: Client,
    namespace: &'static str,
}

impl Scene {
    fn new() -> Self {
        Self::where_others_return_in(Duration::from_secs(60))
    }

    /// A scene in which other servers come back to Redis within `time`.
    fn where_others_return_in(time: Duration) -> Self {
        let redis = Server::start(&[]);
        let redis_backoff = Duration::from_millis(100);
        let redis_connect_timeout = time - redis_backoff;
        let limits = Limits { redis_backoff, redis_connect_timeout, ..Limits::default() };
        let member = Member::start(Config { limits, ..Config::default() }, redis.address());
        Self { member, redis }
    }

    fn other(&self, namespace: &'static str) -> Other {
        let mut hears = self.redis.client();
        hears.subscribe(&format!("socket.io-request#{namespace}#"));
        Other { hears, says: self.redis.client(), namespace }
    }

    /// Ends the connections of all subscribers.
    fn deafen(&self) {
        self.redis.client().ask("CLIENT KILL TYPE pubsub");
    }

    /// Waits until Redis counts `servers` servers.
    fn until_counted(&self, servers: usize) {
        let mut redis = self.redis.client();
        while redis.ask("PUBSUB NUMSUB socket.io-request#/#") != format!("socket.io-request#/# {servers}") {}
    }

    fn until_back(&self) {
        self.member.until("in the cluster again", |handle| matches!(handle.redis_state(), Some(State::Up)));
    }
}

impl Other {
    /// The next request.
    fn request(&mut self) -> serde_json::Value {
        serde_json::from_str(&self.hears.message()).unwrap()
    }

    /// Answers a request for all rooms; `more` follows the list.
    fn answer(&mut self, request: &serde_json::Value, rooms: &str, more: &str) {
        let id = request["requestId"].as_str().unwrap();
        self.publish("", &format!("{{\"requestId\":\"{id}\",\"rooms\":{rooms}{more}}}"));
    }

    /// Publishes a response, to the server with this uid or to all, and checks that a server hears it.
    fn publish(&mut self, uid: &str, response: &str) {
        let response = response.replace('"', "\\\"");
        let channel = format!("socket.io-response#{}#{uid}", self.namespace);
        assert_eq!(self.says.ask(&format!("PUBLISH {channel} \"{response}\"")), "1");
    }
}

fn all_rooms(member: &Member, namespace: &str) -> Receiver<Rooms> {
    let (sender, rooms) = channel();
    member.handle.of(namespace).all_rooms(move |answer| sender.send(answer).unwrap());
    rooms
}

fn received<T>(answers: &Receiver<T>) -> T {
    answers.recv_timeout(PATIENCE).expect("an answer")
}

fn count(member: &Member, namespace: &str) -> Result<usize, MissingServers<usize>> {
    let (sender, counts) = channel();
    member.handle.of(namespace).server_count(move |count| sender.send(count).unwrap());
    received(&counts)
}

#[test]
fn a_server_without_subscriptions_does_not_report_its_own_part_as_all() {
    let scene = Scene::new();
    let mut redis = scene.redis.client();
    for _ in 0..20 {
        let _other = scene.other("/");
        // Only the member's connection subscribes to patterns.
        let list = redis.ask("CLIENT LIST TYPE pubsub");
        let own = list.lines().find(|line| line.contains("psub=1")).expect("the member's connection");
        let id = own.split([' ', '=']).nth(1).unwrap();
        assert_eq!(redis.ask(&format!("CLIENT KILL ID {id}")), "1");
        let rooms = received(&all_rooms(&scene.member, "/"));
        assert_eq!(rooms, Err(MissingServers { answers: Vec::new(), missing: None }));
        assert_eq!(count(&scene.member, "/").map_err(|partial| partial.missing), Err(None));
        scene.member.until("heard again", |_| scene.redis.client().ask("CLIENT LIST TYPE pubsub").contains("psub=1"));
        scene.until_back();
    }
}

#[test]
fn the_servers_of_a_namespace_are_asked_by_one_without_it() {
    let scene = Scene::new();
    let mut other = scene.other("/elsewhere");
    assert_eq!(count(&scene.member, "/elsewhere"), Ok(1));
    // The second time the answer goes to the asking server alone.
    for own in [false, true] {
        let rooms = all_rooms(&scene.member, "/elsewhere");
        let request = other.request();
        let (id, uid) = (request["requestId"].as_str().unwrap(), request["uid"].as_str().unwrap());
        let uid = if own { format!("{uid}#") } else { String::new() };
        other.publish(&uid, &format!("{{\"requestId\":\"{id}\",\"rooms\":[\"a\"]}}"));
        assert_eq!(received(&rooms), Ok(vec!["a".to_owned()]));
    }
    assert_eq!(received(&all_rooms(&scene.member, "/nowhere")), Ok(Vec::new()));
    let channels = "PUBSUB CHANNELS socket.io-response#/*where*";
    scene.member.until("deaf there again", |_| scene.redis.client().ask(channels).is_empty());
}

#[test]
fn sockets_of_a_namespace_are_reached_by_a_server_without_it() {
    let scene = Scene::new();
    let mut other = scene.other("/elsewhere");
    let (sender, sockets) = channel();
    scene.member.handle.of("/elsewhere").fetch_sockets(move |found| sender.send(found).unwrap());
    let request = other.request();
    let id = request["requestId"].as_str().unwrap();
    other.publish("", &format!("{{\"requestId\":\"{id}\",\"sockets\":[{{\"id\":\"x\",\"rooms\":[\"x\"]}}]}}"));
    let socket = received(&sockets).expect("all").remove(0);
    assert_eq!((&**socket.id(), socket.namespace()), ("x", "/elsewhere"));
    socket.join("room");
    let join = other.request();
    assert_eq!((&join["type"], &join["opts"]["rooms"][0], &join["rooms"][0]), (&2.into(), &"x".into(), &"room".into()));
}

#[test]
fn clients_of_a_namespace_are_asked_by_a_server_without_it() {
    let scene = Scene::new();
    let (sender, answers) = channel();
    let callback = move |collected| sender.send(collected).unwrap();
    scene.member.handle.of("/nowhere").emit_with_ack("question", (), Duration::from_secs(3600), callback).unwrap();
    assert!(received(&answers).expect("nobody is no failure").is_empty());
}

#[test]
fn a_server_that_gives_less_than_it_has_is_missing() {
    let scene = Scene::new();
    let mut other = scene.other("/");
    let rooms = all_rooms(&scene.member, "/");
    let request = other.request();
    other.answer(&request, "[\"a\"]", ",\"incomplete\":true");
    let partial = received(&rooms).expect_err("less than all");
    assert_eq!((partial.answers, partial.missing), (vec!["a".to_owned()], Some(1)));
    assert_eq!(scene.member.handle.cluster_metrics().unwrap().timeouts, 0);
}

#[test]
fn a_server_that_has_gone_is_missing_while_it_may_come_back() {
    let scene = Scene::where_others_return_in(Duration::from_secs(1));
    let (mut one, other) = (scene.other("/"), scene.other("/"));
    assert_eq!(count(&scene.member, "/"), Ok(3));
    drop(other);
    scene.until_counted(2);
    assert_eq!(count(&scene.member, "/"), Err(MissingServers { answers: 2, missing: Some(1) }));
    scene.member.until("missed no more", |_| count(&scene.member, "/") == Ok(2));
    let rooms = all_rooms(&scene.member, "/");
    let request = one.request();
    one.answer(&request, "[\"a\"]", "");
    assert_eq!(received(&rooms), Ok(vec!["a".to_owned()]));
}

#[test]
fn the_first_server_to_come_back_does_not_hide_the_others() {
    let scene = Scene::new();
    let others = [scene.other("/"), scene.other("/")];
    assert_eq!(count(&scene.member, "/"), Ok(3));
    drop(others);
    scene.until_counted(1);
    assert_eq!(count(&scene.member, "/"), Err(MissingServers { answers: 1, missing: Some(2) }));
    let mut first = scene.other("/");
    assert_eq!(count(&scene.member, "/"), Err(MissingServers { answers: 2, missing: Some(1) }));
    let rooms = all_rooms(&scene.member, "/");
    let request = first.request();
    first.answer(&request, "[\"a\"]", "");
    assert_eq!(received(&rooms), Err(MissingServers { answers: vec!["a".to_owned()], missing: Some(1) }));
    let _second = scene.other("/");
    assert_eq!(count(&scene.member, "/"), Ok(3));
}

#[test]
fn a_server_that_finds_redis_late_does_not_trust_its_first_count() {
    let mut redis = Server::start(&[]);
    redis.kill();
    let limits = Limits { redis_connect_timeout: Duration::from_secs(60), ..Limits::default() };
    let member = Member::begin(Config { limits, ..Config::default() }, redis.address());
    member.until("refused", |handle| handle.cluster_metrics().unwrap().redis.failed_connections > 1);
    redis.run();
    member.until("in the cluster", |handle| matches!(handle.redis_state(), Some(State::Up)));
    assert_eq!(count(&member, "/"), Err(MissingServers { answers: 1, missing: None }));
    assert_eq!(received(&all_rooms(&member, "/")), Err(MissingServers { answers: Vec::new(), missing: None }));
}

#[test]
fn after_an_outage_earlier_servers_are_missing_until_they_are_back() {
    let mut scene = Scene::new();
    let mut others = vec![scene.other("/")];
    assert_eq!(count(&scene.member, "/"), Ok(2));
    for outage in ["all connections end", "Redis is killed"] {
        if outage.starts_with("Redis") {
            scene.redis.kill();
        } else {
            scene.deafen();
        }
        scene.member.until("without Redis", |handle| !matches!(handle.redis_state(), Some(State::Up)));
        if outage.starts_with("Redis") {
            scene.redis.run();
        }
        scene.until_back();
        let partial = received(&all_rooms(&scene.member, "/")).expect_err(outage);
        assert_eq!((partial.answers, partial.missing), (Vec::new(), Some(1)), "{outage}");
        assert_eq!(count(&scene.member, "/"), Err(MissingServers { answers: 1, missing: Some(1) }));
        let mut other = scene.other("/");
        let rooms = all_rooms(&scene.member, "/");
        let request = other.request();
        other.answer(&request, "[\"a\"]", "");
        assert_eq!(received(&rooms), Ok(vec!["a".to_owned()]), "{outage}");
        others.push(other);
    }
}

#[test]
fn a_server_that_may_not_hear_broadcasts_is_not_in_the_cluster() {
    let redis = Server::with_user("poor on >x ~* resetchannels &socket.io-request* &socket.io-response* +@all");
    let mut other = redis.client();
    other.subscribe("socket.io-request#/#");
    let address = RedisServer { user: Some("poor".into()), password: Some(Password::new("x")), ..redis.address() };
    let member = Member::begin(Config::default(), address);
    member.until("refused", |handle| matches!(handle.redis_state(), Some(State::Down(_))));
    let rooms = received(&all_rooms(&member, "/"));
    assert_eq!(rooms, Err(MissingServers { answers: Vec::new(), missing: None }));
    redis.client().ask("ACL SETUSER poor &socket.io#/#*");
    member.until("in the cluster", |handle| matches!(handle.redis_state(), Some(State::Up)));
    // It was without Redis until now: others may have been, too.
    assert_eq!(count(&member, "/"), Err(MissingServers { answers: 2, missing: None }));
}

#[test]
fn a_namespace_that_may_not_be_asked_costs_the_server_nothing() {
    let redis = Server::with_user("poor on >x ~* resetchannels &socket.io#/#* &socket.io-re*#/#* +@all");
    let address = RedisServer { user: Some("poor".into()), password: Some(Password::new("x")), ..redis.address() };
    let member = Member::start(Config::default(), address);
    let rooms = received(&all_rooms(&member, "/elsewhere"));
    assert_eq!(rooms, Err(MissingServers { answers: Vec::new(), missing: None }));
    assert_eq!(count(&member, "/"), Ok(1));
    assert_eq!(member.handle.cluster_metrics().unwrap().redis.reconnections, 0);
}

#[test]
fn a_server_is_in_the_cluster_once_its_namespaces_are_subscribed_to() {
    let redis = Server::start(&[]);
    for _ in 0..20 {
        let _member = Member::start(Config::default(), redis.address());
        let count = redis.client().ask("PUBSUB NUMSUB socket.io-request#/#");
        assert_eq!(count, "socket.io-request#/# 1");
    }
}

#[test]
fn a_server_that_will_not_answer_an_event_says_so_at_once() {
    let redis = Server::start(&[]);
    let limits = Limits { requests_timeout: Duration::from_secs(3600), ..Limits::default() };
    let asking = Member::start(Config { limits, ..Config::default() }, redis.address());
    let answering = Member::begin_with(Config::default(), redis.address(), |server| {
        server.of("/").on_server_side_emit("mute", |_, _| {});
    });
    answering.until("in the cluster", |handle| matches!(handle.redis_state(), Some(State::Up)));
    for event in ["mute", "unknown"] {
        let (sender, answers) = channel();
        let callback = move |answer| sender.send(answer).unwrap();
        asking.handle.server_side_emit_with_ack(event, (), callback).unwrap();
        let partial = received(&answers).map(|answers| answers.len()).expect_err(event);
        assert_eq!((partial.answers.len(), partial.missing), (0, Some(1)), "{event}");
    }
}
