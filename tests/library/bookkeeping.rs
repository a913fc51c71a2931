//! Clients that have gone, in whatever way, leave nothing behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use kinglet::{Config, Refusal};

use crate::support::{Client, Polling, Server, WebSocket, config, event, raw, socket_id};

const ROUNDS: usize = 20;
const SHARDS: u8 = 3;

/// Sockets that joined and that left.
#[derive(Default)]
struct Count {
    joined: AtomicU64,
    left: AtomicU64,
    acks: AtomicU64,
}

fn start(count: &Arc<Count>) -> Server {
    // Long enough that a busy machine does not lose living clients, short enough to notice dead ones soon.
    let pulse = Duration::from_secs(1);
    let config = Config { ping_interval: pulse, ping_timeout: pulse, ..config(SHARDS.into()) };
    let (joined, left) = (Arc::clone(count), Arc::clone(count));
    Server::start(config, |server| {
        server.allow_request(|handshake| match handshake.header("x-unwelcome") {
            Some(_) => Err("unwelcome".to_owned()),
            None => Ok(()),
        });
        let root = server.of("/");
        root.on_connect(move |socket| {
            joined.joined.fetch_add(1, Relaxed);
            socket.join("everybody").expect("there is room");
            socket.join(format!("room of {}", socket.id())).expect("there is room");
            socket.set_data(&"data").expect("JSON");
            let count = Arc::clone(&joined);
            let heard = move |_: &kinglet::Socket, _| {
                count.acks.fetch_add(1, Relaxed);
            };
            socket.emit_with_ack("question", (), Duration::from_secs(600), heard).expect("JSON");
        });
        root.on("kick", |socket, _| socket.disconnect(true));
        root.on("panic", |_, _| -> () { panic!("a handler that panics") });
        root.on_disconnect(move |_, _| {
            left.left.fetch_add(1, Relaxed);
        });
        server.of("/quiet");
        server.of("/closed").middleware(|_| Err(Refusal::new("closed")));
    })
}

/// A client on a WebSocket, past the question it is asked.
fn client(server: &Server) -> Client {
    let mut client = Client::connect(server);
    assert!(client.ws.text().ends_with("[\"question\"]"));
    client
}

fn polling(server: &Server) -> Polling {
    let session = Polling::open(server);
    session.post_ok("40");
    assert!(session.get().text().ends_with("[\"question\"]"));
    session
}

/// Clients that come by WebSocket, and how they go.
fn websockets(server: &Server) {
    let mut closing = client(server);
    closing.ws.send(0x88, &1000u16.to_be_bytes());
    assert_eq!(closing.ws.frame().first, 0x88);
    closing.ws.connection.expect_end();

    drop(client(server));
    client(server).ws.send_text("41");
    client(server).ws.send_text("1");
    client(server).ws.send_text("nonsense");
    client(server).ws.send(0xff, b"a broken frame");
    client(server).ws.send(0x01, b"42[\"never finished\"");
    client(server).ws.send_text("452-[\"two attachments are due\",1,2]");
    client(server).emit("\"panic\"");
    client(server).ws.connection.finish_sending();

    let mut kicked = client(server);
    kicked.emit("\"kick\"");
    kicked.ws.expect_text("41");
    kicked.ws.expect_close();

    let (mut refused, _) = WebSocket::open(server);
    refused.send_text("40/closed,");
    refused.expect_text("44/closed,{\"message\":\"closed\"}");
    drop(WebSocket::open(server));

    let deaf = client(server);
    server.handle().to(&*deaf.id).emit("long", "x".repeat(4 << 20)).expect("JSON");
}

/// Clients that come by polling, and how they go.
fn pollers(server: &Server) {
    polling(server).post_ok("41");
    polling(server).post_ok("1");
    polling(server).post_ok("nonsense");
    let kicked = polling(server);
    kicked.post_ok(&event("\"kick\""));
    kicked.get().assert_is(200, "41");
    kicked.get().assert_is(200, "6\x1e1");
    drop(polling(server));
    drop(Polling::open(server));

    let holding = polling(server);
    drop(holding.send(&holding.get_request()));
    let posting = polling(server);
    let request = posting.post_request("42[\"never whole\"]");
    drop(posting.send(&request[..request.len() - 3]));
    let overlapping = polling(server);
    let _first = overlapping.send(&overlapping.get_request());
    let _second = overlapping.send(&overlapping.get_request());

    let upgrading = polling(server);
    WebSocket::probe(server, &upgrading.sid).send_text("2probe");
    let upgraded = polling(server);
    let mut ws = WebSocket::probe(server, &upgraded.sid);
    ws.send_text("2probe");
    ws.expect_text("3probe");
    ws.send_text("5");
    ws.expect_nothing_more();

    let unfetched = Polling::open(server);
    unfetched.post_ok("40/quiet,");
    server.handle().of("/quiet").emit("for nobody who fetches", "x".repeat(1000)).expect("JSON");
}

/// Connections that never become clients.
fn strangers(server: &Server) {
    drop(server.connect());
    server.connect().send(b"GET /socket.io/?EI");
    server.connect().send(b"\x16\x03\x01 no HTTP at all\r\n\r\n");
    for transport in ["polling", "websocket"] {
        let mut connection = server.connect();
        connection.send(raw("GET", transport, "X-Unwelcome: 1\r\nConnection: close\r\n").as_bytes());
        assert!(matches!(connection.response().status, 400 | 403));
    }
    let mut connection = server.connect();
    connection.send(raw("POST", "polling&sid=unknown", "Content-Length: 100\r\n").as_bytes());
    assert_eq!(connection.response().status, 400);
}

#[test]
fn departed_clients_leave_nothing_behind() {
    let count = Arc::new(Count::default());
    let server = start(&count);
    std::thread::scope(|scope| {
        for kind in [websockets, pollers, strangers] {
            let server = &server;
            scope.spawn(move || (0..ROUNDS).for_each(|_| kind(server)));
        }
    });
    server.wait_until("nothing left", |metrics| {
        (metrics.connections, metrics.sessions, metrics.sockets, metrics.queued_bytes) == (0, 0, 0, 0)
    });
    ["/", "/quiet", "/closed"].iter().for_each(|name| assert_eq!(server.all_rooms(name), [""; 0]));
    let metrics = server.metrics();
    assert_eq!(metrics.handshakes, metrics.sessions_closed);
    assert!(metrics.handshakes >= 25 * ROUNDS as u64, "{metrics:?}");
    let (joined, left) = (count.joined.load(Relaxed), count.left.load(Relaxed));
    assert_eq!((joined, joined), (left, count.acks.load(Relaxed)));
    assert_eq!(metrics.handler_panics, ROUNDS as u64);

    let (mut ws, _) = WebSocket::open(&server);
    ws.send_text("40");
    let id = socket_id(&ws.text());
    let mut rooms = vec![format!("room of {id}"), id, "everybody".to_owned()];
    rooms.sort_unstable();
    assert_eq!(server.all_rooms("/"), rooms);
}
