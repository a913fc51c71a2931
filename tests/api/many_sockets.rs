//! Many sockets at once: answers collected from all, sockets looked up, moved between rooms, disconnected.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use kinglet::{Answers, Limits, MissingAnswers, RemoteSocket, Server};
use serde_json::{Value, json};

use crate::client::Client;
use crate::{Config, PATIENCE, Served, config, serve};

type Collected = Result<Answers, MissingAnswers>;

fn app(server: &mut Server) {
    server
        .of("/")
        .on("join", |socket, event| {
            let (room,): (String,) = event.args()?;
            socket.join(room)?;
            event.ack(())?;
            Ok::<(), Box<dyn std::error::Error>>(())
        })
        .on("keep", |socket, event| {
            let (data,): (Value,) = event.args()?;
            socket.set_data(&data)?;
            event.ack(())?;
            Ok::<(), Box<dyn std::error::Error>>(())
        });
}

/// `count` clients, over both shards, and their ids.
fn clients(server: &Served, count: usize) -> Vec<(Client, String)> {
    (0..count)
        .map(|_| {
            let mut client = Client::open(server.address, &[]);
            let id = client.join("/");
            (client, id)
        })
        .collect()
}

fn ask(server: &Served, timeout: Duration) -> Receiver<Collected> {
    let (sender, receiver) = channel();
    server.handle.emit_with_ack("question", 1, timeout, move |answers| sender.send(answers).unwrap()).unwrap();
    receiver
}

/// Reads the question and gives its id.
fn question(client: &mut Client) -> String {
    let text = client.text();
    let id = text.strip_prefix("42").and_then(|text| text.strip_suffix(r#"["question",1]"#));
    id.unwrap_or_else(|| panic!("{text}")).to_owned()
}

fn fetch(server: &Served) -> Vec<RemoteSocket> {
    let (sender, receiver) = channel();
    server.handle.fetch_sockets(move |sockets| sender.send(sockets).unwrap());
    receiver.recv_timeout(PATIENCE).expect("the sockets").expect("no other servers")
}

#[test]
fn all_answers_are_collected_from_every_shard() {
    let server = serve(config(), app);
    let mut clients = clients(&server, 8);
    let answers = ask(&server, PATIENCE);
    let mut ids = Vec::new();
    for (number, (client, _)) in clients.iter_mut().enumerate() {
        let id = question(client);
        client.send(&format!("43{id}[{number},\"more\"]"));
        // One client answers once.
        client.send(&format!("43{id}[99]"));
        ids.push(id);
    }
    let answers = answers.recv_timeout(PATIENCE).unwrap().expect("all answers");
    let mut numbers = answers.values::<usize>().unwrap();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..8).collect::<Vec<_>>());
    ids.dedup();
    assert_eq!(ids.len(), 1, "one id for all receivers");
}

#[test]
fn without_receivers_there_is_an_empty_answer_at_once() {
    let server = serve(config(), app);
    let answers = ask(&server, PATIENCE * 1000).recv_timeout(PATIENCE).unwrap();
    assert!(answers.unwrap().is_empty());
}

#[test]
fn what_is_missing_after_the_time_is_counted() {
    let server = serve(config(), app);
    let mut clients = clients(&server, 4);
    let answers = ask(&server, Duration::from_secs(2));
    let ids: Vec<String> = clients.iter_mut().map(|(client, _)| question(client)).collect();
    clients[0].0.send(&format!("43{}[\"here\"]", ids[0]));
    // A client that has yet to answer leaves: its answer is missing.
    drop(clients.pop());
    let late = answers.recv_timeout(PATIENCE).unwrap().expect_err("not all answered");
    assert_eq!(late.answers.values::<String>().unwrap(), ["here"]);
    assert_eq!((late.missing, late.to_string().as_str()), (3, "operation has timed out"));
    // A late answer changes nothing.
    clients[1].0.send(&format!("43{}[\"late\"]", ids[1]));
    clients[1].0.send("421[\"join\",\"a\"]");
    clients[1].0.expect("431[]");
}

