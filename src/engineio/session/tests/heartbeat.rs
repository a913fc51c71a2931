//! Pings, pongs and what counts as one.

use super::*;

#[test]
fn a_ping_leaves_one_interval_after_the_opening() {
    let mut bench = Bench::websocket();
    bench.wait_until(24_999);
    assert_eq!(bench.take(), []);
    bench.wait_until(25_000);
    assert_eq!(bench.take(), [Beat(WEBSOCKET, Frames::PING)]);
}

#[test]
fn the_next_ping_counts_from_the_pong() {
    let mut bench = Bench::websocket();
    bench.wait_until(30_000);
    bench.receive(WEBSOCKET, Packet::Pong(""));
    bench.take();
    bench.wait_until(54_999);
    assert_eq!(bench.take(), []);
    bench.wait_until(55_000);
    assert_eq!(bench.take(), [Beat(WEBSOCKET, Frames::PING)]);
}

#[test]
fn a_pong_that_waited_to_be_read_does_not_delay_the_next_ping() {
    let mut bench = Bench::websocket();
    bench.wait_until(25_000);
    bench.take();
    // It comes five seconds after half of the timeout.
    bench.wait_until(40_000);
    bench.receive(WEBSOCKET, Packet::Pong(""));
    bench.wait_until(59_999);
    assert_eq!(bench.take(), []);
    bench.wait_until(60_000);
    assert_eq!(bench.take(), [Beat(WEBSOCKET, Frames::PING)]);
}

#[test]
fn nor_does_one_for_which_the_wait_was_extended() {
    let mut bench = Bench::websocket();
    bench.wait_until(30_000);
    bench.receive(WEBSOCKET, Packet::Text("2[]"));
    bench.wait_until(49_000);
    bench.receive(WEBSOCKET, Packet::Pong(""));
    bench.take();
    // Half a timeout and an interval after the ping, which was the last one.
    bench.wait_until(59_999);
    assert_eq!(bench.take(), []);
    bench.wait_until(60_000);
    assert_eq!(bench.take(), [Beat(WEBSOCKET, Frames::PING)]);
}

#[test]
fn after_a_second_ping_the_next_one_counts_from_that() {
    let mut bench = Bench::websocket();
    bench.wait_until(44_999);
    bench.shows_life(45_000);
    bench.take();
    bench.wait_until(62_000);
    bench.receive(WEBSOCKET, Packet::Pong(""));
    bench.wait_until(79_999);
    assert_eq!(bench.take(), []);
    bench.wait_until(80_000);
    assert_eq!(bench.take(), [Beat(WEBSOCKET, Frames::PING)]);
}

#[test]
fn no_pong_in_time_ends_the_session() {
    let mut bench = Bench::websocket();
    bench.wait_until(44_999);
    bench.take();
    bench.wait_until(45_000);
    assert_eq!(bench.take(), [Shut(WEBSOCKET), Closed(Reason::PingTimeout)]);
}

#[test]
fn no_pong_in_time_answers_a_held_get_with_close() {
    let mut bench = Bench::polling();
    bench.poll(GET);
    bench.wait_until(25_000);
    assert_eq!(bench.take(), [answer(GET, &["2"])]);
    bench.poll(GET_2);
    bench.wait_until(45_000);
    assert_eq!(bench.take(), [answer(GET_2, &["1"]), Closed(Reason::PingTimeout)]);
}

#[test]
fn a_ping_waits_for_a_get_while_its_deadline_runs() {
    let mut bench = Bench::polling();
    bench.wait_until(45_000);
    assert_eq!(bench.take(), [Closed(Reason::PingTimeout)]);
}

#[test]
fn a_ping_that_a_get_fetches_late_gives_the_whole_timeout() {
    let mut bench = Bench::polling();
    bench.wait_until(44_000);
    assert_eq!(bench.take(), []);
    bench.poll(GET);
    assert_eq!(bench.take(), [answer(GET, &["2"])]);
    bench.wait_until(63_999);
    assert!(bench.is_open());
    bench.wait_until(64_000);
    assert_eq!(bench.take(), [Closed(Reason::PingTimeout)]);
}

#[test]
fn a_get_that_fetches_nothing_is_no_sign_of_life() {
    let mut bench = Bench::polling();
    bench.poll(GET);
    bench.wait_until(25_000);
    bench.take();
    bench.now = Millis(44_000);
    bench.poll(GET_2);
    bench.wait_until(45_000);
    assert_eq!(bench.take(), [answer(GET_2, &["1"]), Closed(Reason::PingTimeout)]);
}

