//! Protocol 3: the client pings, and binary data has a form of its own.

use super::*;
use crate::engineio::FramesBuilder;

impl Bench {
    fn websocket_v3() -> Self {
        let settings = Settings { allow_eio3: true, ..Settings::default() };
        Self { session: Session::websocket(Millis(0), WEBSOCKET, Encoding::V3, &settings), settings, ..Self::default() }
    }

    fn polling_v3() -> Self {
        let settings = Settings { allow_eio3: true, ..Settings::default() };
        Self { session: Session::polling(Millis(0), Encoding::V3, &settings), settings, ..Self::default() }
    }
}

fn binary(data: &[u8]) -> Frames {
    let mut frames = FramesBuilder::default();
    frames.binary(data);
    frames.finish()
}

#[test]
fn a_ping_of_the_client_is_answered_without_its_data() {
    let mut bench = Bench::websocket_v3();
    bench.receive(WEBSOCKET, Packet::Ping(""));
    bench.receive(WEBSOCKET, Packet::Ping("probe"));
    assert_eq!(bench.take(), [Beat(WEBSOCKET, Frames::PONG), Beat(WEBSOCKET, Frames::PONG)]);
}

#[test]
fn no_ping_in_time_ends_the_session() {
    let mut bench = Bench::websocket_v3();
    bench.wait_until(44_999);
    assert_eq!(bench.take(), []);
    bench.wait_until(45_000);
    assert_eq!(bench.take(), [Shut(WEBSOCKET), Closed(Reason::PingTimeout)]);
}

#[test]
fn only_a_ping_counts_as_life() {
    let mut bench = Bench::websocket_v3();
    bench.wait_until(20_000);
    bench.receive(WEBSOCKET, Packet::Ping(""));
    bench.wait_until(60_000);
    assert_eq!(bench.receive(WEBSOCKET, Packet::Text("2[]")), Some(Inbound::Text("2[]")));
    bench.take();
    bench.wait_until(64_999);
    assert_eq!(bench.take(), []);
    bench.wait_until(65_000);
    assert_eq!(bench.take(), [Shut(WEBSOCKET), Closed(Reason::PingTimeout)]);
}

#[test]
fn a_pong_of_the_client_ends_the_session() {
    let mut bench = Bench::websocket_v3();
    bench.receive(WEBSOCKET, Packet::Pong(""));
    assert_eq!(bench.take(), [Shut(WEBSOCKET), Closed(Reason::TransportError)]);
}

#[test]
fn pings_by_post_leave_one_pong_for_the_next_get() {
    let mut bench = Bench::polling_v3();
    bench.post(POST, [Packet::Ping(""), Packet::Ping("")]);
    assert_eq!(bench.take(), [Accept(POST)]);
    bench.poll(GET);
    assert_eq!(bench.take(), [answer(GET, &["3"])]);
    bench.poll(GET);
    bench.post(POST, [Packet::Ping("")]);
    assert_eq!(bench.take(), [answer(GET, &["3"]), Accept(POST)]);
}

#[test]
fn the_server_waits_for_no_join_of_the_client() {
    let mut bench = Bench::websocket_v3();
    bench.settings.connect_timeout = std::time::Duration::from_secs(1);
    bench.session = Session::websocket(Millis(0), WEBSOCKET, Encoding::V3, &bench.settings);
    bench.wait_until(44_999);
    assert!(bench.is_open());
}

#[test]
fn messages_on_a_websocket_are_translated() {
    assert_eq!(Bench::websocket_v3().session.route(), Route::Translated(WEBSOCKET, Encoding::V3));
    let mut typed = FramesBuilder::default();
    typed.binary(b"\x04\x01\x02\x03");
    assert_eq!(Encoding::V3.frames(&binary(b"\x01\x02\x03")), typed.finish());
    assert_eq!(Encoding::V3Base64.frames(&binary(b"\x01\x02\x03")), text("b4AQID"));
}

#[test]
fn frames_without_binary_data_are_shared() {
    let frames = text("42[]");
    for encoding in [Encoding::V4, Encoding::V3, Encoding::V3Base64] {
        assert_eq!(encoding.frames(&frames).bytes().as_ptr(), frames.bytes().as_ptr());
    }
}

#[test]
fn an_upgrade_translates_what_was_queued() {
    let mut bench = Bench::polling_v3();
    bench.enqueue(binary(b"\x01"));
    bench.open(WEBSOCKET);
    bench.receive(WEBSOCKET, Packet::Ping("probe"));
    bench.receive(WEBSOCKET, Packet::Upgrade);
    let translated = Encoding::V3.frames(&binary(b"\x01"));
    assert_eq!(bench.take(), [Send(WEBSOCKET, Frames::PROBE), Send(WEBSOCKET, translated)]);
    bench.receive(WEBSOCKET, Packet::Ping("probe"));
    assert_eq!(bench.take(), [Beat(WEBSOCKET, Frames::PONG)]);
}

#[test]
fn a_sign_of_life_of_a_2x_client_is_answered_by_a_packet() {
    let mut bench = Bench::websocket_v3();
    bench.now = Millis(45_000);
    assert!(bench.session.is_missed(bench.now));
    bench.session.sign_of_life(bench.now, &bench.settings, &mut bench.effects);
    assert_eq!(bench.take(), [Beat(WEBSOCKET, Frames::NOOP)]);
}
