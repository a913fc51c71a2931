//! The limits of messages, packets, namespaces and rooms.

use std::sync::mpsc::channel;
use std::time::Duration;

use kinglet::{AckError, Answers, Config, Limits, MissingAnswers};

use super::limited;
use crate::support::{Client, Frame, Server, WebSocket, one_shard, receive, socket_id};

/// Runs `act` on a client that is to hit a limit. Returns the server, and the reason with which the socket left.
fn reason_after(config: Config, act: impl FnOnce(&mut Client)) -> (Server, String) {
    let (sender, reasons) = channel();
    let server = Server::start(config, |server| {
        server.of("/").on_disconnect(move |_, reason| sender.send(reason.to_string()));
    });
    act(&mut Client::connect(&server));
    let reason = receive(&reasons);
    server.assert_well();
    (server, reason)
}

pub fn a_message_too_long_closes_with_1009() -> Server {
    let config = Config { max_http_buffer_size: 100, ..one_shard() };
    let (server, reason) = reason_after(config, |client| {
        client.ws.send(0x81, &[b'x'; 101]);
        client.ws.expect(&Frame::close_with(1009));
        client.ws.answer_close();
    });
    assert_eq!((reason.as_str(), server.hits("max_http_buffer_size")), ("transport error", 1));
    server
}

pub fn a_message_of_too_many_fragments_closes_with_1008() -> Server {
    let limits = Limits { fragments: 2, ..Limits::default() };
    let (server, reason) = reason_after(Config { limits, ..one_shard() }, |client| {
        client.ws.send(0x01, b"42[");
        client.ws.send(0x80, b"\"two\"]");
        client.ws.expect_nothing_more();
        [(0x01, "42["), (0x00, "\"three\""), (0x80, "]")].iter().for_each(|(first, part)| {
            client.ws.send(*first, part.as_bytes());
        });
        let close = client.ws.frame();
        assert_eq!((close.first, close.payload.get(..2)), (0x88, Some(&1008u16.to_be_bytes()[..])));
        client.ws.answer_close();
    });
    assert_eq!((reason.as_str(), server.hits("fragments")), ("transport error", 1));
    server
}

pub fn too_many_attachments_end_the_session() -> Server {
    let limits = Limits { attachments: 1, ..Limits::default() };
    let (server, reason) = reason_after(Config { limits, ..one_shard() }, |client| {
        client.ws.send_text("451-[\"one\",{\"_placeholder\":true,\"num\":0}]");
        client.ws.send(0x82, b"data");
        client.ws.expect_nothing_more();
        client.ws.send_text("452-[\"two\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]");
        client.ws.expect_close();
    });
    assert_eq!((reason.as_str(), server.hits("attachments")), ("forced close", 1));
    server
}

pub fn json_too_deep_ends_the_session() -> Server {
    let limits = Limits { json_depth: 3, ..Limits::default() };
    let (server, reason) = reason_after(Config { limits, ..one_shard() }, |client| {
        client.emit("\"three\",[{}]");
        client.ws.expect_nothing_more();
        client.emit("\"four\",[{\"a\":[]}]");
        client.ws.expect_close();
    });
    assert_eq!((reason.as_str(), server.hits("json_depth")), ("forced close", 1));
    server
}

pub fn one_namespace_too_many_is_refused() -> Server {
    let limits = Limits { namespaces_per_session: 2, ..Limits::default() };
    let server = Server::start(Config { limits, ..one_shard() }, |server| {
        ["/a", "/b"].iter().for_each(|name| drop(server.of(name).name().to_owned()));
    });
    let mut client = Client::connect(&server);
    client.ws.send_text("40/a,");
    socket_id(&client.ws.text());
    client.ws.send_text("40/b,");
    client.ws.expect_text("44/b,{\"message\":\"a session may join 2 namespaces at most\"}");
    client.ws.send_text("41/a,");
    client.ws.send_text("40/b,");
    socket_id(&client.ws.text());
    assert_eq!(server.hits("namespaces_per_session"), 1);
    server
}

/// A server that lets clients join and leave rooms, and answers with the result.
fn with_rooms(limits: Limits) -> Server {
    Server::start(Config { limits, ..one_shard() }, |server| {
        let root = server.of("/");
        root.on("join", |socket, event| {
            let (room,): (String,) = event.args().expect("a room");
            event.ack(socket.join(room).err().map(|error| error.to_string())).expect("JSON");
        });
        root.on("leave", |socket, event| {
            let (room,): (String,) = event.args().expect("a room");
            socket.leave(room);
        });
    })
}

fn join(client: &mut Client, room: &str) -> String {
    client.ws.send_text(&format!("420[\"join\",\"{room}\"]"));
    client.ws.text()
}

