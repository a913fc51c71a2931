//! Flow control: a long queue holds its client up, a shared buffer counts once, and no client keeps the loop for
//! itself.

use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use kinglet::{Config, Limits, SocketHandle};

use crate::support::{Client, Connection, Polling, Server, WebSocket, event, one_shard, receive};

/// An argument of this length.
fn long(length: usize) -> String {
    "x".repeat(length)
}

/// A server that sends each `echo` back, with these limits.
fn echoing(limits: Limits) -> Server {
    Server::start(Config { limits, ..one_shard() }, |server| {
        server.of("/").on("echo", |socket, event| {
            let (number, text): (u32, String) = event.args()?;
            socket.emit("back", (number, text))?;
            Ok::<(), Box<dyn std::error::Error>>(())
        });
    })
}

fn echo(number: u32, length: usize) -> String {
    event(&format!("\"echo\",{number},\"{}\"", long(length)))
}

fn back(number: u32, length: usize) -> String {
    event(&format!("\"back\",{number},\"{}\"", long(length)))
}

#[test]
fn a_websocket_is_not_read_while_much_waits_for_its_client() {
    let server = echoing(Limits { hold_up: 10_000, ..Limits::default() });
    let mut client = Client::connect(&server);
    // The kernel's buffers in both directions take less than this.
    let mut sent = 0;
    while server.metrics().held_up == 0 {
        client.ws.send_text(&echo(sent, 20_000));
        sent += 1;
    }
    // Up to one read's worth may be handled beyond the limit.
    let queued = server.metrics().queued_bytes;
    assert!(queued < 200_000, "{queued} bytes wait");
    for number in 0..sent {
        client.ws.expect_text(&back(number, 20_000));
    }
    client.ws.expect_nothing_more();
    assert_eq!(server.metrics().slow_consumers, 0);
}

#[test]
fn a_post_is_answered_when_its_client_has_fetched() {
    let server = echoing(Limits { hold_up: 10_000, ..Limits::default() });
    let (session, _) = Polling::connected(&server);
    let messages: Vec<String> = (0..60).map(|number| echo(number, 1000)).collect();
    let mut post = session.send(&session.post_request(&messages.join("\x1e")));
    server.wait_until("held up", |metrics| metrics.held_up > 0);
    assert!(server.metrics().received < 20);
    let mut received = Vec::new();
    while received.len() < 60 {
        received.extend(session.get().text().split('\x1e').map(str::to_owned));
    }
    assert!(received.iter().cloned().eq((0..60).map(|number| back(number, 1000))));
    post.response().assert_is(200, "ok");
}

#[test]
fn a_post_is_answered_in_the_end_however_much_waits() {
    let server = echoing(Limits { hold_up: 1000, ..Limits::default() });
    let (session, _) = Polling::connected(&server);
    let messages: Vec<String> = (0..10).map(|number| echo(number, 1000)).collect();
    session.post_ok(&messages.join("\x1e"));
    assert_eq!(server.metrics().held_up, 1);
    let expected: Vec<String> = (0..10).map(|number| back(number, 1000)).collect();
    session.get().assert_is(200, &expected.join("\x1e"));
}

#[test]
fn a_websocket_that_probes_is_read_while_its_session_s_post_is_held_up() {
    let limits = Limits { message_rate: Some(10), hold_up: 10_000, ..Limits::default() };
    let server = echoing(limits);
    let (session, _) = Polling::connected(&server);
    let messages: Vec<String> = (0..40).map(|number| echo(number, 1000)).collect();
    let mut post = session.send(&session.post_request(&messages.join("\x1e")));
    server.wait_until("held up", |_| server.hits("message_rate") > 0);
    let mut probe = WebSocket::probe(&server, &session.sid);
    probe.send_text("2probe");
    probe.expect_text("3probe");
    post.response().assert_is(200, "ok");
    probe.send_text("5");
    for number in 0..40 {
        probe.expect_text(&back(number, 1000));
    }
    probe.send_text(&echo(40, 1));
    probe.expect_text(&back(40, 1));
}

