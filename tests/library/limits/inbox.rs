//! The limit of what waits for an event loop.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use kinglet::{Config, Limits};

use crate::support::{Client, Server, config, one_shard, receive};

/// Long enough to notice something that must not happen.
const SHORT: Duration = Duration::from_millis(200);

/// Room for a few messages of a thousand bytes.
fn limits() -> Limits {
    Limits { inbox: 4096, queued_per_client: Some(64 << 20), ..Limits::default() }
}

fn argument() -> String {
    "x".repeat(1000)
}

/// A server whose event `hold` blocks the event loop until the test lets go. It relays `note` to the others.
fn start(config: Config) -> (Server, Receiver<()>, Sender<()>) {
    let (held, holds) = channel();
    let (let_go, released) = channel();
    let released = Mutex::new(released);
    let server = Server::start(config, |server| {
        server
            .of("/")
            .on("hold", move |_, _| {
                held.send(()).expect("the test listens");
                released.lock().expect("one handler").recv().expect("the test lets go");
            })
            .on("note", |socket, event| socket.broadcast().relay(event));
    });
    (server, holds, let_go)
}

pub fn a_thread_that_emits_to_a_busy_loop_waits() -> Server {
    let (server, holds, let_go) = start(Config { limits: limits(), ..one_shard() });
    let mut client = Client::connect(&server);
    client.emit("\"hold\"");
    receive(&holds);

    let handle = server.handle().clone();
    let (emitted, emits) = channel();
    let feeder = thread::spawn(move || {
        for number in 0..100 {
            handle.emit("fed", (number, argument())).expect("JSON");
            emitted.send(()).expect("the test listens");
        }
    });
    for _ in 0..4 {
        receive(&emits);
    }
    assert!(emits.recv_timeout(SHORT).is_err(), "what there is no room for waits");

    let_go.send(()).expect("the handler waits");
    for number in 0..100 {
        client.expect(&format!("\"fed\",{number},\"{}\"", argument()));
    }
    feeder.join().expect("all was emitted");
    server
}

pub fn a_loop_that_fills_another_s_inbox_reads_nothing_meanwhile() -> Server {
    const NOTES: u64 = 3000;
    let (server, holds, let_go) = start(Config { limits: limits(), ..config(2) });
    let mut clients = Client::connect_many(&server, 2, 2);
    let place = clients.iter().position(|client| client.shard == 0).expect("one on each shard");
    let mut sender = clients.swap_remove(place);
    let place = clients.iter().position(|client| client.shard == 1).expect("one on each shard");
    let mut receiver = clients.swap_remove(place);
    receiver.emit("\"hold\"");
    receive(&holds);

    let before = server.metrics().received;
    let feeder = thread::spawn(move || {
        for number in 0..NOTES {
            sender.emit(&format!("\"note\",{number},\"{}\"", argument()));
        }
        sender
    });
    server.wait_until("notes", |metrics| metrics.received > before);
    let mut received = 0;
    while received != server.metrics().received {
        received = server.metrics().received;
        assert!(holds.recv_timeout(SHORT).is_err());
    }
    assert!(received - before < NOTES / 10, "{received}");

    let_go.send(()).expect("the handler waits");
    for number in 0..NOTES {
        receiver.expect(&format!("\"note\",{number},\"{}\"", argument()));
    }
    feeder.join().expect("all was sent");
    server
}
