//! The memory guard, with less memory than any process uses.

use std::sync::mpsc::channel;
use std::time::Instant;

use kinglet::{Config, Limits};

use crate::support::{Client, PATIENCE, Polling, Server, WebSocket, event, expect_busy, one_shard, raw, receive};

/// More than the kernel keeps for a connection.
const HUGE: usize = 8 << 20;

fn start(limits: Limits) -> Server {
    let limits = Limits { max_connections: Some(1000), queued: Some(usize::MAX), ..limits };
    Server::start(Config { memory: Some(1 << 20), limits, ..one_shard() }, |_| {})
}

pub fn a_session_without_memory_for_it_gets_503() -> Server {
    let server = start(Limits::default());
    for request in [raw("GET", "polling", ""), WebSocket::request("EIO=4&transport=websocket")] {
        let mut connection = server.connect();
        connection.send(request.as_bytes());
        expect_busy(&mut connection);
    }
    server.assert_well();
    assert_eq!((server.hits("memory_refuse"), server.metrics().sessions), (2, 0));
    server
}

/// Waits until the guard has closed `clients` clients. It looks when something happens.
fn wait_until_shed(server: &Server, clients: u64) {
    let begin = Instant::now();
    while server.hits("memory_shed") < clients {
        assert!(begin.elapsed() < PATIENCE, "only {} were closed", server.hits("memory_shed"));
        server.assert_well();
    }
    assert_eq!(server.hits("memory_shed"), clients);
}

pub fn clients_that_hold_most_are_closed_and_one_that_holds_little_is_not() -> Server {
    let server = start(Limits { memory_refuse: None, ..Limits::default() });
    let mut reading = Client::connect(&server);
    let mut deaf = Client::connect(&server);
    let (keeping, id) = Polling::connected(&server);
    let (idle, _) = Polling::connected(&server);
    let mut held = idle.hold(&server);
    server.handle().to(&*deaf.id).emit("long", "x".repeat(HUGE)).expect("JSON");
    wait_until_shed(&server, 1);
    deaf.ws.connection.drain_to_end();
    let (sender, sockets) = channel();
    server.handle().to(&*id).fetch_sockets(move |found| {
        // A test that has failed does not wait for them.
        let _ = sender.send(found.expect("no other servers"));
    });
    receive(&sockets)[0].set_data(&"x".repeat(100_000)).expect("JSON");
    wait_until_shed(&server, 2);
    keeping.get().assert_is(400, "{\"code\":1,\"message\":\"Session ID unknown\"}");
    server.handle().emit("news", ()).expect("JSON");
    reading.expect("\"news\"");
    held.response().assert_is(200, &event("\"news\""));
    assert_eq!((server.hits("memory_shed"), server.hits("memory_refuse"), server.metrics().slow_consumers), (2, 0, 1));
    server
}
