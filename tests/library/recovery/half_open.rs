//! Clients that are back before the server knows that their old connections are dead.

use std::collections::HashSet;

use super::shards::{Behind, shard};
use super::{Answer, enter, event, offset_of, on, start};
use crate::support::{Polling, Server, WebSocket, receive};

#[test]
fn a_client_that_is_back_ends_its_old_connection() {
    let (server, heard) = start(on(2));
    let (mut old, session) = WebSocket::open(&server);
    let mut old_shard = shard(&session);
    old.send_text("40");
    let first = Answer::parse(&old.text());
    receive(&heard);
    old.send_text(r#"42["direct",0]"#);
    let mut offset = event(&mut old, r#"42["direct",0]"#);
    let mut ways = HashSet::new();
    for round in 1.. {
        server.handle().to("room1").emit("missed", round).expect("an event");
        let (mut ws, session) = WebSocket::open(&server);
        ws.send_text(&first.claim(&offset));
        event(&mut ws, &format!(r#"42["missed",{round}]"#));
        assert_eq!(Answer::parse(&ws.text()).sid, first.sid);
        assert_eq!(receive(&heard), "transport close");
        assert_eq!(receive(&heard), r#"true 2 {"n":1}"#);
        server.wait_until("the old session's end", |metrics| metrics.sessions == 1);
        ws.send_text(r#"42["direct",1]"#);
        offset = event(&mut ws, r#"42["direct",1]"#);
        // The kernel chooses the shard: a few rounds see both, as the old one and as the new one.
        ways.insert((old_shard, shard(&session)));
        (old, old_shard) = (ws, shard(&session));
        if ways.len() == 4 {
            break;
        }
    }
    assert_eq!(server.all_rooms("/").len(), 2);
    drop(old);
    assert_eq!(receive(&heard), "transport close");
}

#[test]
fn a_polling_session_ends_as_well_and_gives_up_all_its_sockets() {
    let server = Server::start(on(1), |server| {
        for name in ["/", "/other"] {
            server.of(name).on_connect(|socket| socket.emit("welcome", socket.recovered()));
        }
    });
    let old = Polling::open(&server);
    old.post_ok("40\x1e40/other,");
    let packets = old.get().text();
    let packets: Vec<&str> = packets.split('\x1e').collect();
    let answers = [packets[0], packets[2]].map(|packet| Answer::parse(&packet.replacen("/other,", "", 1)));
    let offsets =
        [packets[1], packets[3]].map(|packet| offset_of(&packet.replacen("/other,", "", 1), r#"42["welcome",false]"#));
    let mut held = old.hold(&server);
    let mut ws = enter(&server, &answers[0].claim(&offsets[0]));
    assert_eq!(Answer::parse(&ws.text()).sid, answers[0].sid);
    event(&mut ws, r#"42["welcome",true]"#);
    assert_eq!(held.response().text(), "1", "the held GET says that the session is closed");
    old.get().assert_is(400, r#"{"code":1,"message":"Session ID unknown"}"#);
    ws.send_text(&answers[1].claim(&offsets[1]).replacen("40", "40/other,", 1));
    assert_eq!(Answer::parse(&ws.text().replacen("/other,", "", 1)).sid, answers[1].sid);
    assert_eq!(server.metrics().recovered, 2);
}

#[test]
fn a_claim_in_another_namespace_ends_nothing() {
    let server = Server::start(on(1), |server| {
        for name in ["/", "/other"] {
            server.of(name).on_connect(|socket| socket.emit("welcome", socket.recovered()));
        }
    });
    let mut old = enter(&server, "40");
    let first = Answer::parse(&old.text());
    let offset = event(&mut old, r#"42["welcome",false]"#);
    let mut ws = enter(&server, &first.claim(&offset).replacen("40", "40/other,", 1));
    assert!(!ws.text().contains(&first.pid));
    old.expect_nothing_more();
    assert_eq!(server.metrics().not_recovered, 1);
}

#[test]
fn of_two_connections_that_claim_a_socket_the_later_has_it() {
    let Behind { busy, first, offset, sessions, witness: _witness, holder: _holder, unjoined } = Behind::start();
    let [mut dead, mut back] = unjoined;
    // The kernel tells of them in this order. The first waits for its shard to catch up, or has its answer, when the second comes.
    dead.send_text(&first.claim(&offset));
    back.send_text(&first.claim(&offset));
    busy.let_go();
    event(&mut back, r#"42["while held up"]"#);
    // If the first had its answer, the second has missed its welcome.
    let mut packet = back.text();
    if packet.starts_with("42") {
        offset_of(&packet, r#"42["welcome",true]"#);
        packet = back.text();
    }
    assert_eq!(Answer::parse(&packet).sid, first.sid);
    event(&mut back, r#"42["welcome",true]"#);
    busy.server.wait_until("the other's end", |metrics| metrics.sessions < sessions - 1);
    let rooms = busy.server.all_rooms("/");
    assert_eq!(rooms.iter().filter(|room| **room == first.sid).count(), 1, "{rooms:?}");
}
