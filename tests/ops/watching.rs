//! Health, readiness, status and the page.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use kinglet::{Config, Server};
use serde_json::Value;

use crate::client::Client;
use crate::http::get;
use crate::{PATIENCE, config, start, stop};

#[test]
fn a_server_without_the_port_has_none() {
    let server = Server::new(Config { ops_port: None, ..config() }).expect("settings");
    let running = server.start().expect("the server starts");
    assert_eq!(running.ops_address(), None);
    stop(running);
}

#[test]
fn the_port_closes_with_its_server() {
    let (running, ops) = start(Server::new(config()).expect("settings"));
    assert_eq!(get(ops, "/health").status, 200);
    stop(running);
    let until = Instant::now() + PATIENCE;
    while std::net::TcpStream::connect(ops).is_ok() {
        assert!(Instant::now() < until, "it is still open");
        std::thread::yield_now();
    }
}

#[test]
fn a_port_that_is_taken_is_an_error_that_names_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let server = Server::new(Config { ops_port: Some(port), ..config() }).expect("settings");
    let error = server.start().expect_err("the port is taken").to_string();
    assert!(error.contains(&format!("127.0.0.1:{port}")), "{error}");
}

#[test]
fn a_short_token_is_refused_and_not_shown() {
    let short = Config { ops_token: Some(kinglet::Password::new("hunter2")), ..config() };
    let error = Server::new(short).expect_err("it is too short").to_string();
    assert!(error.contains("KINGLET_OPS_TOKEN") && !error.contains("hunter2"), "{error}");
}

#[test]
fn health_is_lost_while_an_event_loop_does_not_turn() {
    let (release, blocked) = channel::<()>();
    let blocked = Arc::new(Mutex::new(blocked));
    let (entered, has_entered) = channel();
    let mut server = Server::new(config()).expect("settings");
    server.of("/").on("block", move |_, _| {
        let wait: &Mutex<Receiver<()>> = &blocked;
        entered.send(()).expect("the test waits");
        // An error says that the test is over.
        let _ = wait.lock().expect("no panic").recv();
    });
    let (running, ops) = start(server);
    let healthy = get(ops, "/health");
    assert_eq!((healthy.status, healthy.body.as_str()), (200, r#"{"shards":2,"status":"healthy"}"#));
    let mut client = Client::open(running.address(), &[]);
    client.connect("/");
    client.send("42[\"block\"]");
    has_entered.recv().expect("the handler runs");
    let stuck = get(ops, "/health");
    assert_eq!(stuck.status, 503, "{stuck:?}");
    let told: Value = serde_json::from_str(&stuck.body).expect("JSON");
    assert_eq!(told["stuck_shards"].as_array().map(Vec::len), Some(1), "{told}");
    let status: Value = serde_json::from_str(&get(ops, "/status").body).expect("JSON");
    assert_eq!(status["shards"]["silent"], 1);
    release.send(()).expect("the handler waits");
    assert_eq!(get(ops, "/health").status, 200);
    stop(running);
}

#[test]
fn a_server_that_stops_is_not_ready_and_says_so() {
    let (running, ops) = start(Server::new(config()).expect("settings"));
    let ready = get(ops, "/ready");
    assert_eq!(
        (ready.status, ready.body.as_str()),
        (200, r#"{"facts":{"memory":"enough","redis":"not used","serving":"yes"},"ready":true}"#)
    );
    // It does not answer the close frame, and so holds the server for a while.
    let mut client = Client::open(running.address(), &[]);
    client.connect("/");
    running.handle().close();
    let mut answers = std::iter::repeat_with(|| get(ops, "/ready"));
    let unready = answers.find(|answer| answer.status != 200).expect("they go on");
    assert_eq!(unready.status, 503, "{unready:?}");
    assert!(unready.body.contains("stopping"), "{unready:?}");
    running.join().expect("the server ends well");
}

#[test]
fn a_server_without_memory_for_sessions_is_not_ready_and_says_so() {
    // Less memory than any process uses.
    let (running, ops) = start(Server::new(Config { memory: Some(1 << 20), ..config() }).expect("settings"));
    let unready = get(ops, "/ready");
    assert_eq!(
        (unready.status, unready.body.as_str()),
        (503, r#"{"facts":{"memory":"short: no session begins","redis":"not used","serving":"yes"},"ready":false}"#)
    );
    stop(running);
}

#[test]
fn redis_is_shown_and_counts_if_it_is_asked_for() {
    let redis = format!("redis://127.0.0.1:{}", crate::redis::server::free_port()).parse().expect("an address");
    let (running, ops) = start(Server::new(Config { redis: Some(redis), ..config() }).expect("settings"));
    let ready = get(ops, "/ready");
    assert_eq!(ready.status, 200, "{ready:?}");
    assert!(!ready.body.contains("not used"), "{ready:?}");
    assert_eq!(get(ops, "/ready?redis=1").status, 503);
    let status: Value = serde_json::from_str(&get(ops, "/status").body).expect("JSON");
    for (of, outcome) in [(&status["redis"]["moves"], "sent"), (&status["recoveries"], "elsewhere")] {
        assert_eq!(of[outcome], 0, "{status}");
    }
    stop(running);
}

#[test]
fn status_counts_connections_and_sockets() {
    let mut server = Server::new(config()).expect("settings");
    server.of("/").on_connect(|socket| {
        // One room cannot meet a limit.
        let _ = socket.join("room");
    });
    server.of("/quiet");
    let (running, ops) = start(server);
    let mut clients: Vec<Client> = (0..3).map(|_| Client::open(running.address(), &[])).collect();
    clients.iter_mut().for_each(|client| drop(client.connect("/")));
    let status: Value = serde_json::from_str(&get(ops, "/status").body).expect("JSON");
    assert_eq!(status["connections"]["websocket"], 3, "{status}");
    assert_eq!(status["sessions"]["websocket"], 3);
    assert_eq!(status["namespaces"]["largest"][0], serde_json::json!({"name": "/", "sockets": 3}));
    assert_eq!(status["namespaces"]["count"], 2);
    assert!(status["memory"]["resident"].as_u64() > Some(1_000_000));
    assert!(status["counted"]["received_bytes"].as_u64() > Some(0));
    assert!(status["counted"]["sent_bytes"].as_u64() > status["counted"]["received_bytes"].as_u64().map(|_| 300));
    assert!(status["rooms"].as_u64() >= Some(1));
    stop(running);
}

#[test]
fn the_page_is_whole_and_may_load_nothing_from_elsewhere() {
    let (running, ops) = start(Server::new(config()).expect("settings"));
    let page = get(ops, "/");
    assert_eq!(page.status, 200);
    assert!(page.head.contains("text/html") && page.head.contains("default-src 'none'"), "{}", page.head);
    assert!(page.body.trim_end().ends_with("</html>"));
    assert!(!page.body.contains("src=\"http") && !page.body.contains("href=\"http"));
    stop(running);
}
