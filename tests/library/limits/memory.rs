//! The memory guard, with less memory than any process has in use.

use kinglet::{Config, Limits};

use crate::support::{Client, Polling, Server, WebSocket, expect_busy, one_shard, raw};

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

pub fn the_longest_queue_and_idle_polling_sessions_are_closed() -> Server {
    let server = start(Limits { memory_refuse: None, ..Limits::default() });
    let mut reading = Client::connect(&server);
    let mut deaf = Client::connect(&server);
    let (session, _) = Polling::connected(&server);
    let mut held = session.hold(&server);
    server.handle().to(&*deaf.id).emit("long", "x".repeat(HUGE)).expect("JSON");
    // The guard looks when something happens.
    while server.hits("memory_shed") < 2 {
        server.assert_well();
    }
    held.response().assert_is(200, "1");
    deaf.ws.connection.drain_to_end();
    server.handle().emit("news", ()).expect("JSON");
    reading.expect("\"news\"");
    assert_eq!((server.hits("memory_shed"), server.hits("memory_refuse"), server.metrics().slow_consumers), (2, 0, 1));
    server
}
