//! GETs and POSTs.

use super::super::super::settings::MAX_ANSWER;
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
    bench.enqueue(text("4a"));
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

/// A message that takes so much of an answer.
fn long(bytes: usize) -> Frames {
    text(&format!("4{}", "x".repeat(bytes)))
}

fn lengths(effect: Option<&Effect<u32>>) -> Vec<usize> {
    match effect {
        Some(Answer(_, frames)) => frames.iter().map(Frames::len).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_answer_carries_a_mebibyte_and_the_next_what_is_left() {
    let mut bench = Bench::polling();
    for _ in 0..5 {
        bench.enqueue(long(MAX_ANSWER / 4));
    }
    bench.poll(GET);
    assert_eq!(lengths(bench.take().first()).len(), 3);
    assert_eq!(bench.session.queued_messages(), 2);
    bench.poll(GET_2);
    assert_eq!(lengths(bench.take().first()).len(), 2);
    assert_eq!((bench.session.queued_messages(), bench.session.queued_bytes()), (0, 0));
}

#[test]
fn one_message_alone_may_be_longer_than_an_answer() {
    let mut bench = Bench::polling();
    bench.enqueue(long(2 * MAX_ANSWER));
    bench.enqueue(text("4a"));
    bench.poll(GET);
    assert_eq!(lengths(bench.take().first()).len(), 1);
    bench.poll(GET_2);
    assert_eq!(bench.take(), [answer(GET_2, &["4a"])]);
}

#[test]
fn who_leaves_more_than_an_answer_carries_is_given_up_in_time() {
    let mut bench = Bench::polling();
    bench.enqueue(long(MAX_ANSWER));
    let by = bench.settings.fetch_timeout.as_millis() as u64;
    bench.wait_until(by - 1);
    assert!(bench.is_open());
    // A GET that takes some of it gives the whole time for the next.
    bench.enqueue(long(MAX_ANSWER));
    bench.enqueue(long(MAX_ANSWER));
    bench.poll(GET);
    bench.take();
    bench.wait_until(2 * by - 2);
    assert!(bench.is_open());
    bench.wait_until(2 * by - 1);
    assert_eq!(bench.take(), [Closed(Reason::TransportError)]);
}

#[test]
fn who_leaves_what_one_answer_carries_may_take_its_time() {
    let mut bench = Bench::polling();
    bench.enqueue(long(MAX_ANSWER / 2));
    bench.wait_until(15_000);
    assert!(bench.is_open());
}

#[test]
fn a_ping_stands_before_what_more_than_one_answer_carries() {
    let mut bench = Bench::polling();
    for _ in 0..30 {
        bench.enqueue(long(MAX_ANSWER / 2));
        bench.now = Millis(bench.now.0 + 1000);
        if bench.now.0 == 25_000 {
            break;
        }
        bench.poll(GET);
        bench.take();
    }
    bench.enqueue(long(MAX_ANSWER));
    bench.session.tick(bench.now, &bench.settings, &mut bench.effects);
    assert_eq!(bench.session.queue().next(), Some(&Frames::PING));
}

#[test]
fn a_session_that_ends_sends_nothing_after_a_gap() {
    let mut bench = Bench::polling();
    bench.poll(GET);
    bench.enqueue(long(MAX_ANSWER / 2));
    bench.enqueue(long(MAX_ANSWER));
    bench.session.terminate(&mut bench.effects);
    let effects = bench.take();
    assert_eq!(lengths(effects.first()).len(), 1, "no farewell behind it");
    assert_eq!(effects.last(), Some(&Closed(Reason::ForcedClose)));
}

#[test]
fn a_closed_session_gives_all_that_is_left_answer_by_answer() {
    let mut bench = Bench::polling();
    for _ in 0..3 {
        bench.enqueue(long(MAX_ANSWER / 2));
    }
    bench.close();
    for expected in [1, 1, 1] {
        bench.poll(GET);
        assert_eq!(lengths(bench.take().first()).len(), expected);
    }
    bench.poll(GET);
    assert_eq!(bench.take(), [answer(GET, &["6", "1"]), Closed(Reason::ForcedClose)]);
}
