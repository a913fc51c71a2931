//! Lost sockets, and those that were handed over.

use super::*;

#[test]
fn a_socket_that_another_server_had_later_is_outdated() {
    let mut sockets = LostSockets::new(1 << 20, KEEP);
    sockets.keep(Millis(0), sid(1), Lost { generation: 2, ..lost(1, &[]) });
    assert!(sockets.take_outdated(sid(1), 2).is_none() && sockets.take_outdated(sid(2), 3).is_none());
    assert!(sockets.take_outdated(sid(1), 3).is_some() && !sockets.has(sid(1)));
}

#[test]
fn a_socket_that_is_taken_back_stays_as_doubtful_as_it_was() {
    let mut hand_overs = HandOvers::default();
    let mut taken_back = |before, doubt| {
        let number = hand_overs.give(sid(1), Lost { doubt: before, ..lost(1, &[]) }).expect("room");
        let (pid, lost) = hand_overs.take_back(number, doubt).expect("the socket");
        assert_eq!((pid, hand_overs.take_back(number, doubt).is_none()), (sid(1), true));
        lost.doubt
    };
    assert_eq!(taken_back(None, None), None);
    assert_eq!(taken_back(None, Some(8)), Some(8));
    assert_eq!(taken_back(Some(7), None), Some(7), "another server may have it since then");
    assert_eq!(taken_back(Some(7), Some(8)), Some(8));
}

#[test]
fn a_lost_socket_is_found_once_and_until_it_is_too_old() {
    let mut sockets = LostSockets::new(usize::MAX, KEEP);
    sockets.keep(Millis(0), sid(10), lost(1, &["a"]));
    sockets.keep(Millis(500), sid(20), lost_at(Millis(500), 2, &[]));
    assert!(sockets.take(Millis(1000), sid(10), NamespaceKey(1)).is_none(), "another namespace");
    assert!(sockets.take(Millis(1001), sid(10), NAMESPACE).is_none(), "too old");
    assert_eq!(sockets.take(Millis(1000), sid(10), NAMESPACE).unwrap().sid, sid(1));
    assert!(sockets.take(Millis(1000), sid(10), NAMESPACE).is_none(), "taken already");
    assert_eq!(sockets.expire(Millis(1500)), 1);
    assert_eq!(sockets.expire(Millis(1501)), 0);
}

#[test]
fn a_socket_that_is_put_back_gets_no_longer_life() {
    let mut sockets = LostSockets::new(usize::MAX, KEEP);
    sockets.keep(Millis(500), sid(20), lost_at(Millis(500), 2, &[]));
    sockets.keep(Millis(900), sid(10), lost_at(Millis(0), 1, &[]));
    assert_eq!(sockets.expire(Millis(1001)), 1);
    assert!(sockets.take(Millis(1001), sid(20), NAMESPACE).is_some());
}

#[test]
fn a_socket_lost_again_takes_its_own_place() {
    let mut sockets = LostSockets::new(usize::MAX, KEEP);
    for now in (0..500).step_by(100).map(Millis) {
        sockets.keep(now, sid(10), lost_at(now, 1, &["a"]));
    }
    assert_eq!(sockets.expire(Millis(1400)), 1);
    assert_eq!(sockets.expire(Millis(1401)), 0);
}

#[test]
fn the_longest_lost_make_room_for_others() {
    let mut sockets = LostSockets::new(20_000, KEEP);
    let dropped: u64 = (0..100).map(|slot| sockets.keep(Millis(0), sid(slot), lost(slot, &["a"]))).sum();
    assert!(dropped > 30 && dropped < 80, "{dropped}");
    assert_eq!(sockets.expire(Millis(0)) as u64, 100 - dropped);
    assert!(sockets.take(Millis(0), sid(dropped as u32 - 1), NAMESPACE).is_none());
    assert!(sockets.take(Millis(0), sid(dropped as u32), NAMESPACE).is_some(), "the oldest of those left");
}

#[test]
fn all_are_taken_out_from_the_one_that_was_lost_last() {
    let mut sockets = LostSockets::new(usize::MAX, KEEP);
    for (slot, at) in [(1, 100), (2, 300), (3, 200), (4, 300)] {
        sockets.keep(Millis(at), sid(slot), lost_at(Millis(at), slot, &[]));
    }
    let pids = sockets.take_all(Millis(1150)).into_iter().map(|(pid, _)| pid.slot);
    assert_eq!(pids.collect::<Vec<_>>(), [4, 2, 3]);
    assert!(sockets.take_all(Millis(0)).is_empty());
}

#[test]
fn a_lost_socket_beyond_its_share_goes_itself() {
    let mut sockets = LostSockets::new(20_000, KEEP);
    let keep = |sockets: &mut LostSockets, slot, rooms: &[&str]| sockets.keep(Millis(0), sid(slot), lost(slot, rooms));
    assert_eq!((0..20).map(|slot| keep(&mut sockets, slot, &["a"])).sum::<u64>(), 0);
    assert_eq!(keep(&mut sockets, 99, &["a"; 1000]), 1);
    assert_eq!(sockets.expire(Millis(0)), 20, "nobody went for it");
    assert_eq!(keep(&mut sockets, 19, &["a"; 1000]), 1);
    assert!(sockets.take(Millis(0), sid(19), NAMESPACE).is_none(), "what was kept of it before goes, too");
}
