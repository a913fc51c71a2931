//! How exchanges end, and what bounds them.

use std::time::Duration;

use super::owner::{ENTRY, Owner, get, post, text};
use crate::cluster::peers::message::relay::{Then, ToEntry, ToOwner};
use crate::cluster::peers::{Instance, Unheard};
use crate::http;

/// A frame that closes, masked with zeros.
const CLOSE: &[u8] = b"\x88\x80\0\0\0\0";

#[test]
fn a_client_that_leaves_a_held_get_is_as_one_whose_connection_breaks() {
    let mut owner = Owner::new(|_| ());
    let target = owner.open();
    owner.answer(&post(&target, "40"));
    owner.answer(&get(&target));
    owner.seen();
    let held = owner.begin(&get(&target));
    owner.hear(held, ToOwner::Gone);
    assert_eq!((owner.told(), owner.connections()), (Vec::new(), (0, 0)));
    assert_eq!(owner.seen(), ["transport error"], "as on Node, where a GET was held");
}

#[test]
fn a_get_is_answered_once_when_its_entry_ends() {
    for is_read in [true, false] {
        let mut owner = Owner::new(|_| ());
        let target = owner.open();
        owner.answer(&post(&target, "40"));
        owner.answer(&get(&target));
        owner.seen();
        let held = if is_read { owner.begin(&get(&target)) } else { owner.comes(&get(&target)) };
        owner.hear(held, ToOwner::Release);
        let told = owner.told();
        let [(of, ToEntry::Down { bytes, then: Then::Closed })] = &told[..] else { panic!("{told:?}") };
        let answer = String::from_utf8_lossy(bytes);
        assert!(*of == held && answer.contains("\r\nConnection: close\r\n") && answer.ends_with("\r\n6"), "{answer}");
        owner.hear(held, ToOwner::Release);
        assert!(owner.answer(&post(&target, "42[\"say\",1]")).ends_with("ok"));
        assert!(owner.answer(&get(&target)).ends_with("42[\"said\",\"x\"]"), "the session goes on");
        assert_eq!((owner.seen(), owner.connections()), (vec![], (0, 0)));
    }
}

#[test]
fn a_get_that_was_answered_before_its_entry_ends_is_not_answered_again() {
    let mut owner = Owner::new(|_| ());
    let target = owner.open();
    let posted = owner.comes(&post(&target, "40"));
    owner.hear(posted, ToOwner::Release);
    let polled = owner.comes(&get(&target));
    owner.hear(polled, ToOwner::Release);
    let told = owner.told();
    let answered: Vec<_> = told.iter().map(|(of, _)| *of).collect();
    assert_eq!(answered, [posted, polled], "{told:?}");
    let held = owner.begin(&get(&target));
    assert_eq!((owner.told(), owner.connections()), (Vec::new(), (1, 1)), "another has its key, and is held");
    owner.hear(held, ToOwner::Gone);
}

#[test]
fn what_came_before_a_client_left_is_read() {
    for is_slow in [false, true] {
        let mut owner = Owner::new(|config| config.limits.hold_up = 1024);
        let tunnel = owner.tunnel();
        if is_slow {
            owner.hear(tunnel, ToOwner::Up(text("42[\"say\",800000]")));
        }
        owner.told();
        owner.seen();
        owner.hear(tunnel, ToOwner::Up(text("42[\"note\",\"last\"]")));
        owner.hear(tunnel, ToOwner::Gone);
        assert_eq!(owner.seen(), ["last", "transport close"]);
        assert_eq!((owner.told(), owner.connections(), owner.queued()), (Vec::new(), (0, 0), 0));
    }
}

#[test]
fn an_instance_takes_its_exchanges_with_it_and_no_others() {
    let mut owner = Owner::new(|_| ());
    let (one, other) = (owner.tunnel(), owner.tunnel());
    owner.seen();
    owner.is_left_by(Instance([9, 9, 8]));
    assert_eq!(owner.connections(), (2, 2));
    owner.is_left_by(ENTRY);
    assert_eq!((owner.seen(), owner.connections()), (vec!["transport close".to_owned(); 2], (0, 0)));
    owner.hear(one, ToOwner::Up(text("2")));
    owner.hear(other, ToOwner::Gone);
    assert_eq!(owner.told(), [], "nobody is there");
}

#[test]
fn a_tunnel_closes_behind_its_last_bytes() {
    let mut owner = Owner::new(|_| ());
    let tunnel = owner.tunnel();
    owner.seen();
    owner.hear(tunnel, ToOwner::Up(CLOSE.into()));
    let told = owner.told();
    assert!(
        matches!(&told[..], [(of, ToEntry::Down { bytes, then: Then::Closed })] if *of == tunnel && &bytes[..] == b"\x88\0"),
        "{told:?}"
    );
    assert_eq!((owner.connections(), owner.seen()), ((0, 0), vec!["transport close".to_owned()]));
}

