//! Claims of clients to lost sockets, right and wrong.

use super::{Answer, enter, event, on};
use crate::support::{Server, WebSocket, receive};

/// A server of two shards with two namespaces that greet.
fn start() -> (Server, std::sync::mpsc::Receiver<()>) {
    let (sender, left) = std::sync::mpsc::channel();
    let server = Server::start(on(2), |server| {
        for name in ["/", "/other"] {
            let left = sender.clone();
            server
                .of(name)
                .on_connect(|socket| socket.emit("welcome", socket.recovered()))
                .on_disconnect(move |_, _| left.send(()));
        }
    });
    (server, left)
}

/// A client, its ids, and the offset of its welcome.
fn connect(server: &Server) -> (WebSocket, Answer, String) {
    let mut ws = enter(server, "40");
    let answer = Answer::parse(&ws.text());
    let offset = event(&mut ws, r#"42["welcome",false]"#);
    (ws, answer, offset)
}

#[test]
fn an_impossible_claim_is_ignored() {
    let (server, left) = start();
    let (ws, Answer { sid, pid }, offset) = connect(&server);
    drop(ws);
    receive(&left);
    let long = "A".repeat(60_000);
    for auth in [
        format!(r#"{{"pid":1,"offset":"{offset}"}}"#),
        format!(r#"{{"pid":null,"offset":"{offset}"}}"#),
        format!(r#"{{"pid":["{pid}"],"offset":"{offset}"}}"#),
        format!(r#"{{"pid":"{pid}","offset":0}}"#),
        format!(r#"{{"pid":"{pid}","offset":{{}}}}"#),
        format!(r#"{{"pid":"{pid}"}}"#),
        format!(r#"{{"offset":"{offset}"}}"#),
        format!(r#"{{"pid":"","offset":"{offset}"}}"#),
        format!(r#"{{"pid":"{sid}","offset":"{offset}"}}"#),
        format!(r#"{{"pid":"{pid}{pid}","offset":"{offset}"}}"#),
        format!(r#"{{"pid":"{long}","offset":"{offset}"}}"#),
        format!(r#"{{"pid":"{pid}","offset":"{long}"}}"#),
        format!(r#"{{"pid":"{pid}","offset":"{offset}.____"}}"#),
        format!(r#"{{"pid":"{pid}","offset":"\u0000\ud83d\ude00"}}"#),
    ] {
        let mut ws = enter(&server, &format!("40{auth}"));
        let answer = Answer::parse(&ws.text());
        assert!(answer.sid != sid && answer.pid != pid, "{}", &auth[..80.min(auth.len())]);
        event(&mut ws, r#"42["welcome",false]"#);
        drop(ws);
        receive(&left);
    }
    // The socket is still there for its own client, however the claim is formatted.
    let (mut ws, _) = WebSocket::open(&server);
    let escaped = pid.replacen(&pid[..1], &format!("\\u{:04x}", pid.as_bytes()[0]), 1);
    ws.send_text(&format!(r#"40{{"token":[],"pid":"{escaped}","offset":"{offset}"}}"#));
    assert_eq!(Answer::parse(&ws.text()).sid, sid);
    server.assert_well();
}

#[test]
fn a_socket_is_recovered_in_its_own_namespace_only() {
    let (server, left) = start();
    let (ws, first, offset) = connect(&server);
    drop(ws);
    receive(&left);
    let mut ws = enter(&server, &first.claim(&offset).replacen("40", "40/other,", 1));
    assert!(!ws.text().contains(&first.pid));
    ws.text();
    ws.send_text(&first.claim(&offset));
    assert_eq!(Answer::parse(&ws.text()).sid, first.sid);
}

#[test]
fn an_unknown_offset_spends_the_claim() {
    let (server, left) = start();
    let (ws, first, offset) = connect(&server);
    drop(ws);
    receive(&left);
    for offset in ["0", &*offset] {
        let mut ws = enter(&server, &first.claim(offset));
        assert_ne!(Answer::parse(&ws.text()).sid, first.sid);
    }
    assert_eq!(server.metrics().not_recovered, 2);
}
