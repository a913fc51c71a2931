//! Connection state recovery: what a program sees of it.

mod captured;
mod claims;
mod half_open;
mod shards;
mod values;

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use kinglet::{Config, Limits, Recovery, Refusal};
use serde_json::Value;

use crate::support::{Client, Handled, Server, WebSocket, config, receive};

fn on(shards: usize) -> Config {
    Config { recovery: Some(Recovery::default()), ..config(shards) }
}

/// The content of the answer to a CONNECT.
struct Answer {
    sid: String,
    pid: String,
}

impl Answer {
    fn parse(packet: &str) -> Self {
        let answer: Value = serde_json::from_str(packet.strip_prefix("40").expect("CONNECT")).expect("JSON");
        assert_eq!(answer.as_object().map(serde_json::Map::len), Some(2), "{answer}");
        let [sid, pid] = ["sid", "pid"].map(|name| answer[name].as_str().expect("a text").to_owned());
        assert_eq!((sid.len(), pid.len()), (20, 20));
        Self { sid, pid }
    }

    /// The CONNECT of a client that claims this socket.
    fn claim(&self, offset: &str) -> String {
        format!("40{{\"pid\":\"{}\",\"offset\":\"{offset}\"}}", self.pid)
    }
}

/// The offset of an event's packet; panics unless the packet is that event.
fn offset_of(packet: &str, event: &str) -> String {
    let offset = packet.strip_prefix(&format!("{},\"", event.strip_suffix(']').expect("an event")));
    offset.and_then(|rest| rest.strip_suffix("\"]")).unwrap_or_else(|| panic!("{packet} is not {event}")).to_owned()
}

/// Reads an event; gives its offset.
fn event(ws: &mut WebSocket, event: &str) -> String {
    let packet = ws.text();
    offset_of(&packet, event)
}

/// A WebSocket with this CONNECT sent on it.
fn enter(server: &Server, connect: &str) -> WebSocket {
    let (mut ws, _) = WebSocket::open(server);
    ws.send_text(connect);
    ws
}

/// Loses the connection, and waits for the session's end.
fn lose(server: &Server, ws: WebSocket) {
    drop(ws);
    server.wait_until("gone", |metrics| metrics.sessions == 0);
}

/// A server whose sockets have a room, data, and events to ask for. It reports changes to the test.
fn start(config: Config) -> (Server, Receiver<String>) {
    let (sender, heard) = channel();
    let server = Server::start(config, |server| {
        let left = sender.clone();
        let namespace = server.of("/");
        namespace
            .on_connect(move |socket| -> Handled {
                let mut rooms = socket.rooms();
                rooms.sort();
                if !socket.recovered() {
                    socket.join("room1")?;
                    socket.set_data(&serde_json::json!({"n": 1}))?;
                }
                let data: Option<Value> = socket.data();
                sender.send(format!("{} {} {}", socket.recovered(), rooms.len(), data.unwrap_or_default()))?;
                Ok(())
            })
            .on_disconnect(move |_, reason| left.send(reason.to_string()))
            .on("direct", |socket, event| {
                socket.emit("direct", event.args::<(u32,)>()?.0).map_err(Box::<dyn std::error::Error>::from)
            })
            .on("ask", |socket, event| -> Handled {
                event.ack(socket.rooms())?;
                Ok(socket.to("room1").emit("asked", ())?)
            });
    });
    (server, heard)
}

