//! The limits of half-sent messages and packets.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use kinglet::{Config, Limits};

use crate::support::{Client, Frame, Polling, Server, WebSocket, one_shard, receive};

const SHORT: Duration = Duration::from_millis(50);

/// An event that announces this number of attachments.
fn announcing(attachments: usize) -> String {
    let placeholders: Vec<_> = (0..attachments).map(|num| format!("{{\"_placeholder\":true,\"num\":{num}}}")).collect();
    format!("45{attachments}-[\"parts\",{}]", placeholders.join(","))
}

/// A server that reports which sockets left and why. It answers an event with its number of attachments.
fn start(config: Config) -> (Server, Receiver<(String, String)>) {
    let (sender, left) = channel();
    let server = Server::start(config, |server| {
        server
            .of("/")
            .on("parts", |socket, event| socket.emit("parts", event.attachments().len()))
            .on_disconnect(move |socket, reason| sender.send((socket.id().to_string(), reason.to_string())));
    });
    (server, left)
}

pub fn clients_with_the_most_half_sent_are_cut_off() -> Server {
    let limits = Limits { unfinished: Some(40_000), ..Limits::default() };
    let (server, left) = start(Config { limits, ..one_shard() });

    let (session, _) = Polling::connected(&server);
    let body = "2".repeat(15_000);
    let request = session.post_request(&format!("42[\"post\",\"{body}\"]"));
    let (first, last) = request.split_at(request.len() - 10);
    let mut post = session.send(first);

    let mut greedy = Client::connect(&server);
    let message = WebSocket::masked_frame(0x81, format!("42[\"long\",\"{}\"]", "x".repeat(60_000)).as_bytes());
    greedy.ws.connection.send(&message[..40_000]);
    assert_eq!(receive(&left), (greedy.id.clone(), "transport error".to_owned()));
    greedy.ws.connection.drain_to_end();
    assert_eq!(server.hits("unfinished"), 1);

    post.send(last.as_bytes());
    post.response().assert_is(200, "ok");
    server
}

pub fn a_packet_that_hoards_attachments_is_cut_off() -> Server {
    let limits = Limits { unfinished: Some(40_000), ..Limits::default() };
    let (server, left) = start(Config { limits, ..one_shard() });
    let mut modest = Client::connect(&server);
    modest.ws.send_text(&announcing(2));
    modest.ws.send(0x82, &[1; 1000]);

    let mut hoarder = Client::connect(&server);
    hoarder.ws.send_text(&announcing(3));
    hoarder.ws.send(0x82, &[0; 25_000]);
    hoarder.ws.send(0x82, &[0; 25_000]);
    assert_eq!(receive(&left), (hoarder.id.clone(), "transport error".to_owned()));
    hoarder.ws.connection.drain_to_end();

    modest.ws.send(0x82, &[2; 1000]);
    modest.expect("\"parts\",2");
    assert_eq!(server.hits("unfinished"), 1);
    server
}

pub fn attachments_that_do_not_come_end_the_session() -> Server {
    let limits = Limits { body_timeout: SHORT, ..Limits::default() };
    let (server, left) = start(Config { limits, ping_interval: SHORT, ..one_shard() });
    let mut client = Client::connect(&server);
    client.ws.send_text(&announcing(1));
    loop {
        let frame = client.ws.frame();
        if frame == Frame::close() {
            break;
        }
        assert_eq!(frame, Frame::text("2"));
        client.ws.send_text("3");
    }
    assert_eq!(receive(&left), (client.id.clone(), "forced close".to_owned()));
    assert_eq!(server.hits("body_timeout"), 1);
    server
}