#[test]
fn a_buffer_that_many_clients_wait_for_counts_once() {
    let server = Server::start(one_shard(), |_| {});
    let sessions: Vec<Polling> = (0..50).map(|_| Polling::connected(&server).0).collect();
    server.handle().emit("all", long(100_000)).expect("JSON");
    server.wait_until("queued", |metrics| metrics.delivered == 100);
    // The gauge is set at a turn's end. An answer in the next turn proves that it is.
    server.assert_well();
    let queued = server.metrics().queued_bytes;
    assert!((100_000..110_000).contains(&queued), "{queued} bytes wait");
    for session in &sessions {
        session.get().assert_is(200, &event(&format!("\"all\",\"{}\"", long(100_000))));
    }
    server.wait_until("nothing waits", |metrics| metrics.queued_bytes == 0);
}

#[test]
fn the_client_that_holds_most_alone_is_cut_off_first_and_one_that_shares_is_not() {
    let (sender, left) = channel();
    let limits = Limits { queued: Some(2_000_000), hold_up: 10_000, ..Limits::default() };
    let server = Server::start(Config { limits, ..one_shard() }, |server| {
        server.of("/").on_disconnect(move |socket, _| sender.send(socket.id().to_string()));
    });
    let sharing: Vec<_> = (0..10).map(|_| Polling::connected(&server)).collect();
    let (_alone, id) = Polling::connected(&server);
    server.handle().emit("all", long(300_000)).expect("JSON");
    server.handle().to(&*id).emit("own", long(900_000)).expect("JSON");
    assert_eq!(receive(&left), id);
    for (session, _) in &sharing {
        session.get().assert_is(200, &event(&format!("\"all\",\"{}\"", long(300_000))));
    }
    assert_eq!((server.hits("queued"), server.metrics().slow_consumers), (1, 1));
}

#[test]
fn a_program_knows_how_much_waits_for_a_client() {
    let (sender, told): (_, Receiver<usize>) = channel();
    let server = Server::start(one_shard(), |server| {
        server.of("/").on("fill", move |socket, _| {
            socket.emit("long", long(1000))?;
            sender.send(socket.queued_bytes())?;
            Ok::<(), Box<dyn std::error::Error>>(())
        });
    });
    let (session, id) = Polling::connected(&server);
    session.post_ok(&event("\"fill\""));
    let queued = receive(&told);
    assert!((1000..1200).contains(&queued), "{queued}");
    let (sender, handles) = channel();
    server.handle().to(&*id).fetch_sockets(move |sockets| {
        // A test that has failed does not wait for it.
        let _ = sender.send(sockets.expect("no other servers"));
    });
    let handle = SocketHandle::clone(&receive(&handles)[0]);
    handle.emit("more", long(1000)).expect("JSON");
    let more = handle.queued_bytes().expect("it is there");
    assert!((queued + 1000..queued + 1200).contains(&more), "{more}");
    session.post_ok("1");
    server.wait_until("gone", |metrics| metrics.sockets == 0);
    assert_eq!(handle.queued_bytes(), None);
}

/// A server with an event `work` that takes a while. It reports when the first has begun.
fn working(limits: Limits) -> (Server, Receiver<()>) {
    let (sender, begun) = channel();
    let server = Server::start(Config { limits, ..one_shard() }, |server| {
        server.of("/").on("work", move |_, _| {
            let _ = sender.send(());
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_micros(300) {}
        });
    });
    (server, begun)
}

/// More than any turn has time for.
const WORK: u64 = 1000;

/// Asks for `/` once the work has begun, and panics unless the answer comes before all work is done.
fn assert_answered_on_the_way(server: &Server, begun: &Receiver<()>) {
    receive(begun);
    let begin = server.metrics().received;
    server.assert_well();
    let received = server.metrics().received;
    assert!(received < begin + WORK / 2, "{} of {WORK} were handled before", received - begin);
    server.wait_until("all handled", |metrics| metrics.received >= WORK);
}

#[test]
fn a_websocket_that_sends_much_at_once_gets_its_share_of_a_turn() {
    let (server, begun) = working(Limits::default());
    let mut client = Client::connect(&server);
    let frame = WebSocket::masked_frame(0x81, event("\"work\"").as_bytes());
    client.ws.connection.send(&frame.repeat(WORK as usize));
    assert_answered_on_the_way(&server, &begun);
    client.ws.expect_nothing_more();
}

