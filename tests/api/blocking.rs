//! Handlers that may block, on threads of their own.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use kinglet::{Config, Limits, Server};

use crate::{PATIENCE, config, serve};

/// What the client of a refused event is told.
const BUSY: &str = "[{\"error\":\"the server is busy: try again later\"}]";

/// A server of one blocking thread. Its handler of `wait` blocks until told to go on.
fn gate() -> (impl FnOnce(&mut Server), Receiver<u32>, Sender<()>) {
    let ((began, begins), (go, goes)) = (channel(), channel());
    let goes = Arc::new(Mutex::new(goes));
    let declare = move |server: &mut Server| {
        server.of("/").on("ping", |_, event| event.ack("pong")).on_blocking("wait", move |_, event| {
            let (number,): (u32,) = event.args().unwrap();
            began.send(number).unwrap();
            goes.lock().unwrap().recv_timeout(PATIENCE).unwrap();
            event.ack(number).unwrap();
        });
    };
    (declare, begins, go)
}

#[test]
fn what_a_blocking_handler_sends_comes_back_in_order_while_others_are_served() {
    let (declare, begins, go) = gate();
    let server = serve(config(), declare);
    let mut client = server.client();
    client.send("421[\"wait\",7]");
    assert_eq!(begins.recv_timeout(PATIENCE), Ok(7));
    client.send("422[\"ping\"]");
    client.expect("432[\"pong\"]");
    go.send(()).unwrap();
    client.expect("431[7]");
}

#[test]
fn events_of_one_client_are_handled_in_order_and_those_of_others_meanwhile() {
    let (declare, begins, go) = gate();
    let server = serve(Config { shards: Some(1), ..config() }, declare);
    let (mut ada, mut bob) = (server.client(), server.client());
    (1..=3).for_each(|number| ada.send(&format!("42{number}[\"wait\",{number}]")));
    ada.send("429[\"ping\"]");
    ada.expect("439[\"pong\"]");
    bob.send("424[\"wait\",4]");
    let next = || begins.recv_timeout(PATIENCE).unwrap();
    let mut begun = [next(), next()];
    begun.sort_unstable();
    assert_eq!(begun, [1, 4], "the second waits for the first");
    (0..4).for_each(|_| go.send(()).unwrap());
    (1..=3).for_each(|number| ada.expect(&format!("43{number}[{number}]")));
    bob.expect("434[4]");
    assert_eq!([next(), next()], [2, 3]);
}

#[test]
fn a_new_socket_s_handler_has_ended_before_its_events_are_handled() {
    let (told, hears) = channel();
    let (go, goes) = channel();
    let goes = Mutex::new(goes);
    let server = serve(config(), move |server| {
        let first = told.clone();
        server
            .of("/")
            .on_connect_blocking(move |_| {
                goes.lock().unwrap().recv_timeout(PATIENCE).unwrap();
                first.send("connect").unwrap();
            })
            .on_blocking("event", move |_, _| told.send("event").unwrap())
            .on("ping", |_, event| event.ack("pong"));
    });
    let mut client = server.client();
    client.send("42[\"event\"]");
    client.send("429[\"ping\"]");
    client.expect("439[\"pong\"]");
    go.send(()).unwrap();
    assert_eq!([hears.recv_timeout(PATIENCE), hears.recv_timeout(PATIENCE)], [Ok("connect"), Ok("event")]);
}

#[test]
fn a_blocking_handler_acts_on_its_socket() {
    let server = serve(config(), |server| {
        server.of("/").on_blocking("act", |socket, event| {
            socket.join("a");
            (0..100).try_for_each(|number| socket.emit("number", number))?;
            socket.to("a").emit("others", ())?;
            socket.server().to("a").emit("all", event.arguments().clone())?;
            event.ack(())
        });
    });
    let mut client = server.client();
    client.send("429[\"act\",\"x\"]");
    (0..100).for_each(|number| client.expect(&format!("42[\"number\",{number}]")));
    client.expect("42[\"all\",\"x\"]");
    client.expect("439[]");
}

#[test]
fn an_event_too_many_is_refused_and_counted() {
    let (declare, begins, go) = gate();
    let limits = Limits { blocking_queue: 8, ..Limits::default() };
    let server = serve(Config { blocking_threads: 1, limits, ..config() }, declare);
    let mut client = server.client();
    client.send("421[\"wait\",1]");
    assert_eq!(begins.recv_timeout(PATIENCE), Ok(1));
    (2..=5).for_each(|number| client.send(&format!("42{number}[\"wait\",{number}]")));
    (4..=5).for_each(|number| client.expect(&format!("43{number}{BUSY}")));
    client.send("429[\"ping\"]");
    client.expect("439[\"pong\"]");
    assert_eq!((server.hit("blocking_queue"), server.handle.metrics().handler_errors), (2, 2));
    (0..3).for_each(|_| go.send(()).unwrap());
    (1..=3).for_each(|number| client.expect(&format!("43{number}[{number}]")));
}

#[test]
fn the_bytes_that_wait_are_bounded() {
    let (declare, begins, go) = gate();
    let limits = Limits { blocking_queue_bytes: 100, ..Limits::default() };
    let server = serve(Config { blocking_threads: 1, limits, ..config() }, declare);
    let mut client = server.client();
    client.send("421[\"wait\",1]");
    assert_eq!(begins.recv_timeout(PATIENCE), Ok(1));
    let long = "x".repeat(200);
    (2..=3).for_each(|number| client.send(&format!("42{number}[\"wait\",{number},\"{long}\"]")));
    client.expect(&format!("433{BUSY}"));
    client.send("429[\"ping\"]");
    client.expect("439[\"pong\"]");
    assert_eq!(server.hit("blocking_queue_bytes"), 1);
    (0..2).for_each(|_| go.send(()).unwrap());
    (1..=2).for_each(|number| client.expect(&format!("43{number}[{number}]")));
}

#[test]
fn a_panic_and_an_error_are_counted_and_the_thread_goes_on() {
    let server = serve(Config { blocking_threads: 1, ..config() }, |server| {
        server.of("/").on_blocking("work", |_, event| match event.args::<(u32,)>() {
            Ok((0,)) => panic!("zero"),
            Ok((number,)) => event.ack(number).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        });
    });
    let mut client = server.client();
    for packet in ["421[\"work\",0]", "422[\"work\",\"x\"]", "423[\"work\",3]"] {
        client.send(packet);
    }
    client.expect("431[{\"error\":\"internal error\"}]");
    client.expect("432[{\"error\":\"invalid type: string \\\"x\\\", expected u32 at line 1 column 11\"}]");
    client.expect("433[3]");
    let metrics = server.handle.metrics();
    assert_eq!((metrics.handler_panics, metrics.handler_errors), (1, 1));
}

#[test]
fn what_waits_is_still_done_when_the_server_stops() {
    let (declare, begins, go) = gate();
    let mut server = serve(Config { blocking_threads: 1, ..config() }, declare);
    let mut client = server.client();
    client.send("42[\"wait\",1]");
    client.send("42[\"wait\",2]");
    client.send("429[\"ping\"]");
    client.expect("439[\"pong\"]");
    (0..2).for_each(|_| go.send(()).unwrap());
    drop(client);
    server.stop();
    assert_eq!((begins.recv_timeout(PATIENCE), begins.recv_timeout(PATIENCE)), (Ok(1), Ok(2)));
}
