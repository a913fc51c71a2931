//! GETs and POSTs.

use super::*;

#[test]
fn a_get_is_held_until_there_is_something_to_send() {
    let mut bench = Bench::polling();
    bench.poll(GET);
    assert_eq!(bench.take(), []);
    bench.emit("4a");
    assert_eq!(bench.take(), [answer(GET, &["4a"])]);
}

#[test]
fn a_get_takes_everything_queued() {
    let mut bench = Bench::polling();
    bench.emit("4a");
    bench.emit("4b");
    bench.poll(GET);
    assert_eq!(bench.take(), [answer(GET, &["4a", "4b"])]);
}

#[test]
fn what_is_emitted_in_one_turn_leaves_in_one_answer() {
    let mut bench = Bench::polling();
    bench.poll(GET);
    bench.session.enqueue(text("4a"));
    bench.emit("4b");
    assert_eq!(bench.take(), [answer(GET, &["4a", "4b"])]);
}

#[test]
fn a_second_get_ends_the_session() {
    let mut bench = Bench::polling();
    bench.poll(GET);
    bench.poll(GET_2);
    assert_eq!(bench.take(), [Refuse(GET_2), answer(GET, &["1"]), Closed(Reason::TransportError)]);
}

#[test]
fn a_lost_get_ends_the_session() {
    let mut bench = Bench::polling();
    bench.poll(GET);
    bench.session.poll_lost(GET, &mut bench.effects);
    assert_eq!(bench.take(), [Closed(Reason::TransportError)]);
}

#[test]
fn a_get_lost_after_its_answer_is_no_matter() {
    let mut bench = Bench::polling();
    bench.emit("4a");
    bench.poll(GET);
    bench.take();
    bench.session.poll_lost(GET, &mut bench.effects);
    assert_eq!(bench.take(), []);
    assert!(bench.is_open());
}

#[test]
fn a_post_is_accepted_after_its_packets() {
    let mut bench = Bench::polling();
    bench.poll(GET);
    bench.session.post_begin(POST, &mut bench.effects);
    assert_eq!(bench.receive(POST, Packet::Text("too early")), None);
    bench.session.post_read(POST);
    assert_eq!(bench.receive(POST, Packet::Text("0")), Some(Inbound::Text("0")));
    assert_eq!(bench.take(), []);
    bench.session.post_accept(POST, &mut bench.effects);
    assert_eq!(bench.take(), [Accept(POST)]);
}

#[test]
fn a_second_post_ends_the_session() {
    let mut bench = Bench::polling();
    bench.poll(GET);
    bench.session.post_begin(POST, &mut bench.effects);
    bench.session.post_begin(POST_2, &mut bench.effects);
    let expected = [Refuse(POST_2), answer(GET, &["1"]), Cut(POST), Closed(Reason::TransportError)];
    assert_eq!(bench.take(), expected);
}

#[test]
fn a_post_that_is_too_long_leaves_the_session_alone() {
    let mut bench = Bench::polling();
    bench.session.post_begin(POST, &mut bench.effects);
    bench.session.post_too_long(POST);
    bench.post(POST_2, []);
    assert_eq!(bench.take(), [Accept(POST_2)]);
}

#[test]
fn a_post_of_the_wrong_type_ends_the_session() {
    let mut bench = Bench::polling();
    bench.session.post_begin(POST, &mut bench.effects);
    bench.session.post_invalid(POST, &mut bench.effects);
    assert_eq!(bench.take(), [Refuse(POST), Closed(Reason::TransportError)]);
}

#[test]
fn a_post_lost_half_way_ends_the_session() {
    let mut bench = Bench::polling();
    bench.poll(GET);
    bench.session.post_begin(POST, &mut bench.effects);
    bench.session.post_lost(POST, &mut bench.effects);
    assert_eq!(bench.take(), [answer(GET, &["1"]), Closed(Reason::TransportError)]);
}

#[test]
fn an_undecodable_packet_ends_the_session_behind_the_good_ones() {
    let mut bench = Bench::polling();
    bench.poll(GET);
    bench.session.post_begin(POST, &mut bench.effects);
    bench.session.post_read(POST);
    assert_eq!(bench.receive(POST, Packet::Text("0")), Some(Inbound::Text("0")));
    bench.session.bad_packet(POST, &mut bench.effects);
    bench.session.post_accept(POST, &mut bench.effects);
    assert_eq!(bench.take(), [answer(GET, &["1"]), Accept(POST), Closed(Reason::ParseError)]);
}

#[test]
fn packets_without_meaning_here_are_ignored() {
    let mut bench = Bench::polling();
    bench.post(POST, [Packet::Open(""), Packet::Upgrade, Packet::Noop, Packet::Pong("")]);
    assert_eq!(bench.take(), [Accept(POST)]);
    let mut bench = Bench::websocket();
    for packet in [Packet::Open(""), Packet::Upgrade, Packet::Noop, Packet::Pong("")] {
        assert_eq!(bench.receive(WEBSOCKET, packet), None);
    }
    assert_eq!(bench.take(), []);
}

#[test]
fn requests_to_a_session_on_a_websocket_are_refused() {
    let mut bench = Bench::websocket();
    bench.poll(GET);
    bench.session.post_begin(POST, &mut bench.effects);
    assert_eq!(bench.take(), [Refuse(GET), Refuse(POST)]);
    assert!(bench.is_open());
}