#[test]
fn a_post_of_many_packets_gets_its_share_of_a_turn() {
    let (server, begun) = working(Limits::default());
    let (session, _) = Polling::connected(&server);
    let mut post = session.send(&session.post_request(&vec![event("\"work\""); WORK as usize].join("\x1e")));
    assert_answered_on_the_way(&server, &begun);
    post.response().assert_is(200, "ok");
}

#[test]
fn requests_sent_in_one_go_are_all_answered_in_order() {
    let server = Server::start(one_shard(), |_| {});
    let mut connection: Connection = server.connect();
    connection.send("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n".repeat(3000).as_bytes());
    for _ in 0..3000 {
        connection.response().assert_is(200, "all good");
    }
}

#[test]
fn joins_of_many_sockets_take_several_turns_and_keep_their_order() {
    let server = Server::start(one_shard(), |_| {});
    let mut clients: Vec<Client> = (0..60).map(|_| Client::connect(&server)).collect();
    let rooms: Vec<String> = (0..500).map(|number| format!("room-{number}")).collect();
    server.handle().sockets_join(rooms.clone());
    server.handle().to("room-499").emit("joined", ()).expect("JSON");
    server.handle().sockets_leave(rooms);
    server.handle().to("room-499").emit("left", ()).expect("JSON");
    server.handle().emit("last", ()).expect("JSON");
    for client in &mut clients {
        client.expect("\"joined\"");
        client.expect("\"last\"");
    }
    assert_eq!(server.all_rooms("/").len(), clients.len(), "the rooms of their ids are left");
}

/// The first and the second half of bytes.
fn halves(bytes: &[u8]) -> [Vec<u8>; 2] {
    let (first, second) = bytes.split_at(bytes.len() / 2);
    [first.to_vec(), second.to_vec()]
}

#[test]
fn a_client_with_a_large_message_waits_for_room_while_many_send_one() {
    const CLIENTS: usize = 20;
    const LENGTH: usize = 100_000;
    // A sixth of the clients' total, so that even half of all messages would exceed it.
    let limits = Limits { unfinished: Some(1_000_000), ..Limits::default() };
    let config = Config { max_http_buffer_size: LENGTH + 1000, limits, ..one_shard() };
    let server = Server::start(config, |server| {
        server.of("/").on("long", |socket, event| {
            let attached = event.attachments().iter().map(|bytes| bytes.len()).sum::<usize>();
            let length = if attached > 0 { attached } else { event.args::<(String,)>()?.0.len() };
            socket.emit("length", length)?;
            Ok::<(), Box<dyn std::error::Error>>(())
        });
    });
    let message = event(&format!("\"long\",\"{}\"", long(LENGTH)));
    let texts = halves(&WebSocket::masked_frame(0x81, message.as_bytes()));
    let placeholders = "{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}";
    let head = WebSocket::masked_frame(0x81, format!("452-[\"long\",{placeholders}]").as_bytes());
    let attachment = WebSocket::masked_frame(0x82, &[7; LENGTH / 2]);
    let attached = [[head, attachment.clone()].concat(), attachment];
    let all_have_begun = std::sync::Barrier::new(3 * CLIENTS);
    std::thread::scope(|scope| {
        for number in 0..3 * CLIENTS {
            let (server, texts, attached, all_have_begun) = (&server, &texts, &attached, &all_have_begun);
            let (message, expected) = (&message, event(&format!("\"length\",{LENGTH}")));
            scope.spawn(move || {
                if number < CLIENTS {
                    let (session, _) = Polling::connected(server);
                    let [first, second] = halves(session.post_request(message).as_bytes());
                    let mut post = server.connect();
                    post.send(&first);
                    all_have_begun.wait();
                    post.send(&second);
                    post.response().assert_is(200, "ok");
                    session.get().assert_is(200, &expected);
                } else {
                    let mut client = Client::connect(server);
                    let [first, second] = if number < 2 * CLIENTS { texts } else { attached };
                    client.ws.connection.send(first);
                    all_have_begun.wait();
                    client.ws.connection.send(second);
                    client.ws.expect_text(&expected);
                }
            });
        }
    });
    assert_eq!(server.hits("unfinished"), 0);
    assert!(server.metrics().held_up > 0, "nobody waited");
}
