//! A fan-out to polling clients: clients that want the same share one answer, and no client gets another's.

use std::io::Read;

use flate2::read::GzDecoder;

use crate::support::{Client, Polling, Server, event, one_shard};

#[test]
fn each_polling_client_gets_the_answer_it_asked_for() {
    let server = Server::start(one_shard(), |server| {
        server.of("/").on("go", |socket, event| {
            let (marked,): (String,) = event.args()?;
            socket.to(marked).emit("own", ())?;
            socket.broadcast().emit("all", "x".repeat(2000))
        });
    });
    let headers = ["", "Accept-Encoding: gzip\r\n", "", "Connection: close\r\n", "Accept-Encoding: gzip\r\n", ""];
    let clients: Vec<_> = headers.iter().map(|headers| (headers, Polling::connected(&server))).collect();
    let mut held: Vec<_> =
        clients.iter().map(|(headers, (session, _))| (*headers, session.hold_with(&server, headers))).collect();
    let marked = clients.len() - 1;
    let mut sender = Client::connect(&server);
    sender.emit(&format!("\"go\",\"{}\"", clients[marked].1.1));

    let all = event(&format!("\"all\",\"{}\"", "x".repeat(2000)));
    for (place, (headers, connection)) in held.iter_mut().enumerate() {
        let response = connection.response();
        let mut text = String::new();
        if headers.contains("gzip") {
            assert_eq!(response.header("content-encoding").as_deref(), Some("gzip"));
            GzDecoder::new(&response.body[..]).read_to_string(&mut text).expect("gzip");
        } else {
            text = response.text();
        }
        assert_eq!(response.header("connection").is_some(), headers.contains("close"));
        let own = if place == marked { event("\"own\"") + "\x1e" } else { String::new() };
        assert_eq!(text, own + &all, "{place}");
    }
}

#[test]
fn more_polls_than_a_turn_answers_are_all_answered() {
    let mut config = one_shard();
    config.limits.writes_per_turn = 2;
    let server = Server::start(config, |_| {});
    let sessions: Vec<_> = (0..7).map(|_| Polling::connected(&server).0).collect();
    let mut held: Vec<_> = sessions.iter().map(|session| session.hold(&server)).collect();
    server.handle().emit("all", 1).expect("JSON");
    for connection in &mut held {
        connection.response().assert_is(200, &event("\"all\",1"));
    }
}
