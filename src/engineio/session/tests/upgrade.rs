//! From polling to a WebSocket.

use super::*;

#[test]
fn a_websocket_gets_nothing_before_its_probe() {
    let mut bench = Bench::polling();
    bench.open(WEBSOCKET);
    bench.emit("4a");
    bench.wait_until(9_999);
    assert_eq!(bench.take(), []);
}

#[test]
fn an_upgrade_goes_its_way() {
    let mut bench = Bench::polling();
    bench.poll(GET);
    bench.open(WEBSOCKET);
    bench.receive(WEBSOCKET, Packet::Ping("probe"));
    assert_eq!(bench.take(), [Send(WEBSOCKET, Frames::PROBE)]);
    bench.wait_until(99);
    assert_eq!(bench.take(), []);
    bench.wait_until(100);
    assert_eq!(bench.take(), [answer(GET, &["6"])]);
    bench.emit("4queued");
    bench.poll(GET_2);
    assert_eq!(bench.take(), [answer(GET_2, &["4queued"])]);
    bench.emit("4a");
    bench.emit("4b");
    bench.receive(WEBSOCKET, Packet::Upgrade);
    bench.emit("4after");
    assert_eq!(bench.take(), ["4a", "4b", "4after"].map(|message| Send(WEBSOCKET, text(message))));
    assert_eq!(bench.session.found().map(|found| found.transport), Some(Transport::WebSocket));
}

#[test]
fn packets_due_while_probing_leave_by_a_held_get() {
    let mut bench = Bench::probing();
    bench.poll(GET);
    bench.emit("4a");
    assert_eq!(bench.take(), [answer(GET, &["4a"])]);
}

#[test]
fn every_get_while_probing_is_relieved() {
    let mut bench = Bench::probing();
    bench.poll(GET);
    bench.wait_until(100);
    bench.wait_until(150);
    bench.poll(GET_2);
    bench.wait_until(200);
    assert_eq!(bench.take(), [answer(GET, &["6"]), answer(GET_2, &["6"])]);
}

#[test]
fn a_get_is_relieved_by_what_is_queued_rather_than_by_a_noop() {
    let mut bench = Bench::probing();
    bench.poll(GET);
    bench.enqueue(text("4a"));
    bench.wait_until(100);
    assert_eq!(bench.take(), [answer(GET, &["4a"])]);
}

#[test]
fn a_repeated_probe_restarts_the_clock() {
    let mut bench = Bench::probing();
    bench.poll(GET);
    bench.wait_until(60);
    bench.receive(WEBSOCKET, Packet::Ping("probe"));
    bench.wait_until(159);
    assert_eq!(bench.take(), [Send(WEBSOCKET, Frames::PROBE)]);
    bench.wait_until(160);
    assert_eq!(bench.take(), [answer(GET, &["6"])]);
}

#[test]
fn an_upgrade_closes_the_get_still_held_and_keeps_the_order() {
    let mut bench = Bench::probing();
    bench.poll(GET);
    bench.enqueue(text("4a"));
    bench.receive(WEBSOCKET, Packet::Upgrade);
    bench.emit("4b");
    assert_eq!(bench.take(), [answer(GET, &["1"]), Send(WEBSOCKET, text("4a")), Send(WEBSOCKET, text("4b"))]);
}

#[test]
fn an_upgrade_cuts_the_post_still_being_read() {
    let mut bench = Bench::probing();
    bench.session.post_begin(POST, &mut bench.effects);
    bench.receive(WEBSOCKET, Packet::Upgrade);
    assert_eq!(bench.take(), [Cut(POST)]);
    assert!(bench.is_open());
}

#[test]
fn an_upgrade_needs_no_probe() {
    let mut bench = Bench::polling();
    bench.open(WEBSOCKET);
    bench.receive(WEBSOCKET, Packet::Upgrade);
    assert_eq!(bench.take(), []);
    assert_eq!(bench.session.route(), Route::WebSocket(WEBSOCKET));
}

#[test]
fn a_second_probing_websocket_is_shut() {
    let mut bench = Bench::probing();
    bench.open(WEBSOCKET_2);
    assert_eq!(bench.take(), [Shut(WEBSOCKET_2)]);
    bench.receive(WEBSOCKET, Packet::Upgrade);
    assert_eq!(bench.session.route(), Route::WebSocket(WEBSOCKET));
}

