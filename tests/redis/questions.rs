//! Questions to the other servers, one of which is a bare client that answers as it likes.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use kinglet::cluster::redis::State;
use kinglet::{Config, Limits, MissingServers, Password, RedisServer};

use super::support::PATIENCE;
use super::support::client::Client;
use super::support::logs;
use super::support::member::Member;
use super::support::server::Server;

type Rooms = Result<Vec<String>, MissingServers<Vec<String>>>;

/// A server in a cluster, and a bare client that counts as a second one and is silent by itself.
struct Scene {
    member: Member,
    hears: Client,
    says: Client,
    redis: Server,
}

impl Scene {
    fn new(requests_timeout: Duration) -> Self {
        Self::with(Limits { requests_timeout, ..Limits::default() })
    }

    fn with(limits: Limits) -> Self {
        let redis = Server::start(&[]);
        let mut hears = redis.client();
        hears.subscribe("socket.io-request#/#");
        let config = Config { limits, ..Config::default() };
        let member = Member::start(config, redis.address());
        Self { member, hears, says: redis.client(), redis }
    }

    /// Asks for all rooms; returns the request's id and a receiver of the answer.
    fn ask(&mut self) -> (String, Receiver<Rooms>) {
        let rooms = all_rooms(&self.member);
        let request: serde_json::Value = serde_json::from_str(&self.hears.message()).unwrap();
        (request["requestId"].as_str().unwrap().to_owned(), rooms)
    }

    fn answer(&mut self, request: &str, rooms: &str) {
        let message = format!("{{\"requestId\":\"{request}\",\"rooms\":{rooms}}}");
        assert_eq!(self.says.ask(&format!("PUBLISH socket.io-response#/# {}", quoted(&message))), "1");
    }
}

/// A word in the quotes that Redis wants in an inline command.
fn quoted(word: &str) -> String {
    format!("\"{}\"", word.replace('"', "\\\""))
}

/// Asks a server for all rooms; returns a receiver of the answer.
fn all_rooms(member: &Member) -> Receiver<Rooms> {
    let (sender, rooms) = channel();
    member.handle.of("/").all_rooms(move |answer| sender.send(answer).unwrap());
    rooms
}

fn received(rooms: &Receiver<Rooms>) -> Rooms {
    rooms.recv_timeout(PATIENCE).expect("an answer")
}

#[test]
fn a_server_that_does_not_answer_in_time_is_missing_and_its_late_answer_is_ignored() {
    let mut scene = Scene::new(Duration::from_secs(1));
    let (late, rooms) = scene.ask();
    let missing = received(&rooms).expect_err("a server is missing");
    assert_eq!((missing.missing, missing.answers.len()), (Some(1), 0));
    assert_eq!(scene.member.handle.cluster_metrics().unwrap().timeouts, 1);
    scene.answer(&late, "[\"late\"]");
    assert!(received(&scene.ask().1).is_err(), "the answer to one question counts for no other");
}

#[test]
fn invalid_answers_and_those_to_other_questions_end_nothing() {
    let mut scene = Scene::new(PATIENCE * 2);
    let (request, rooms) = scene.ask();
    let (other, others) = scene.ask();
    scene.answer("nobody's", "[\"lost\"]");
    let sockets = format!("{{\"requestId\":\"{request}\",\"sockets\":[]}}");
    scene.says.ask(&format!("PUBLISH socket.io-response#/# {}", quoted(&sockets)));
    scene.answer(&other, "[\"b\"]");
    assert_eq!(received(&others).unwrap(), ["b"]);
    assert!(rooms.try_recv().is_err());
    scene.answer(&request, "[\"a\"]");
    assert_eq!(received(&rooms).unwrap(), ["a"]);
    scene.member.until("let go", |handle| handle.metrics().collections == 0);
    // The question is over, so a second answer finds nobody.
    scene.answer(&request, "[\"again\"]");
    scene.member.until("all heard", |handle| handle.cluster_metrics().unwrap().redis.received >= 7);
    assert!(rooms.try_recv().is_err());
    let dropped = scene.member.handle.cluster_metrics().unwrap().dropped;
    assert!(dropped.iter().all(|(_, count)| *count == 0), "{dropped:?}");
}

