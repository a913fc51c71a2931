//! How sessions end.

use super::*;

#[test]
fn a_close_packet_by_post_closes_the_transport() {
    let mut bench = Bench::polling();
    bench.poll(GET);
    bench.post(POST, [Packet::Close, Packet::Text("unheard")]);
    assert_eq!(bench.take(), [answer(GET, &["6"]), Accept(POST), Closed(Reason::TransportClose)]);
}

#[test]
fn a_get_that_was_overtaken_by_the_close_packet_is_answered() {
    let mut bench = Bench::polling();
    bench.emit("4a");
    bench.post(POST, [Packet::Close, Packet::Text("unheard")]);
    assert_eq!(bench.session.route(), Route::Gone);
    bench.wait_until(49);
    assert_eq!(bench.take(), [Left(Reason::TransportClose)]);
    bench.poll(GET);
    assert_eq!(bench.take(), [answer(GET, &["4a", "6"]), Accept(POST), Closed(Reason::TransportClose)]);
}

#[test]
fn a_close_packet_without_a_get_is_accepted_soon() {
    let mut bench = Bench::polling();
    bench.post(POST, [Packet::Close]);
    bench.wait_until(49);
    assert_eq!(bench.take(), [Left(Reason::TransportClose)]);
    bench.wait_until(50);
    assert_eq!(bench.take(), [Accept(POST), Closed(Reason::TransportClose)]);
    bench.poll(GET);
    assert_eq!(bench.take(), [Refuse(GET)]);
}

#[test]
fn whoever_has_left_is_gone_for_that_reason_whatever_happens_then() {
    let left = || {
        let mut bench = Bench::polling();
        bench.open(WEBSOCKET);
        bench.post(POST, [Packet::Close]);
        assert_eq!(bench.take(), [Left(Reason::TransportClose)]);
        bench
    };
    let mut bench = left();
    bench.session.post_lost(POST, &mut bench.effects);
    assert_eq!(bench.take(), [Shut(WEBSOCKET), Closed(Reason::TransportClose)]);
    let mut bench = left();
    bench.close();
    bench.session.terminate(&mut bench.effects);
    assert_eq!(bench.take(), [Accept(POST), Shut(WEBSOCKET), Closed(Reason::TransportClose)]);
    let mut bench = left();
    bench.session.post_begin(POST_2, &mut bench.effects);
    assert_eq!(bench.take(), [Refuse(POST_2), Accept(POST), Shut(WEBSOCKET), Closed(Reason::TransportClose)]);
    let mut bench = left();
    bench.receive(WEBSOCKET, Packet::Upgrade);
    assert_eq!(bench.take(), [Accept(POST), Shut(WEBSOCKET), Closed(Reason::TransportClose)]);
}

#[test]
fn a_close_packet_on_a_websocket_is_ignored() {
    let mut bench = Bench::websocket();
    bench.receive(WEBSOCKET, Packet::Close);
    assert_eq!(bench.take(), []);
    assert!(bench.is_open());
}

#[test]
fn a_lost_websocket_ends_the_session() {
    for (lost, reason) in [(Lost::Closed, Reason::TransportClose), (Lost::Error, Reason::TransportError)] {
        let mut bench = Bench::websocket();
        bench.session.websocket_lost(WEBSOCKET, lost, &mut bench.effects);
        bench.session.websocket_lost(WEBSOCKET, lost, &mut bench.effects);
        assert_eq!(bench.take(), [Closed(reason)]);
        assert_eq!(bench.session.deadline(), None);
        assert_eq!(bench.session.found(), None);
    }
}

#[test]
fn an_undecodable_packet_on_a_websocket_ends_the_session() {
    let mut bench = Bench::websocket();
    bench.session.bad_packet(WEBSOCKET, &mut bench.effects);
    assert_eq!(bench.take(), [Shut(WEBSOCKET), Closed(Reason::ParseError)]);
}

#[test]
fn the_server_closes_a_websocket_at_once() {
    let mut bench = Bench::websocket();
    bench.emit("4a");
    bench.close();
    bench.close();
    bench.emit("4unsent");
    assert_eq!(bench.take(), [Send(WEBSOCKET, text("4a")), Shut(WEBSOCKET), Closed(Reason::ForcedClose)]);
}

#[test]
fn the_server_closes_a_held_get_at_once() {
    let mut bench = Bench::polling();
    bench.poll(GET);
    bench.close();
    assert_eq!(bench.take(), [answer(GET, &["1"]), Closed(Reason::ForcedClose)]);
}

#[test]
fn without_a_get_the_next_one_hears_of_the_close() {
    let mut bench = Bench::polling();
    bench.close();
    assert_eq!(bench.session.route(), Route::Gone);
    bench.post(POST, [Packet::Text("ignored"), Packet::Ping("")]);
    assert_eq!(bench.take(), [Accept(POST)]);
    bench.wait_until(29_999);
    bench.poll(GET);
    assert_eq!(bench.take(), [answer(GET, &["6", "1"]), Closed(Reason::ForcedClose)]);
}

#[test]
fn without_a_get_for_30_s_the_session_is_gone() {
    let mut bench = Bench::polling();
    bench.close();
    bench.wait_until(29_999);
    assert_eq!(bench.take(), []);
    bench.wait_until(30_000);
    assert_eq!(bench.take(), [Closed(Reason::ForcedClose)]);
}