#[test]
fn another_packet_extends_the_deadline_once() {
    let mut bench = Bench::websocket();
    bench.wait_until(30_000);
    bench.receive(WEBSOCKET, Packet::Noop);
    bench.wait_until(40_000);
    bench.receive(WEBSOCKET, Packet::Text("2[]"));
    bench.take();
    bench.wait_until(49_999);
    assert_eq!(bench.take(), []);
    bench.wait_until(50_000);
    assert_eq!(bench.take(), [Shut(WEBSOCKET), Closed(Reason::PingTimeout)]);
}

#[test]
fn a_client_whose_packets_wait_to_be_read_is_pinged_again_at_the_first_deadline() {
    let mut bench = Bench::websocket();
    bench.wait_until(30_000);
    bench.receive(WEBSOCKET, Packet::Text("2[]"));
    bench.take();
    bench.shows_life(45_000);
    assert_eq!(bench.take(), [Beat(WEBSOCKET, Frames::PING)]);
    bench.wait_until(64_999);
    assert!(bench.is_open());
}

#[test]
fn each_ping_has_its_own_extension() {
    let mut bench = Bench::websocket();
    bench.wait_until(25_000);
    bench.receive(WEBSOCKET, Packet::Noop);
    bench.receive(WEBSOCKET, Packet::Pong(""));
    bench.wait_until(60_000);
    bench.receive(WEBSOCKET, Packet::Noop);
    bench.wait_until(79_999);
    assert!(bench.is_open());
    bench.wait_until(80_000);
    assert!(!bench.is_open());
}

#[test]
fn packets_do_not_count_before_the_ping() {
    let mut bench = Bench::websocket();
    bench.wait_until(24_000);
    bench.receive(WEBSOCKET, Packet::Noop);
    bench.wait_until(45_000);
    assert_eq!(bench.take(), [Beat(WEBSOCKET, Frames::PING), Shut(WEBSOCKET), Closed(Reason::PingTimeout)]);
}

#[test]
fn a_pong_nobody_asked_for_does_not_move_the_next_ping() {
    let mut bench = Bench::websocket();
    bench.wait_until(20_000);
    bench.receive(WEBSOCKET, Packet::Pong(""));
    bench.wait_until(24_999);
    assert_eq!(bench.take(), []);
    bench.wait_until(25_000);
    assert_eq!(bench.take(), [Beat(WEBSOCKET, Frames::PING)]);
}

#[test]
fn a_ping_from_the_client_ends_the_session() {
    let mut bench = Bench::websocket();
    bench.receive(WEBSOCKET, Packet::Ping(""));
    assert_eq!(bench.take(), [Shut(WEBSOCKET), Closed(Reason::TransportError)]);
    let mut bench = Bench::polling();
    bench.post(POST, [Packet::Ping("")]);
    assert_eq!(bench.take(), [Accept(POST), Closed(Reason::TransportError)]);
}

#[test]
fn a_ping_that_leaves_late_gives_the_whole_timeout() {
    let mut bench = Bench::websocket();
    bench.session.tick(Millis(26_000), &bench.settings, &mut bench.effects);
    assert_eq!(bench.session.deadline(), Some(Millis(46_000)));
}

#[test]
fn a_deadline_survives_the_upgrade() {
    let mut bench = Bench::polling();
    bench.poll(GET);
    bench.wait_until(25_000);
    bench.take();
    bench.now = Millis(30_000);
    bench.open(WEBSOCKET);
    bench.receive(WEBSOCKET, Packet::Upgrade);
    assert_eq!(bench.take(), []);
    assert_eq!(bench.session.deadline(), Some(Millis(45_000)));
}

#[test]
fn a_ping_that_an_upgrade_takes_along_gives_the_whole_timeout() {
    let mut bench = Bench::polling();
    bench.wait_until(25_000);
    bench.open(WEBSOCKET);
    bench.now = Millis(30_000);
    bench.receive(WEBSOCKET, Packet::Upgrade);
    assert_eq!(bench.take(), [Send(WEBSOCKET, Frames::PING)]);
    bench.wait_until(45_000);
    assert_eq!(bench.take(), [Beat(WEBSOCKET, Frames::PING)]);
    assert_eq!(bench.session.deadline(), Some(Millis(50_000)));
}