#[test]
fn a_draining_owner_answers_what_it_owns_and_lets_tunnels_go() {
    let mut owner = Owner::new(|config| config.drain = Duration::from_secs(10));
    let tunnel = owner.tunnel();
    let target = owner.open();
    owner.answer(&post(&target, "40"));
    owner.answer(&get(&target));
    owner.shared.drain_all();
    owner.turn();
    let posted = owner.answer(&post(&target, "42[\"say\",1]"));
    assert!(posted.starts_with("HTTP/1.1 200 ") && !posted.contains("close"), "{posted}");
    assert!(owner.answer(&get(&target)).ends_with("42[\"said\",\"x\"]"));
    let held = owner.begin(&get(&target));
    owner.pass(Duration::from_secs(5));
    owner.hear(tunnel, ToOwner::Up(CLOSE.into()));
    owner.pass(Duration::from_secs(6));
    let told = owner.told();
    let last = |number| told.iter().rfind(|(of, _)| *of == number).map(|(_, what)| what);
    let is_closed = |what: Option<&ToEntry>| matches!(what, Some(ToEntry::Down { then: Then::Closed, .. }));
    assert!(is_closed(last(tunnel)) && is_closed(last(held)), "{told:?}");
    assert!(owner.is_over());
}

#[test]
fn there_are_so_many_exchanges_and_no_more() {
    let mut owner = Owner::new(|_| ());
    let target = owner.open();
    let half = "GET / HTTP/1.1\r\n";
    (0..10_000).for_each(|_| _ = owner.comes(half));
    owner.turn();
    assert_eq!((owner.told(), owner.connections()), (Vec::new(), (10_000, 10_000)));
    let turned_away = owner.begin(&get(&target));
    assert_eq!(owner.told(), [(turned_away, ToEntry::Down { bytes: http::BUSY.into(), then: Then::Closed })]);
    let (_, answer) = owner.local(&get(&target));
    assert_eq!(answer, "", "a connection of its own is served, and the GET held");
    owner.pass(Duration::from_secs(60));
    assert_eq!(owner.connections(), (1, 0), "half a request has its time");
}

#[test]
fn an_address_has_as_many_exchanges_as_connections() {
    let mut owner = Owner::new(|config| config.limits.connections_per_address = Some(2));
    let target = owner.open();
    let (held, _) = (owner.begin(&get(&target)), owner.begin("GET"));
    let third = owner.begin(&post(&target, "40"));
    assert_eq!(owner.told(), [(third, ToEntry::Down { bytes: http::CROWD.into(), then: Then::Closed })]);
    owner.hear(held, ToOwner::Gone);
    let target = owner.open();
    assert!(owner.answer(&post(&target, "40")).ends_with("ok"));
}

#[test]
fn an_entry_that_does_not_hear_something_is_told_the_end_until_it_hears_that() {
    for why in [Unheard::Full, Unheard::Away, Unheard::TooLong, Unheard::Gone] {
        let mut owner = Owner::new(|_| ());
        let tunnel = owner.tunnel();
        owner.seen();
        owner.is_not_heard(Some(why));
        owner.hear(tunnel, ToOwner::Up(text("42[\"say\",5]")));
        assert_eq!((owner.connections(), owner.seen()), ((0, 0), vec!["transport close".to_owned()]));
        owner.pass(Duration::from_secs(1));
        owner.is_not_heard(None);
        owner.pass(Duration::from_secs(1));
        let told = if why == Unheard::Gone { Vec::new() } else { vec![(tunnel, ToEntry::Gone)] };
        assert_eq!(owner.told(), told);
    }
}

#[test]
fn answers_wait_while_there_is_no_room_on_the_way() {
    let mut owner = Owner::new(|_| ());
    let target = owner.open();
    owner.bound(Some(0));
    let posted = owner.begin(&post(&target, "40"));
    owner.pass(Duration::from_secs(1));
    assert_eq!(owner.told(), []);
    owner.bound(None);
    owner.pass(Duration::from_millis(20));
    assert!(owner.whole_answer(posted).ends_with("ok"));
    assert_eq!(owner.connections(), (0, 0));
}

#[test]
fn the_oldest_answer_leaves_first_if_there_is_little_room() {
    let mut owner = Owner::new(|_| ());
    let targets = [(); 3].map(|()| owner.open());
    owner.bound(Some(0));
    let posted = targets.map(|target| owner.begin(&post(&target, "40")));
    assert_eq!(owner.told(), []);
    for number in posted {
        owner.bound(Some(1));
        owner.pass(Duration::from_millis(20));
        assert!(owner.whole_answer(number).ends_with("ok"));
    }
}
