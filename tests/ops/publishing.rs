//! `POST /emit` and `POST /disconnect`.

use kinglet::{Config, Limits, Server};

use crate::client::Client;
use crate::http::{get, post, post_with};
use crate::{TOKEN, config, start, stop};

/// A server that lets clients join any room that they name.
fn with_rooms(config: Config) -> Server {
    let mut server = Server::new(config).expect("settings");
    server.of("/").on("join", |socket, event| -> Result<(), Box<dyn std::error::Error>> {
        let (room,): (String,) = event.args()?;
        socket.join(room)?;
        socket.emit("joined", ())?;
        Ok(())
    });
    server.of("/quiet");
    server
}

fn member(address: std::net::SocketAddr, room: &str) -> Client {
    let mut client = Client::open(address, &[]);
    client.connect("/");
    client.send(&format!("42[\"join\",\"{room}\"]"));
    client.expect("42[\"joined\"]");
    client
}

#[test]
fn an_event_reaches_the_rooms_it_is_for_and_not_those_excepted() {
    let (running, ops) = start(with_rooms(config()));
    let mut tea = member(running.address(), "tea");
    let mut coffee = member(running.address(), "coffee");
    let body = r#"[
        {"event": "for-tea", "rooms": ["tea"], "args": [1.10, {"b": 1, "a": [2]}]},
        {"event": "for-others", "except": ["tea"]},
        {"event": "for-all"}
    ]"#;
    let answer = post(ops, "/emit", body);
    assert_eq!((answer.status, answer.body.as_str()), (202, r#"{"accepted":3}"#));
    tea.expect("42[\"for-tea\",1.10,{\"b\": 1, \"a\": [2]}]");
    tea.expect("42[\"for-all\"]");
    coffee.expect("42[\"for-others\"]");
    coffee.expect("42[\"for-all\"]");
    stop(running);
}

#[test]
fn binary_data_in_base64_travels_as_attachments() {
    let (running, ops) = start(with_rooms(config()));
    let mut client = member(running.address(), "a");
    let body = r#"{"event": "scan", "args": [{"page": {"$base64": "AAEC"}, "n": 1}, [{"$base64": "/w=="}]]}"#;
    assert_eq!(post(ops, "/emit", body).status, 202);
    client.expect(r#"452-["scan",{"n":1,"page":{"_placeholder":true,"num":0}},[{"_placeholder":true,"num":1}]]"#);
    stop(running);
}

#[test]
fn without_the_token_nothing_is_published() {
    let (running, ops) = start(with_rooms(config()));
    let body = r#"{"event": "x"}"#;
    for headers in [
        String::new(),
        "Authorization: Bearer another-token-here\r\n".to_owned(),
        format!("Authorization: Basic {TOKEN}\r\n"),
        format!("Authorization: Bearer {TOKEN}x\r\n"),
        "Authorization: Bearer\r\n".to_owned(),
    ] {
        for target in ["/emit", "/disconnect"] {
            let answer = post_with(ops, target, &headers, body);
            assert_eq!(answer.status, 401, "{headers:?}: {answer:?}");
            assert!(answer.head.contains("WWW-Authenticate: Bearer"), "{answer:?}");
        }
    }
    assert_eq!(post_with(ops, "/emit", &format!("authorization: bearer {TOKEN}\r\n"), body).status, 202);
    stop(running);
}

#[test]
fn without_a_token_set_posts_are_refused_and_say_why() {
    let (running, ops) = start(with_rooms(Config { ops_token: None, ..config() }));
    let answer = post(ops, "/emit", r#"{"event": "x"}"#);
    assert_eq!(answer.status, 403);
    assert!(answer.body.contains("KINGLET_OPS_TOKEN"), "{answer:?}");
    assert_eq!(get(ops, "/status").status, 200);
    stop(running);
}

#[test]
fn a_wrong_request_is_answered_with_the_mistake_s_place_and_nothing_is_sent() {
    let limits = Limits { ops_batch: 2, json_depth: 4, ..Limits::default() };
    let (running, ops) = start(with_rooms(Config { limits, ..config() }));
    let mut client = member(running.address(), "a");
    for (body, status, why) in [
        (r#"[{"event": "x"}, {"event": "connect"}]"#, 400, "event 1: \\\"connect\\\" is a reserved"),
        (r#"[{"event": "x"}, {"event": "y", "namespace": "/no"}]"#, 404, "event 1: no namespace"),
        (r#"[{"event": "x"}, {"rooms": ["a"]}]"#, 400, "event 1: missing field `event`"),
        (r#"{"event": "x", "room": "a"}"#, 400, "unknown field `room`"),
        (r#"{"event": "x", "args": [{"$base64": "?"}]}"#, 400, "$base64"),
        (r#"{"event": "x", "args": [[[[[1]]]]]}"#, 400, "json_depth"),
        (r#"[{"event": "x"}, {"event": "x"}, {"event": "x"}]"#, 413, "ops_batch"),
        ("", 400, "the body is no event"),
    ] {
        let answer = post(ops, "/emit", body);
        assert_eq!(answer.status, status, "{body}: {answer:?}");
        assert!(answer.body.contains(why), "{body}: {answer:?}");
    }
    assert_eq!(post(ops, "/emit", r#"{"event": "last", "namespace": ""}"#).status, 202);
    client.expect("42[\"last\"]");
    let hits = running.handle().metrics().limits_hit;
    assert!(hits.contains(&("ops_batch", 1)), "{hits:?}");
    stop(running);
}

#[test]
fn disconnect_closes_a_room_and_asks_twice_before_everybody() {
    let (running, ops) = start(with_rooms(config()));
    let mut tea = member(running.address(), "tea");
    let mut coffee = member(running.address(), "coffee");
    for body in ["{}", r#"{"rooms": ["tea"], "everybody": true}"#] {
        assert_eq!(post(ops, "/disconnect", body).status, 400, "{body}");
    }
    assert_eq!(post(ops, "/disconnect", r#"{"everybody": true, "namespace": "/no"}"#).status, 404);
    assert_eq!(post(ops, "/disconnect", r#"{"rooms": ["tea"]}"#).status, 202);
    tea.expect("41");
    assert_eq!(post(ops, "/disconnect", r#"{"everybody": true, "close": true}"#).status, 202);
    coffee.closed();
    stop(running);
}

#[test]
fn while_a_loop_is_behind_publishers_are_told_to_come_again() {
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    let blocked = std::sync::Mutex::new(blocked);
    let (entered, has_entered) = std::sync::mpsc::channel();
    let limits = Limits { inbox: 4096, ..Limits::default() };
    let mut server = Server::new(Config { limits, ..config() }).expect("settings");
    server.of("/").on("block", move |_, _| {
        entered.send(()).expect("the test waits");
        // An error says that the test is over.
        let _ = blocked.lock().expect("no panic").recv();
    });
    let (running, ops) = start(server);
    let mut client = Client::open(running.address(), &[]);
    client.connect("/");
    client.send("42[\"block\"]");
    has_entered.recv().expect("the handler runs");
    let mut answers = std::iter::repeat_with(|| post(ops, "/emit", r#"{"event": "x"}"#));
    let refused = answers.find(|answer| answer.status != 202).expect("they go on");
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(
        refused.head.contains("Retry-After: 1")
            && refused.body.starts_with("{\"accepted\":0,")
            && refused.body.contains("inbox"),
        "{refused:?}"
    );
    // This does not delay requests that only look.
    assert_eq!(get(ops, "/ready").status, 200);
    release.send(()).expect("the handler waits");
    stop(running);
}