pub fn a_socket_in_too_many_rooms_joins_no_more() -> Server {
    let server = with_rooms(Limits { rooms_per_socket: 1, ..Limits::default() });
    let mut client = Client::connect(&server);
    let own = client.id.clone();
    ["a", "a", &own].iter().for_each(|room| assert_eq!(join(&mut client, room), "430[null]", "{room}"));
    let refused = "430[\"the socket is in 1 rooms already, as many as one may be (rooms_per_socket)\"]";
    assert_eq!(join(&mut client, "b"), refused);
    client.emit("\"leave\",\"a\"");
    assert_eq!(join(&mut client, "b"), "430[null]");
    assert_eq!(server.hits("rooms_per_socket"), 1);
    server
}

pub fn a_room_beyond_the_limit_is_not_created() -> Server {
    let server = with_rooms(Limits { rooms: 2, ..Limits::default() });
    let (mut one, mut other) = (Client::connect(&server), Client::connect(&server));
    ["a", "b"].iter().for_each(|room| assert_eq!(join(&mut one, room), "430[null]"));
    assert_eq!(join(&mut other, "c"), "430[\"there are 2 rooms already, as many as may be (rooms)\"]");
    assert_eq!(join(&mut other, "a"), "430[null]");
    drop(one);
    server.wait_until("one left", |metrics| metrics.sockets == 1);
    assert_eq!(join(&mut other, "c"), "430[null]");
    assert_eq!(server.hits("rooms"), 1);
    server
}

pub fn the_oldest_question_is_given_up() -> Server {
    let (sender, answers) = channel();
    let limits = Limits { unanswered_acks: 1, ..Limits::default() };
    let server = Server::start(Config { limits, ..one_shard() }, |server| {
        server.of("/").on_connect(move |socket| {
            for number in 0..2 {
                let sender = sender.clone();
                let heard = move |_: &kinglet::Socket, answer: Result<_, AckError>| {
                    let _ = sender.send((number, answer.map(drop)));
                };
                socket.emit_with_ack("question", number, Duration::from_secs(600), heard).expect("JSON");
            }
        });
    });
    let client = Client::connect(&server);
    assert_eq!(receive(&answers), (0, Err(AckError::Dropped)));
    assert_eq!(server.hits("unanswered_acks"), 1);
    drop(client);
    assert_eq!(receive(&answers), (1, Err(AckError::Disconnected)));
    server
}

pub fn an_answer_too_many_to_a_broadcast_is_missing() -> Server {
    let (sender, answers) = channel();
    let server = limited(Limits { collected_answers: 200, ..Limits::default() });
    let ask = |clients: &mut [Client]| {
        let sender = sender.clone();
        let heard = move |answers| sender.send(answers).expect("the test waits");
        server
            .handle()
            .emit_with_ack("question", (), Duration::from_secs(600), heard)
            .expect("a name that may be used");
        for client in clients {
            let question = client.ws.text();
            let id = question.trim_start_matches("42").trim_end_matches("[\"question\"]");
            client.ws.send_text(&format!("43{id}[\"answer\"]"));
        }
        receive(&answers)
    };
    let mut clients = [Client::connect(&server), Client::connect(&server)];
    let missing = ask(&mut clients).expect_err("there is room for one answer");
    assert_eq!((missing.answers.len(), missing.missing), (1, 1));
    assert_eq!(server.hits("collected_answers"), 1);
    let [one, other] = clients;
    drop(other);
    server.wait_until("one left", |metrics| metrics.sockets == 1);
    assert_eq!(ask(&mut [one]).expect("the room is free again").len(), 1);
    server
}

pub fn a_collection_beyond_the_limit_ends_the_one_with_the_most_time_left() -> Server {
    let (sender, answers) = channel();
    let server = limited(Limits { collections: 2, ..Limits::default() });
    let mut client = Client::connect(&server);
    let mut ask = |seconds| {
        let sender = sender.clone();
        let heard = move |answers: Result<Answers, MissingAnswers>| {
            let all = answers.map(|answers| answers.len()).map_err(|late| late.missing);
            sender.send((seconds, all)).expect("the test waits");
        };
        server.handle().emit_with_ack("question", seconds, Duration::from_secs(seconds), heard).expect("JSON");
        client.ws.text()
    };
    let questions = [600, 700, 500].map(&mut ask);
    assert_eq!(receive(&answers), (700, Err(1)));
    assert_eq!(server.hits("collections"), 1);
    for question in questions {
        let id = question.trim_start_matches("42").split('[').next().unwrap_or_default();
        client.ws.send_text(&format!("43{id}[]"));
    }
    assert_eq!([receive(&answers), receive(&answers)], [(600, Ok(1)), (500, Ok(1))]);
    server
}

#[test]
fn a_server_that_meets_no_limit_counts_none() {
    let server = limited(Limits::default());
    let (mut ws, _) = WebSocket::open(&server);
    ws.send_text("40");
    socket_id(&ws.text());
    assert!(server.metrics().limits_hit.iter().all(|(_, hits)| *hits == 0));
}