#[test]
fn a_client_alone_in_a_namespace_finds_it_again() {
    let server = Server::start(on(2), |server| {
        server.of_dynamic(|_| true).on_connect(|socket| socket.emit("hello", socket.recovered()));
    });
    let text = |ws: &mut WebSocket| ws.text().replacen("/game,", "", 1);
    let mut ws = enter(&server, "40/game,");
    let first = Answer::parse(&text(&mut ws));
    let hello = text(&mut ws);
    let offset =
        hello.strip_prefix(r#"42["hello",false,""#).and_then(|rest| rest.strip_suffix("\"]")).expect("an offset");
    lose(&server, ws);
    server.handle().of("/game").emit("missed", ()).expect("a namespace that waits");
    let mut ws = enter(&server, &first.claim(offset).replacen("40", "40/game,", 1));
    assert!(text(&mut ws).starts_with(r#"42["missed","#));
    assert_eq!(Answer::parse(&text(&mut ws)).sid, first.sid);
    assert!(text(&mut ws).starts_with(r#"42["hello",true,"#));
}

#[test]
fn only_lost_sockets_come_back() {
    let (server, heard) = start(on(1));
    let recovers = |lose: &dyn Fn(WebSocket), reason: &str| {
        let mut ws = enter(&server, "40");
        let answer = Answer::parse(&ws.text());
        assert_eq!(receive(&heard), r#"false 1 {"n":1}"#);
        ws.send_text(r#"42["direct",1]"#);
        let offset = event(&mut ws, r#"42["direct",1]"#);
        lose(ws);
        assert_eq!(receive(&heard), reason);
        let mut ws = enter(&server, &answer.claim(&offset));
        let recovered = Answer::parse(&ws.text()).sid == answer.sid;
        assert_eq!(receive(&heard), if recovered { r#"true 2 {"n":1}"# } else { r#"false 1 {"n":1}"# });
        drop(ws);
        receive(&heard);
        recovered
    };
    assert!(recovers(&drop, "transport close"));
    assert!(recovers(&|mut ws| ws.send(0xff, b""), "transport error"));
    assert!(recovers(&|mut ws| ws.send_text("40"), "forced close"));
    assert!(!recovers(&|mut ws| ws.send_text("41"), "client namespace disconnect"));
    assert!(!recovers(&|mut ws| ws.send_text("x"), "parse error"));
}

#[test]
fn middlewares_are_skipped_unless_they_are_to_be_asked() {
    for skip_middlewares in [true, false] {
        let recovery = Recovery { skip_middlewares, ..Recovery::default() };
        let (sender, left) = channel();
        let server = Server::start(Config { recovery: Some(recovery), ..config(1) }, |server| {
            server
                .of("/")
                .middleware(|socket| match socket.recovered() {
                    true => Err(Refusal::new("not again")),
                    false => Ok(()),
                })
                .on_connect(|socket| socket.emit("welcome", ()))
                .on_disconnect(move |_, _| sender.send(()));
        });
        let mut ws = enter(&server, "40");
        let first = Answer::parse(&ws.text());
        let offset = event(&mut ws, r#"42["welcome"]"#);
        drop(ws);
        receive(&left);
        server.handle().emit("missed", ()).expect("an event");
        let mut ws = enter(&server, &first.claim(&offset));
        if skip_middlewares {
            event(&mut ws, r#"42["missed"]"#);
            assert_eq!(Answer::parse(&ws.text()).sid, first.sid);
        } else {
            ws.expect_text(r#"44{"message":"not again"}"#);
            assert_eq!(server.all_rooms("/").len(), 0);
        }
    }
}

#[test]
fn a_client_that_missed_too_much_begins_anew() {
    let limits = Limits { queued_per_client: Some(10_000), ..Limits::default() };
    let (server, heard) = start(Config { limits, ..on(1) });
    let mut ws = enter(&server, "40");
    let first = Answer::parse(&ws.text());
    ws.send_text(r#"42["direct",1]"#);
    let offset = event(&mut ws, r#"42["direct",1]"#);
    drop(ws);
    receive(&heard);
    assert_eq!(receive(&heard), "transport close");
    server.handle().emit("missed", "x".repeat(10_000)).expect("an event");
    let mut ws = enter(&server, &first.claim(&offset));
    assert_ne!(Answer::parse(&ws.text()).sid, first.sid);
    assert_eq!(server.hits("queued_per_client"), 1);
}

#[test]
fn kept_events_and_sockets_are_forgotten_in_time() {
    let recovery = Recovery { max_disconnection_duration: Duration::from_millis(1), ..Recovery::default() };
    let (server, heard) = start(Config { recovery: Some(recovery), ..config(1) });
    let mut ws = enter(&server, "40");
    let first = Answer::parse(&ws.text());
    ws.send_text(r#"42["direct",1]"#);
    let offset = event(&mut ws, r#"42["direct",1]"#);
    drop(ws);
    receive(&heard);
    assert_eq!(receive(&heard), "transport close");
    // From some time on it is too late.
    let sid = || {
        let mut ws = enter(&server, &first.claim(&offset));
        Answer::parse(&ws.text()).sid
    };
    while sid() == first.sid {}
    assert_ne!(sid(), first.sid);
}

#[test]
fn volatile_events_and_acknowledgements_have_no_offset() {
    let server = Server::start(on(1), |server| {
        server.of("/").on("ask", |socket, event| -> Handled {
            socket.volatile().emit("volatile", ())?;
            socket.server().of("/").volatile().emit("volatile", ())?;
            Ok(event.ack("yes")?)
        });
    });
    let mut ws = enter(&server, "40");
    Answer::parse(&ws.text());
    ws.send_text(r#"421["ask"]"#);
    for packet in [r#"42["volatile"]"#, r#"42["volatile"]"#, r#"431["yes"]"#] {
        ws.expect_text(packet);
    }
}

#[test]
fn without_recovery_a_claim_is_nothing_but_auth() {
    let server = Server::start(config(1), |server| {
        server.of("/").on_connect(|socket| socket.emit("recovered", socket.recovered()));
    });
    let mut client = Client::connect(&server);
    client.expect("\"recovered\",false");
    let mut ws = enter(&server, &format!("40{{\"pid\":\"{}\",\"offset\":\"0\"}}", "A".repeat(20)));
    assert!(!ws.text().contains("pid"));
    ws.expect_text("42[\"recovered\",false]");
}

#[test]
fn messages_to_a_leaving_socket_wait_for_its_return() {
    let (sender, left) = channel();
    let server = Server::start(on(1), |server| {
        let (after, handles) = (sender.clone(), sender);
        server
            .of("/")
            .on_connect(|socket| socket.emit("welcome", socket.recovered()))
            .on_disconnecting(|socket, _| socket.emit("leaving", socket.rooms().len()))
            .on_disconnect(move |socket, _| -> Handled {
                after.send(socket.handle())?;
                Ok(socket.emit("left", socket.rooms().len())?)
            })
            .on("handle", move |socket, _| handles.send(socket.handle()));
    });
    let mut ws = enter(&server, "40");
    let first = Answer::parse(&ws.text());
    let offset = event(&mut ws, r#"42["welcome",false]"#);
    ws.send_text(r#"42["handle"]"#);
    let handle = receive(&left);
    drop(ws);
    receive(&left);
    server.wait_until("gone", |metrics| metrics.sessions == 0);
    handle.emit("handle", ()).expect("an event");
    let mut ws = enter(&server, &first.claim(&offset));
    for missed in [r#"42["leaving",1]"#, r#"42["left",0]"#, r#"42["handle"]"#] {
        event(&mut ws, missed);
    }
    assert_eq!(Answer::parse(&ws.text()).sid, first.sid);
    event(&mut ws, r#"42["welcome",true]"#);
    // A handle from before the loss can send to the socket of now, and do nothing else to it.
    handle.disconnect(false);
    handle.emit("handle", ()).expect("an event");
    event(&mut ws, r#"42["handle"]"#);
}

#[test]
fn clients_of_protocol_3_are_not_recovered() {
    let server = Server::start(Config { allow_eio3: true, ..on(1) }, |server| {
        server.of("/").on_connect(|socket| -> Handled {
            socket.emit("to it", socket.recovered())?;
            Ok(socket.server().emit("to all", ())?)
        });
    });
    for query in ["", "&pid=AAAAAAAAAAAAAAAAAAAA&offset=0"] {
        let mut connection = server.connect();
        connection.send(WebSocket::request(query).replace("EIO=4", "EIO=3").as_bytes());
        assert_eq!(connection.response().status, 101);
        let mut ws = WebSocket { connection };
        ws.opened();
        ws.expect_text("40");
        ws.expect_text(r#"42["to it",false]"#);
        // A broadcast is written once for all clients.
        event(&mut ws, r#"42["to all"]"#);
        lose(&server, ws);
    }
    assert_eq!(server.metrics().not_recovered, 0);
}

#[test]
fn rooms_are_joined_and_left_under_the_id_that_came_back() {
    let (joins, changes) = channel();
    let server = Server::start(on(1), |server| {
        let leaves = joins.clone();
        server
            .of("/")
            .on_join_room(move |room, id| joins.send(format!("{id} joins {}", room.name())))
            .on_leave_room(move |room, id| leaves.send(format!("{id} leaves {}", room.name())))
            .on_connect(|socket| -> Handled {
                socket.join("room")?;
                Ok(socket.emit("welcome", ())?)
            });
    });
    let mut known: Option<(Answer, String)> = None;
    for _ in 0..3 {
        let mut ws = enter(&server, &known.as_ref().map_or("40".to_owned(), |(answer, offset)| answer.claim(offset)));
        let answer = Answer::parse(&ws.text());
        let offset = event(&mut ws, r#"42["welcome"]"#);
        drop(ws);
        let (first, _) = known.get_or_insert((answer, String::new()));
        for change in ["joins", "leaves"] {
            assert_eq!(receive(&changes), format!("{} {change} room", first.sid));
        }
        known = known.map(|(first, _)| (first, offset));
        server.wait_until("gone", |metrics| metrics.sessions == 0);
    }
    assert_eq!(server.metrics().recovered, 2);
}
