//! `GET /metrics`, and the page that lists the metrics.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use kinglet::{Config, Server};

use crate::client::Client;
use crate::http::{get, send};
use crate::{config, start, stop};

/// A server with everything that has metrics.
fn exposition() -> String {
    let redis = format!("redis://127.0.0.1:{}", crate::redis::server::free_port()).parse().expect("an address");
    let (running, ops) = start(Server::new(Config { redis: Some(redis), ..config() }).expect("settings"));
    let answer = get(ops, "/metrics");
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("text/plain; version=0.0.4"), "{}", answer.head);
    stop(running);
    answer.body
}

#[test]
fn the_documentation_lists_the_metrics_that_there_are() {
    let kinds: BTreeMap<String, String> = exposition()
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect();
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md")).expect("the page");
    let listed: BTreeMap<String, String> = page
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
            let name = cells.next()?.trim_end_matches('`').to_owned();
            Some((name, cells.next()?.to_owned()))
        })
        .collect();
    assert_eq!(listed, kinds);
}

#[test]
fn actions_of_clients_are_counted() {
    let mut server = Server::new(config()).expect("settings");
    server.of("/").on("hello", |socket, event| socket.broadcast().relay(event));
    let (running, ops) = start(server);
    let mut clients: Vec<Client> = (0..3).map(|_| Client::open(running.address(), &[])).collect();
    clients.iter_mut().for_each(|client| drop(client.connect("/")));
    clients[0].send("42[\"hello\"]");
    clients[1..].iter_mut().for_each(|client| client.expect("42[\"hello\"]"));
    let refused = send(
        running.address(),
        b"GET /socket.io/?EIO=9&transport=polling HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(refused.status, 400);
    let text = get(ops, "/metrics").body;
    for line in [
        "kinglet_connections{transport=\"websocket\"} 3",
        "kinglet_sessions{transport=\"websocket\"} 3",
        "kinglet_sessions{transport=\"polling\"} 0",
        "kinglet_namespace_sockets{namespace=\"/\"} 3",
        "kinglet_sockets 3",
        // The three answers to CONNECT among them.
        "kinglet_delivered_total 5",
        "kinglet_handler_seconds_count 1",
        "kinglet_refusals_total{reason=\"Unsupported protocol version\"} 1",
        "kinglet_limit_hits_total{limit=\"json_depth\"} 0",
    ] {
        assert!(text.lines().any(|other| other == line), "no {line} in\n{text}");
    }
    let turns = text.lines().find_map(|line| line.strip_prefix("kinglet_turn_seconds_count ")?.parse().ok());
    assert!(turns > Some(3_u64), "{text}");
    drop(clients);
    stop(running);
}

#[test]
fn letters_that_wait_count_with_all_that_they_carry() {
    const LENGTH: usize = 100_000;
    let (tell, told) = channel();
    let (release, released) = channel::<()>();
    let released = Mutex::new(released);
    let mut server = Server::new(Config { shards: Some(1), ..config() }).expect("settings");
    let root = server.of("/");
    // So an emitted event is carried twice: as frames, and as an event to be heard.
    root.on_any_outgoing(|_, _| ());
    root.on("block", move |socket, event| {
        tell.send((socket.handle(), event.take_ack())).expect("the test waits");
        // An error says that the test is over.
        let _ = released.lock().expect("no panic").recv();
    });
    let (running, ops) = start(server);
    let mut client = Client::open(running.address(), &[]);
    client.join("/");
    client.send("421[\"block\"]");
    let (socket, ack) = told.recv().expect("the handler runs");

    let (text, far, everybody) = ("x".repeat(LENGTH), Duration::from_secs(60), running.handle().of("/"));
    socket.emit("e", &text).expect("JSON");
    socket.emit_with_ack("e", &text, far, |_| ()).expect("JSON");
    socket.set_data(&text).expect("JSON");
    socket.join(&text);
    socket.leave(&text);
    ack.expect("the client asked").send(&text).expect("JSON");
    everybody.emit("e", &text).expect("JSON");
    everybody.to(&text).except(&text).emit("e", ()).expect("JSON");
    everybody.emit_with_ack("e", &text, far, |_| ()).expect("JSON");
    everybody.sockets_join([&text]);
    everybody.to(&text).sockets_leave([&text]);
    everybody.to(&text).fetch_sockets(|_| ());
    everybody.to(&text).disconnect_sockets(false);

    let exposition = get(ops, "/metrics").body;
    let waiting = exposition.lines().find_map(|line| line.strip_prefix("kinglet_inbox_bytes ")?.parse().ok());
    let waiting: usize = waiting.expect("the metric");
    assert_eq!(waiting / LENGTH, 2 + 2 + 1 + 1 + 1 + 1 + 2 + 2 + 2 + 1 + 2 + 1 + 1, "{waiting}");
    release.send(()).expect("the handler waits");
    stop(running);
}

#[test]
fn promtool_accepts_the_metrics() {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // It checks where it is installed; the form is tested above in any case.
    let Ok(mut promtool) = command.spawn() else { return };
    promtool.stdin.take().expect("a pipe").write_all(exposition().as_bytes()).expect("it reads");
    let output = promtool.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}