#[test]
fn bad_packets_are_ignored_while_closing() {
    let mut bench = Bench::polling();
    bench.close();
    bench.session.post_begin(POST, &mut bench.effects);
    bench.session.post_read(POST);
    bench.session.bad_packet(POST, &mut bench.effects);
    bench.session.post_accept(POST, &mut bench.effects);
    assert_eq!(bench.take(), [Accept(POST)]);
}

#[test]
fn queued_packets_go_before_the_close() {
    let mut bench = Bench::polling();
    bench.emit("4a");
    bench.close();
    bench.wait_until(20_000);
    bench.poll(GET);
    assert_eq!(bench.take(), [answer(GET, &["4a"])]);
    bench.wait_until(49_000);
    bench.poll(GET_2);
    assert_eq!(bench.take(), [answer(GET_2, &["6", "1"]), Closed(Reason::ForcedClose)]);
}

#[test]
fn packets_of_the_same_turn_go_before_the_close() {
    let mut bench = Bench::polling();
    bench.poll(GET);
    bench.enqueue(text("441"));
    bench.close();
    assert_eq!(bench.take(), [answer(GET, &["441"])]);
    bench.poll(GET_2);
    assert_eq!(bench.take(), [answer(GET_2, &["6", "1"]), Closed(Reason::ForcedClose)]);
}

#[test]
fn a_close_from_within_a_post_still_accepts_it() {
    let mut bench = Bench::polling();
    bench.session.post_begin(POST, &mut bench.effects);
    bench.session.post_read(POST);
    bench.close();
    bench.session.post_accept(POST, &mut bench.effects);
    bench.poll(GET);
    assert_eq!(bench.take(), [Accept(POST), answer(GET, &["6", "1"]), Closed(Reason::ForcedClose)]);
}

#[test]
fn the_end_of_the_server_waits_for_nobody() {
    let mut bench = Bench::polling();
    bench.session.terminate(&mut bench.effects);
    assert_eq!(bench.take(), [Closed(Reason::ForcedClose)]);
    let mut bench = Bench::polling();
    bench.poll(GET);
    bench.session.terminate(&mut bench.effects);
    assert_eq!(bench.take(), [answer(GET, &["1"]), Closed(Reason::ForcedClose)]);
    let mut bench = Bench::polling();
    bench.close();
    bench.session.terminate(&mut bench.effects);
    assert_eq!(bench.take(), [Closed(Reason::ForcedClose)]);
    let mut bench = Bench::websocket();
    bench.session.terminate(&mut bench.effects);
    assert_eq!(bench.take(), [Shut(WEBSOCKET), Closed(Reason::ForcedClose)]);
}

#[test]
fn packets_of_the_same_turn_go_with_the_farewell() {
    let mut bench = Bench::polling();
    bench.poll(GET);
    bench.enqueue(text("4a"));
    bench.session.terminate(&mut bench.effects);
    assert_eq!(bench.take(), [answer(GET, &["4a", "1"]), Closed(Reason::ForcedClose)]);
}

#[test]
fn a_client_that_is_given_up_is_cut() {
    let mut bench = Bench::websocket();
    bench.session.abort(Reason::TransportError, &mut bench.effects);
    assert_eq!(bench.take(), [Cut(WEBSOCKET), Closed(Reason::TransportError)]);
    let mut bench = Bench::polling();
    bench.emit("4a");
    bench.session.abort(Reason::TransportError, &mut bench.effects);
    assert_eq!(bench.take(), [Closed(Reason::TransportError)]);
}

#[test]
fn a_session_that_joins_no_namespace_is_closed() {
    let settings = Settings { connect_timeout: std::time::Duration::from_millis(300), ..Settings::default() };
    let mut websocket = Bench::websocket();
    websocket.session = Session::websocket(Millis(0), WEBSOCKET, Encoding::V4, &settings);
    websocket.wait_until(299);
    assert_eq!(websocket.take(), []);
    websocket.wait_until(300);
    assert_eq!(websocket.take(), [Shut(WEBSOCKET), Closed(Reason::ForcedClose)]);

    let mut polling = Bench::polling();
    polling.session = Session::polling(Millis(0), Encoding::V4, &settings);
    polling.poll(GET);
    polling.wait_until(300);
    assert_eq!(polling.take(), [answer(GET, &["1"]), Closed(Reason::ForcedClose)]);

    let mut polling = Bench::polling();
    polling.session = Session::polling(Millis(0), Encoding::V4, &settings);
    polling.wait_until(30_299);
    assert_eq!(polling.take(), []);
    polling.wait_until(30_300);
    assert_eq!(polling.take(), [Closed(Reason::ForcedClose)]);
}

#[test]
fn a_namespace_joined_once_keeps_the_session_open() {
    let mut bench = Bench::websocket();
    for second in (0..90).step_by(15) {
        bench.wait_until(second * 1000);
        bench.receive(WEBSOCKET, Packet::Pong(""));
    }
    assert!(bench.is_open());
}

#[test]
fn a_closed_session_refuses_and_ignores_everything() {
    let mut bench = Bench::polling();
    bench.session.terminate(&mut bench.effects);
    bench.take();
    bench.poll(GET);
    bench.post(POST, [Packet::Text("unheard")]);
    bench.open(WEBSOCKET);
    bench.close();
    bench.session.abort(Reason::TransportError, &mut bench.effects);
    bench.session.tick(Millis(100_000), &bench.settings, &mut bench.effects);
    assert_eq!(bench.take(), [Refuse(GET), Refuse(POST), Shut(WEBSOCKET)]);
}
