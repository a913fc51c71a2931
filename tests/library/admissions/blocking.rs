//! Middlewares and handlers of new sockets that block.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Barrier, Mutex};

use kinglet::{Config, Limits, Refusal, SocketHandle};
use serde_json::Value;

use crate::support::{Client, Server, WebSocket, one_shard, receive, socket_id};

/// A look-up that says who has come, and takes until the test lets it go on.
fn look_up() -> (impl Fn(&SocketHandle) + Send + Sync + 'static, Receiver<u64>, Sender<()>) {
    let ((sender, begun), (go, goes)) = (channel(), channel::<()>());
    let goes = Mutex::new(goes);
    let look = move |socket: &SocketHandle| {
        let number = socket.auth::<Value>().and_then(|auth| auth["number"].as_u64());
        // A test that has failed does not hear it, and lets everything go on.
        let _ = sender.send(number.unwrap_or_default());
        let _ = goes.lock().expect("no look-up panics").recv();
    };
    (look, begun, go)
}

/// Settings with one thread that may block, and room for `waiting` who wait for it.
fn one_thread(waiting: usize) -> Config {
    let limits = Limits { blocking_queue: waiting, ..Limits::default() };
    Config { blocking_threads: 1, limits, ..one_shard() }
}

/// A client with this number that has asked for `/`.
fn ask(server: &Server, number: u64) -> WebSocket {
    let (mut ws, _) = WebSocket::open(server);
    ws.send_text(&format!("40{{\"number\":{number}}}"));
    ws
}

#[test]
fn a_look_up_lets_clients_in_and_refuses_others_while_all_are_served() {
    let (look, begun, go) = look_up();
    let server = Server::start(one_thread(10), |server| {
        server
            .of("/")
            .middleware_blocking(move |socket| {
                look(socket);
                match socket.auth::<Value>().map(|auth| auth["number"] == 1) {
                    Some(true) => {
                        socket.join("known");
                        Ok(())
                    }
                    _ => Err(Refusal::new("who?").data(&1).expect("a number is JSON")),
                }
            })
            .on_connect(|socket| socket.emit("rooms", socket.rooms().len()));
        server.of("/open");
    });
    let (mut first, mut second) = (ask(&server, 1), ask(&server, 2));
    assert_eq!(receive(&begun), 1);
    first.send_text("40/open,");
    assert!(first.text().starts_with("40/open,{\"sid\":"));
    server.assert_well();
    go.send(()).expect("a look-up");
    socket_id(&first.text());
    first.expect_text("42[\"rooms\",2]");
    go.send(()).expect("a look-up");
    second.expect_text(r#"44{"message":"who?","data":1}"#);
}

#[test]
fn look_ups_run_beside_each_other() {
    const THREADS: usize = 4;
    let together = Barrier::new(THREADS);
    let server = Server::start(Config { blocking_threads: THREADS, ..one_shard() }, |server| {
        server.of("/").middleware_blocking(move |_| {
            together.wait();
            Ok(())
        });
    });
    let mut clients: Vec<_> = (0..2 * THREADS as u64).map(|number| ask(&server, number)).collect();
    for client in &mut clients {
        socket_id(&client.text());
    }
}

#[test]
fn a_look_up_that_panics_refuses_with_an_internal_error() {
    let server = Server::start(one_thread(1), |server| {
        server.of("/").middleware_blocking(|_| panic!("a look-up that panics"));
    });
    for panics in 1..=2 {
        ask(&server, 1).expect_text(r#"44{"message":"internal error"}"#);
        server.wait_until("a panic counted", |metrics| metrics.handler_panics == panics);
    }
}

#[test]
fn a_client_beyond_the_queue_is_closed_not_refused() {
    let (look, begun, go) = look_up();
    let server = Server::start(one_thread(1), |server| {
        server.of("/").middleware_blocking(move |socket| {
            look(socket);
            Ok(())
        });
    });
    let mut first = ask(&server, 1);
    assert_eq!(receive(&begun), 1);
    let mut second = ask(&server, 2);
    server.wait_until("it waits", |metrics| metrics.admissions_waiting == 2);
    ask(&server, 3).expect_close();
    server.wait_for_hits("blocking_queue", 1);
    drop(go);
    socket_id(&first.text());
    socket_id(&second.text());
    assert_eq!(server.metrics().handler_errors, 0);
}

#[test]
fn a_client_that_has_left_is_not_looked_up() {
    let (look, begun, go) = look_up();
    let server = Server::start(one_thread(10), |server| {
        server.of("/").middleware_blocking(move |socket| {
            look(socket);
            Ok(())
        });
    });
    let first = ask(&server, 1);
    assert_eq!(receive(&begun), 1);
    let second = ask(&server, 2);
    server.wait_until("it waits", |metrics| metrics.admissions_waiting == 2);
    drop(second);
    server.wait_until("it has left", |metrics| metrics.admissions_waiting == 1);
    let mut third = ask(&server, 3);
    go.send(()).expect("a look-up");
    assert_eq!(receive(&begun), 3);
    drop(go);
    socket_id(&third.text());
    drop(first);
}

#[test]
fn a_handler_of_new_sockets_may_block() {
    let (look, begun, go) = look_up();
    let server = Server::start(one_thread(10), |server| {
        server
            .of("/")
            .on_connect_blocking(move |socket| {
                look(socket);
                socket.emit("history", "all")
            })
            .on_connect_blocking(|_| Err::<(), _>("a handler that fails"))
            .on("echo", |socket, event| socket.emit("echo", event.arguments().clone()));
    });
    let mut client = Client::connect(&server);
    receive(&begun);
    client.emit("\"echo\",1");
    client.expect("\"echo\",1");
    go.send(()).expect("a handler");
    client.expect("\"history\",\"all\"");
    server.wait_until("an error counted", |metrics| metrics.handler_errors == 1);
}

#[test]
fn a_new_socket_whose_handler_finds_no_room_is_closed() {
    let (sender, left) = channel();
    let server = Server::start(one_thread(0), |server| {
        server.of("/").on_connect_blocking(|_| ()).on_disconnect(move |_, reason| sender.send(reason.as_str()));
    });
    let mut ws = ask(&server, 1);
    socket_id(&ws.text());
    ws.expect_close();
    assert_eq!((receive(&left), server.hits("blocking_queue")), ("forced close", 1));
}