#[test]
fn an_answer_that_there_is_no_room_for_is_missing_at_once() {
    let limits = Limits { collected_answers: 1000, requests_timeout: Duration::from_secs(3600), ..Limits::default() };
    let mut scene = Scene::with(limits);
    // A second time, because the budget was given back.
    for _ in 0..2 {
        let (request, rooms) = scene.ask();
        scene.answer(&request, &format!("[\"{}\"]", "x".repeat(1000)));
        assert_eq!(received(&rooms), Err(MissingServers { answers: Vec::new(), missing: Some(1) }));
        let (request, rooms) = scene.ask();
        scene.answer(&request, &format!("[\"{}\"]", "x".repeat(800)));
        assert_eq!(received(&rooms), Ok(vec!["x".repeat(800)]));
    }
    // Many rooms take more than their names.
    let (request, rooms) = scene.ask();
    scene.answer(&request, &format!("[{}]", vec!["\"\""; 30].join(",")));
    assert!(received(&rooms).is_err());
    let hits = scene.member.handle.metrics().limits_hit;
    assert!(hits.contains(&("collected_answers", 3)), "{hits:?}");
    assert_eq!(scene.member.handle.cluster_metrics().unwrap().timeouts, 0);
}

#[test]
fn a_panic_in_the_callback_of_a_count_is_counted_and_contained() {
    let scene = Scene::new(PATIENCE);
    scene.member.handle.server_count(|_| -> () { panic!("of the one who counts") });
    let (sender, counts) = channel();
    scene.member.handle.server_count(move |count| sender.send(count).unwrap());
    assert_eq!(counts.recv_timeout(PATIENCE), Ok(Ok(2)));
    assert_eq!(scene.member.handle.metrics().handler_panics, 1);
}

#[test]
fn while_redis_is_away_an_answer_says_that_the_others_were_not_asked() {
    let (redis_backoff, redis_connect_timeout) = (Duration::from_millis(100), Duration::from_secs(1));
    let requests_timeout = Duration::from_secs(3600);
    let limits = Limits { requests_timeout, redis_backoff, redis_connect_timeout, ..Limits::default() };
    let mut scene = Scene::with(limits);
    let _client = scene.member.client();
    scene.redis.kill();
    scene.member.until("without Redis", |handle| !matches!(handle.redis_state(), Some(State::Up)));
    assert_eq!(received(&all_rooms(&scene.member)).expect_err("the others are not asked").missing, None);
    let (sender, sockets) = channel();
    scene.member.handle.of("/").fetch_sockets(move |found| sender.send(found).unwrap());
    let partial = sockets.recv_timeout(PATIENCE).expect("an answer").expect_err("the others are not asked");
    assert_eq!((partial.missing, partial.answers.len()), (None, 1));
    assert!(partial.to_string().contains("not asked"), "{partial}");
    assert_eq!(scene.member.handle.cluster_metrics().unwrap().timeouts, 0);
    scene.redis.run();
    scene.member.until("in the cluster again", |handle| matches!(handle.redis_state(), Some(State::Up)));
    // Others may need longer to come back, until nobody else is there.
    let alone = |_: &_| received(&all_rooms(&scene.member)).is_ok_and(|rooms| rooms.len() == 1);
    scene.member.until("sure to be alone", alone);
}

#[test]
fn a_redis_that_may_not_count_leaves_the_others_unasked_and_the_log_says_so() {
    logs::keep();
    let redis = Server::with_user("poor on nopass ~* &* +@all -pubsub");
    let address = RedisServer { user: Some("poor".into()), password: Some(Password::new("x")), ..redis.address() };
    let member = Member::start(Config::default(), address);
    let rooms = received(&all_rooms(&member));
    assert_eq!(rooms, Err(MissingServers { answers: Vec::new(), missing: None }));
    let (sender, count) = channel();
    member.handle.of("/").server_count(move |servers| sender.send(servers).unwrap());
    assert_eq!(count.recv_timeout(PATIENCE), Ok(Err(MissingServers { answers: 1, missing: None })));
    let lines = logs::with("cannot be counted (PUBSUB NUMSUB)");
    assert!(lines.iter().any(|line| line.starts_with("WARN ") && line.contains("NOPERM")), "{lines:?}");
}

#[test]
fn while_redis_is_away_acknowledgements_are_waited_for_and_some_may_be_missing() {
    let mut scene = Scene::new(Duration::from_secs(3600));
    scene.redis.kill();
    scene.member.until("without Redis", |handle| !matches!(handle.redis_state(), Some(State::Up)));
    let (sender, answers) = channel();
    let callback = move |collected| sender.send(collected).unwrap();
    scene.member.handle.of("/").emit_with_ack("question", (), Duration::from_millis(50), callback).unwrap();
    let late = answers.recv_timeout(PATIENCE).expect("an end").expect_err("others may have got it");
    assert_eq!((late.missing, late.answers.len()), (0, 0));
}
