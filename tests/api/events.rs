//! Middlewares for events, and handlers of outgoing events.

use std::sync::mpsc::channel;
use std::time::Duration;

use kinglet::Server;

use crate::{PATIENCE, config, serve};

#[test]
fn a_refused_event_reaches_no_handler_and_is_counted() {
    let server = serve(config(), |server| {
        server
            .of("/")
            .event_middleware(|_, event| if event.name() == "bad" { Err("refused") } else { Ok(()) })
            .event_middleware(|_, event| {
                assert_ne!(event.name(), "worse");
                Ok::<(), String>(())
            })
            .on_any(|_, event| event.ack("any"))
            .on("good", |socket, _| socket.emit("done", ()));
    });
    let mut client = server.client();
    for packet in ["421[\"bad\"]", "422[\"worse\"]", "423[\"good\"]"] {
        client.send(packet);
    }
    client.expect("433[\"any\"]");
    client.expect("42[\"done\"]");
    let metrics = server.handle.metrics();
    assert_eq!((metrics.events_refused, metrics.handler_errors, metrics.handler_panics), (1, 0, 1));
}

#[test]
fn every_event_that_goes_out_is_heard_whatever_sends_it() {
    let (heard, hears) = channel();
    let declare = |server: &mut Server| {
        server
            .of("/")
            .on_any_outgoing(move |socket, event| {
                let sent = format!("{} {}", event.name(), event.arguments().json());
                heard.send((socket.id().to_string(), sent)).map_err(|error| error.to_string())
            })
            .on("go", |socket, event| {
                socket.emit("own", 1)?;
                socket.emit_with_ack("asked", 2, Duration::from_secs(1), |_, _| ())?;
                socket.server().of("/").emit("all", 3)?;
                socket.server().emit_with_ack("asked-all", 4, Duration::from_secs(1), |_| ())?;
                socket.handle().emit("handle", 5)?;
                socket.server().of("/").within(&*socket.id()).relay(event)
            });
        server.of("/quiet").on_connect(|socket| socket.emit("quiet", ()));
    };
    let server = serve(config(), declare);
    let mut client = server.client();
    let id = client.join("/quiet");
    client.expect("42/quiet,[\"quiet\"]");
    client.send("42[\"go\",6]");
    let expected = ["own", "asked", "all", "asked-all", "handle"].map(str::to_owned);
    let expected = (1..).zip(expected).map(|(number, name)| format!("{name} [\"{name}\",{number}]"));
    for expected in expected.chain(["go [\"go\",6]".to_owned()]) {
        let (socket, sent) = hears.recv_timeout(PATIENCE).unwrap();
        assert_eq!(sent, expected);
        assert_ne!(socket, id);
    }
}

#[test]
fn flags_of_a_socket_hold_for_its_broadcasts() {
    let server = serve(config(), |server| {
        server.of("/").on("go", |socket, _| {
            let shown = format!("{:?}", socket.volatile().to("a").local());
            socket.emit("shown", shown)
        });
    });
    let mut client = server.client();
    client.send("42[\"go\"]");
    assert!(client.text().contains("Volatile"));
}