#[test]
fn a_second_websocket_is_shut_after_the_upgrade() {
    let mut bench = Bench::websocket();
    bench.open(WEBSOCKET_2);
    bench.session.websocket_lost(WEBSOCKET_2, Lost::Closed, &mut bench.effects);
    assert_eq!(bench.take(), [Shut(WEBSOCKET_2)]);
    assert!(bench.is_open());
}

#[test]
fn any_other_packet_ends_the_attempt_but_not_the_session() {
    for packet in [Packet::Text(""), Packet::Ping(""), Packet::Close, Packet::Pong("probe"), Packet::Binary("".into())]
    {
        let mut bench = Bench::probing();
        assert_eq!(bench.receive(WEBSOCKET, packet), None);
        assert_eq!(bench.take(), [Shut(WEBSOCKET)]);
        assert_eq!(bench.session.route(), Route::Queue);
        bench.open(WEBSOCKET_2);
        bench.receive(WEBSOCKET_2, Packet::Ping("probe"));
        assert_eq!(bench.take(), [Send(WEBSOCKET_2, Frames::PROBE)]);
    }
}

#[test]
fn an_undecodable_packet_ends_the_attempt_but_not_the_session() {
    let mut bench = Bench::probing();
    bench.session.bad_packet(WEBSOCKET, &mut bench.effects);
    assert_eq!(bench.take(), [Shut(WEBSOCKET)]);
    assert_eq!(bench.session.route(), Route::Queue);
}

#[test]
fn a_lost_probing_websocket_is_forgotten() {
    let mut bench = Bench::probing();
    bench.session.websocket_lost(WEBSOCKET, Lost::Error, &mut bench.effects);
    bench.poll(GET);
    bench.wait_until(10_000);
    assert_eq!(bench.take(), []);
    assert!(bench.is_open());
}

#[test]
fn an_unfinished_attempt_times_out() {
    let mut bench = Bench::probing();
    bench.wait_until(9_999);
    assert_eq!(bench.take(), []);
    bench.wait_until(10_000);
    assert_eq!(bench.take(), [Shut(WEBSOCKET)]);
    assert_eq!(bench.session.route(), Route::Queue);
}

#[test]
fn an_attempt_does_not_time_out_while_the_server_holds_a_post_up() {
    let mut bench = Bench::probing();
    bench.session.post_begin(POST, &mut bench.effects);
    bench.session.post_read(POST);
    bench.wait_until(12_000);
    assert_eq!(bench.take(), []);
    bench.session.post_accept(POST, &mut bench.effects);
    bench.receive(WEBSOCKET, Packet::Upgrade);
    assert_eq!(bench.take(), [Accept(POST)]);
    assert_eq!(bench.session.route(), Route::WebSocket(WEBSOCKET));
}

#[test]
fn a_probing_websocket_is_shut_with_its_session() {
    let mut bench = Bench::probing();
    bench.post(POST, [Packet::Close]);
    bench.wait_until(50);
    let effects = [Left(Reason::TransportClose), Accept(POST), Shut(WEBSOCKET), Closed(Reason::TransportClose)];
    assert_eq!(bench.take(), effects);
}

#[test]
fn an_upgrade_while_closing_flushes_and_closes() {
    let mut bench = Bench::probing();
    bench.emit("4a");
    bench.close();
    assert_eq!(bench.take(), []);
    bench.receive(WEBSOCKET, Packet::Upgrade);
    assert_eq!(bench.take(), [Send(WEBSOCKET, text("4a")), Shut(WEBSOCKET), Closed(Reason::ForcedClose)]);
}

#[test]
fn an_attempt_may_run_while_the_session_is_closing() {
    let mut bench = Bench::polling();
    bench.close();
    bench.open(WEBSOCKET);
    bench.receive(WEBSOCKET, Packet::Ping("probe"));
    bench.wait_until(10_000);
    assert_eq!(bench.take(), [Send(WEBSOCKET, Frames::PROBE), Shut(WEBSOCKET)]);
    bench.wait_until(30_000);
    assert_eq!(bench.take(), [Closed(Reason::ForcedClose)]);
}
