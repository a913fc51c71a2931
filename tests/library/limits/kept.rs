//! The limits of the bytes that sessions keep for their lives.

use std::sync::mpsc::{Receiver, channel};

use kinglet::{Config, Limits};

use crate::support::{Client, Polling, Server, WebSocket, event, expect_busy, one_shard, raw, receive};

/// A server that lets clients join rooms and store data. It reports the results of the joins.
fn keeping(limits: Limits) -> (Server, Receiver<Result<(), String>>) {
    let (sender, joins) = channel();
    let server = Server::start(Config { limits, ..one_shard() }, |server| {
        server
            .of("/")
            .on("join", move |socket, event| {
                let (length, number): (usize, usize) = event.args()?;
                let joined = socket.join(format!("{number:0>length$}")).map_err(|error| error.to_string());
                sender.send(joined)?;
                Ok::<(), Box<dyn std::error::Error>>(())
            })
            .on("leave", |socket, event| {
                let (length, number): (usize, usize) = event.args()?;
                socket.leave(format!("{number:0>length$}"));
                Ok::<(), Box<dyn std::error::Error>>(())
            })
            .on("data", |socket, event| {
                let (data,): (String,) = event.args()?;
                socket.set_data(&data)?;
                Ok::<(), Box<dyn std::error::Error>>(())
            });
    });
    (server, joins)
}

fn join(client: &mut Client, joins: &Receiver<Result<(), String>>, length: usize, number: usize) -> Result<(), String> {
    client.emit(&format!("\"join\",{length},{number}"));
    receive(joins)
}

fn is_refused(joined: Result<(), String>, by: &str) {
    let error = joined.expect_err("it is too much");
    assert!(error.contains(by), "{error}");
}

/// Checks that all kept bytes are freed with the sessions.
fn assert_all_is_let_go(server: &Server) {
    server.wait_until("all gone", |metrics| metrics.sessions == 0 && metrics.kept_bytes == 0);
}

pub fn authentication_data_too_long_is_refused() -> Server {
    let (server, _) = keeping(Limits { auth: 100, ..Limits::default() });
    let (mut ws, _) = WebSocket::open(&server);
    ws.send_text(&format!("40{{\"token\":\"{}\"}}", "x".repeat(100)));
    ws.expect_text("44{\"message\":\"the authentication data may have 100 bytes at most\"}");
    ws.send_text("40{\"token\":\"short\"}");
    assert!(ws.text().starts_with("40{"));
    drop(ws);
    assert_all_is_let_go(&server);
    server
}

pub fn a_room_with_a_name_too_long_is_not_joined() -> Server {
    let (server, joins) = keeping(Limits { room_length: 100, ..Limits::default() });
    let mut client = Client::connect(&server);
    assert_eq!(join(&mut client, &joins, 100, 1), Ok(()));
    is_refused(join(&mut client, &joins, 101, 1), "101 bytes; it may have 100");
    server
}

pub fn room_names_too_long_together_are_not_joined() -> Server {
    let (server, joins) = keeping(Limits { room_names: 250, ..Limits::default() });
    let mut client = Client::connect(&server);
    assert_eq!(join(&mut client, &joins, 100, 1), Ok(()));
    assert_eq!(join(&mut client, &joins, 100, 2), Ok(()));
    is_refused(join(&mut client, &joins, 100, 3), "room_names");
    client.emit("\"leave\",100,1");
    assert_eq!(join(&mut client, &joins, 100, 3), Ok(()));
    server
}

pub fn a_session_keeps_no_data_beyond_its_bound() -> Server {
    let (sender, kept) = channel();
    let limits = Limits { session_memory: 4000, ..Limits::default() };
    let server = Server::start(Config { limits, ..one_shard() }, |server| {
        server.of("/").on("data", move |socket, event| {
            let (length,): (usize,) = event.args()?;
            let result = socket.set_data(&"x".repeat(length)).map_err(|error| error.to_string());
            sender.send((result, socket.data::<String>().map_or(0, |data| data.len())))?;
            Ok::<(), Box<dyn std::error::Error>>(())
        });
    });
    let mut client = Client::connect(&server);
    let mut set = |length| {
        client.emit(&format!("\"data\",{length}"));
        receive(&kept)
    };
    assert_eq!(set(2000), (Ok(()), 2000));
    let (refused, left) = set(5000);
    is_refused(refused, "session_memory");
    assert_eq!(left, 2000, "what was there stays");
    assert_eq!(set(2001), (Ok(()), 2001), "what it replaces does not count");
    server
}

pub fn a_session_that_keeps_too_much_joins_no_more() -> Server {
    let (server, joins) = keeping(Limits { session_memory: 4000, ..Limits::default() });
    let mut client = Client::connect(&server);
    let fits = (0..100).take_while(|number| join(&mut client, &joins, 100, *number).is_ok()).count();
    assert!((5..20).contains(&fits), "{fits} rooms");
    // Freed bytes may be used again.
    client.emit("\"leave\",100,0");
    assert_eq!(join(&mut client, &joins, 100, fits), Ok(()));
    is_refused(join(&mut client, &joins, 100, 99), "session_memory");
    drop(client);
    assert_all_is_let_go(&server);

    let mut ws = Client::connect(&server).ws;
    ws.send_text(&format!("40/other,{{\"token\":\"{}\"}}", "x".repeat(4000)));
    ws.expect_text("44/other,{\"message\":\"Invalid namespace\"}");
    server
}

pub fn the_largest_sessions_are_closed_when_all_keep_too_much() -> Server {
    let (server, _) = keeping(Limits { sessions_memory: Some(400_000), ..Limits::default() });
    let mut modest: Vec<Client> = (0..3).map(|_| Client::connect(&server)).collect();
    let mut greedy: Vec<Client> = (0..5).map(|_| Client::connect(&server)).collect();
    for client in &mut modest {
        client.emit(&format!("\"data\",\"{}\"", "x".repeat(1000)));
    }
    for client in &mut greedy {
        client.emit(&format!("\"data\",\"{}\"", "x".repeat(100_000)));
    }
    server.wait_until("some were closed", |_| server.hits("sessions_memory") > 0);
    server.handle().emit("news", ()).expect("JSON");
    for client in &mut modest {
        client.expect("\"news\"");
    }
    assert!(server.metrics().kept_bytes < 400_000);
    drop((modest, greedy));
    assert_all_is_let_go(&server);
    server
}

#[test]
fn no_session_begins_at_the_limit_of_kept_bytes() {
    let (server, _) = keeping(Limits { sessions_memory: Some(1000), ..Limits::default() });
    let mut sessions = Vec::new();
    while server.metrics().kept_bytes <= 1000 {
        sessions.push(Polling::open(&server));
        // The gauge is set at a turn's end. An answer in the next turn proves that it is.
        server.assert_well();
    }
    let mut refused = server.connect();
    refused.send(raw("GET", "polling", "").as_bytes());
    expect_busy(&mut refused);
    for session in sessions {
        session.post_ok("40");
        session.get();
        session.post_ok(&event("\"nothing\""));
    }
    assert_eq!(server.metrics().sessions_closed, 0, "who keeps little is not closed");
}