#[test]
fn unanswered_broadcasts_of_one_socket_are_bounded() {
    let limits = Limits { unanswered_acks: 2, ..Limits::default() };
    let server = serve(Config { limits, ..config() }, app);
    let (mut client, _) = clients(&server, 1).remove(0);
    let answers: Vec<_> = (0..3).map(|_| ask(&server, Duration::from_secs(2))).collect();
    for _ in 0..3 {
        let id = question(&mut client);
        client.send(&format!("43{id}[1]"));
    }
    let missing =
        answers.iter().map(|answer| answer.recv_timeout(PATIENCE).unwrap().map_or_else(|late| late.missing, |_| 0));
    assert_eq!(missing.sum::<usize>() as u64, server.hit("unanswered_acks"));
}

#[test]
fn sockets_of_every_shard_are_found_with_what_they_keep() {
    let server = serve(config(), app);
    let mut clients = clients(&server, 8);
    for (number, (client, _)) in clients.iter_mut().enumerate() {
        client.send(&format!("421[\"keep\",{{\"number\":{number}}}]"));
        client.expect("431[]");
    }
    clients[3].0.send("421[\"join\",\"a\"]");
    clients[3].0.expect("431[]");
    let sockets = fetch(&server);
    assert_eq!(sockets.len(), 8);
    for (number, (_, id)) in clients.iter().enumerate() {
        let socket = sockets.iter().find(|socket| **socket.id() == **id).expect("the socket of that id");
        let rooms: &[&str] = if number == 3 { &[id, "a"] } else { &[id] };
        assert_eq!(socket.rooms(), rooms);
        assert_eq!(socket.data(), Some(json!({"number": number})));
        assert_eq!(socket.auth::<Value>(), None);
        assert!(socket.handshake().url().contains("transport=websocket"));
    }
    sockets[0].emit("hello", 1).unwrap();
    let found = clients.iter_mut().find(|(_, id)| **id == **sockets[0].id()).unwrap();
    found.0.expect(r#"42["hello",1]"#);
}

#[test]
fn a_selection_joins_leaves_and_is_disconnected() {
    let server = serve(config(), app);
    let mut clients = clients(&server, 6);
    server.handle.except(clients[0].1.clone()).sockets_join(["a", "b"]);
    server.handle.to(clients[1].1.clone()).sockets_leave(["a"]);
    server.handle.to("a").emit("in", "a").unwrap();
    server.handle.emit("to", "all").unwrap();
    for (number, (client, _)) in clients.iter_mut().enumerate() {
        if number > 1 {
            client.expect(r#"42["in","a"]"#);
        }
        client.expect(r#"42["to","all"]"#);
    }
    server.handle.to("b").except("a").disconnect_sockets(false);
    clients[1].0.expect("41");
    clients[1].0.join("/");
    server.handle.to("a").disconnect_sockets(true);
    for (client, _) in &mut clients[2..] {
        client.expect("41");
        client.closed();
    }
    server.until(|handle| handle.metrics().sockets == 2);
}

#[test]
fn a_socket_is_reached_from_another_thread_in_order() {
    let server = serve(config(), |server| {
        server.of("/").on("count", |socket, event| {
            let (socket, ack) = (socket.handle(), event.take_ack());
            std::thread::spawn(move || {
                socket.join("a");
                for number in 0..3 {
                    socket.emit("number", number).unwrap();
                }
                socket.server().to("a").emit("room", "a").unwrap();
                ack.unwrap().send("done").unwrap();
                socket.disconnect(false);
                socket.emit("number", 4).unwrap();
            });
        });
    });
    let mut client = server.client();
    client.send("421[\"count\"]");
    for expected in
        ["42[\"number\",0]", "42[\"number\",1]", "42[\"number\",2]", "42[\"room\",\"a\"]", "431[\"done\"]", "41"]
    {
        client.expect(expected);
    }
    client.join("/");
}