#[test]
fn a_sign_of_life_begins_the_wait_anew_and_pings_again() {
    let mut bench = Bench::websocket();
    bench.wait_until(25_000);
    bench.take();
    bench.shows_life(45_000);
    assert_eq!(bench.take(), [Beat(WEBSOCKET, Frames::PING)]);
    bench.wait_until(64_999);
    assert!(bench.is_open());
    bench.wait_until(65_000);
    assert!(!bench.is_open());
}

#[test]
fn a_packet_extends_the_wait_for_a_client_that_has_shown_life() {
    let mut bench = Bench::websocket();
    bench.wait_until(25_000);
    bench.now = Millis(30_000);
    bench.session.sign_of_life(bench.now, &bench.settings, &mut bench.effects);
    bench.now = Millis(40_000);
    bench.receive(WEBSOCKET, Packet::Noop);
    bench.wait_until(59_999);
    assert!(bench.is_open());
    bench.wait_until(60_000);
    assert!(!bench.is_open());
}

#[test]
fn a_sign_of_life_of_a_polling_client_pings_again_where_a_get_is_held() {
    let mut bench = Bench::polling();
    bench.poll(GET);
    bench.wait_until(25_000);
    bench.poll(GET_2);
    bench.take();
    for (at, pings) in [(45_000, vec![answer(GET_2, &["2"])]), (65_000, vec![])] {
        bench.shows_life(at);
        assert_eq!(bench.take(), pings);
    }
}

#[test]
fn a_ping_that_may_be_under_way_is_waited_for_as_long_as_bytes_arrive() {
    let mut bench = Bench::websocket();
    bench.wait_until(25_000);
    for (at, left, is_waited_for) in
        [(45_000, 50_000, true), (65_000, 40_000, true), (85_000, 1000, true), (105_000, 0, false)]
    {
        bench.now = Millis(at);
        assert!(bench.session.is_missed(bench.now));
        bench.session.ping_may_be_under_way(bench.now, left, &bench.settings);
        assert_eq!(bench.session.is_missed(bench.now), !is_waited_for, "{left} left");
    }
}

#[test]
fn a_ping_whose_bytes_do_not_arrive_is_waited_for_once() {
    let mut bench = Bench::websocket();
    bench.wait_until(25_000);
    bench.now = Millis(45_000);
    bench.session.ping_may_be_under_way(bench.now, 4000, &bench.settings);
    assert!(bench.session.is_missed(bench.now), "so little keeps no pong");
    bench.session.ping_may_be_under_way(bench.now, 50_000, &bench.settings);
    bench.now = Millis(65_000);
    bench.session.ping_may_be_under_way(bench.now, 50_000, &bench.settings);
    assert!(bench.session.is_missed(bench.now));
}

#[test]
fn what_a_client_is_waited_for_is_due_when_all_has_been_sent() {
    let mut bench = Bench::polling();
    bench.wait_until(44_000);
    bench.session.sent(bench.now, &bench.settings);
    bench.now = Millis(64_000);
    bench.session.ping_may_be_under_way(bench.now, 0, &bench.settings);
    assert!(!bench.session.is_missed(bench.now), "it has been delivered meanwhile");
    bench.session.sent(bench.now, &bench.settings);
    bench.now = Millis(84_000);
    bench.session.ping_may_be_under_way(bench.now, 0, &bench.settings);
    assert!(!bench.session.is_missed(bench.now), "so has the next");
    bench.wait_until(104_000);
    assert!(!bench.is_open());
}

#[test]
fn a_client_that_was_pinged_before_all_was_sent_is_pinged_again_at_the_first_deadline() {
    let mut bench = Bench::polling();
    bench.poll(GET);
    bench.wait_until(25_000);
    bench.poll(GET_2);
    bench.take();
    bench.wait_until(35_000);
    bench.session.sent(bench.now, &bench.settings);
    bench.wait_until(44_999);
    assert_eq!(bench.take(), []);
    // From the first ping on the client waits for an interval and a timeout, until 70 000.
    bench.wait_until(45_000);
    assert_eq!(bench.take(), [answer(GET_2, &["2"])]);
    bench.now = Millis(55_000);
    bench.session.ping_may_be_under_way(bench.now, 0, &bench.settings);
    assert!(!bench.session.is_missed(bench.now), "it has been delivered meanwhile");
}
