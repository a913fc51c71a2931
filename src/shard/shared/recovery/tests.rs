//! Logs with a fake clock; lost sockets; and simulated servers made of both, checked against what clients may expect.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use proptest::prelude::*;

use crate::cluster::peers::message::recovery::{LaneEnd, Progress};
use crate::cluster::{Serial, Source};
use crate::engineio::{Frames, Sid};
use crate::shard::shared::recovery::log::{Missed, ReadStep};
use crate::shard::shared::recovery::restoration::Restoration;
use crate::shard::shared::recovery::*;
use crate::shard::shared::target::{Broadcast, Stamp, Target, Urgency};
use crate::shard::store::keys::NamespaceKey;
use crate::socketio::Event;

mod instances;
mod lost;
mod shards;

const KEEP: std::time::Duration = std::time::Duration::from_millis(1000);
const NAMESPACE: NamespaceKey = NamespaceKey(0);
const INSTANCE: [u8; 3] = [0; 3];

/// The rooms of the simulated servers' clients, each with one client.
const ROOMS: [&str; 3] = ["a", "b", "c"];

fn sid(slot: u32) -> Sid {
    Sid { instance: INSTANCE, shard: 0, slot, random: 7 }
}

fn to(slot: u32) -> Recipient {
    Recipient { namespace: NAMESPACE, sid: sid(slot) }
}

fn lost(slot: u32, rooms: &[&str]) -> Lost {
    lost_at(Millis(0), slot, rooms)
}

fn lost_at(at: Millis, slot: u32, rooms: &[&str]) -> Lost {
    let own = sid(slot).to_string();
    let rooms = [&*own].iter().chain(rooms).map(|&room| room.into()).collect();
    Lost {
        namespace: NAMESPACE,
        sid: sid(slot),
        rooms,
        data: None,
        values: None,
        shard: 0,
        generation: 0,
        doubt: None,
        at,
    }
}

fn broadcast(rooms: &[&str], except: &[&str], sender: Option<Sid>) -> Arc<Broadcast> {
    let boxed = |names: &[&str]| names.iter().map(|&name| name.into()).collect();
    let target = Target { rooms: boxed(rooms), except: boxed(except), sender };
    Arc::new(Broadcast::new(NAMESPACE, target, Frames::PING, Urgency::Reliable, None))
}

fn offsets(missed: &Missed) -> Vec<Offset> {
    missed.events.iter().map(|(offset, _)| *offset).collect()
}

/// The events that a socket has missed since an offset, by the log of the shard that lost it.
fn since(log: &Log, lost: Lost, offset: Offset) -> Option<Missed> {
    let (addressee, mut events) = (lost.addressee(), Vec::new());
    let mut place = log.behind(&addressee, offset)?;
    loop {
        if let ReadStep::Done(until) = log.read(&addressee, &mut place, &mut events)? {
            return Some(Missed { events, until });
        }
    }
}

fn source() -> impl FnMut() -> Offset {
    let source = OffsetSource::default();
    move || source.next(1)
}

/// A log into which these were broadcast, one a millisecond.
fn log_of(max_bytes: usize, broadcasts: &[Arc<Broadcast>]) -> (Log, Vec<Offset>, u64) {
    let (mut log, mut next, mut dropped) = (Log::new(1, max_bytes, KEEP), source(), 0);
    let offsets = broadcasts.iter().zip(0..).map(|(broadcast, now)| {
        let stamp = Stamp { offset: next(), origin: 0 };
        dropped += log.broadcast(Millis(now), stamp, Arc::clone(broadcast));
        stamp.offset
    });
    let offsets = offsets.collect();
    (log, offsets, dropped)
}

#[test]
fn a_socket_misses_what_was_meant_for_it() {
    let own = sid(1).to_string();
    let (log, offsets_of, _) = log_of(
        usize::MAX,
        &[
            broadcast(&[], &[], None),
            broadcast(&["a"], &[], None),
            broadcast(&["b"], &[], None),
            broadcast(&["b", &own], &[], None),
            broadcast(&[], &["a"], None),
            broadcast(&[], &[&own], None),
            broadcast(&[], &[], Some(sid(1))),
            broadcast(&[], &["b"], Some(sid(2))),
        ],
    );
    let missed = since(&log, lost(1, &["a"]), offsets_of[0]).unwrap();
    assert_eq!(offsets(&missed), [1, 3, 7].map(|place: usize| offsets_of[place]));
    let elsewhere = Lost { namespace: NamespaceKey(1), ..lost(1, &["a"]) };
    assert!(since(&log, elsewhere, offsets_of[0]).is_none(), "an offset of another namespace");
}

#[test]
fn events_for_one_socket_are_its_own() {
    let (mut log, mut next) = (Log::new(1, usize::MAX, KEEP), source());
    let [first, second, third] = [1, 2, 1].map(|slot| {
        let offset = next();
        log.emit(Millis(0), offset, to(slot), Frames::PING);
        offset
    });
    assert_eq!(offsets(&since(&log, lost(1, &[]), first).unwrap()), [third]);
    assert!(since(&log, lost(1, &[]), second).is_none());
}

#[test]
fn events_are_forgotten_when_they_are_too_old() {
    let (mut log, offsets_of, _) = log_of(usize::MAX, &vec![broadcast(&[], &[], None); 3]);
    assert_eq!(log.expire(Millis(1001)), 2);
    assert!(since(&log, lost(1, &[]), offsets_of[0]).is_none());
    assert_eq!(offsets(&since(&log, lost(1, &[]), offsets_of[1]).unwrap()), [offsets_of[2]]);
    assert_eq!(log.expire(Millis(1003)), 0);
}

#[test]
fn the_oldest_events_make_room_for_new_ones() {
    let (_, _, none) = log_of(2000, &vec![broadcast(&[], &[], None); 3]);
    let (log, offsets_of, dropped) = log_of(2000, &vec![broadcast(&[], &[], None); 100]);
    assert!((none, dropped > 90) == (0, true), "{dropped}");
    let kept = |offset| since(&log, lost(1, &[]), offset).is_some();
    assert_eq!(offsets_of.into_iter().filter(|offset| kept(*offset)).count() as u64, 100 - dropped);
}

#[test]
fn a_log_that_forgot_what_lies_beyond_cannot_go_on() {
    let (old, offsets_of, _) = log_of(usize::MAX, &[broadcast(&[], &[], None)]);
    let mut missed = since(&old, lost(1, &[]), offsets_of[0]).unwrap();
    let (mut new, offsets_of, _) = log_of(usize::MAX, &vec![broadcast(&[], &[], None); 3]);
    assert_eq!(
        (new.go_on(&lost(1, &[]).addressee(), &mut missed), offsets(&missed)),
        (Some(()), offsets_of[1..].to_vec())
    );
    assert_eq!(
        (new.go_on(&lost(1, &[]).addressee(), &mut missed), missed.events.len()),
        (Some(()), 2),
        "nothing twice"
    );
    let mut missed = since(&old, lost(1, &[]), offsets_of[0]).unwrap();
    new.expire(Millis(1001));
    assert_eq!(new.go_on(&lost(1, &[]).addressee(), &mut missed), Some(()), "what it forgot was received");
    let mut missed = since(&old, lost(1, &[]), offsets_of[0]).unwrap();
    new.expire(Millis(1002));
    assert_eq!(new.go_on(&lost(1, &[]).addressee(), &mut missed), None);
}

#[test]
fn only_own_sockets_are_here_until_another_servers_comes() {
    let (config, own) = (Config { recovery: Some(Settings::default()), ..Config::default() }, Instance([1, 2, 3]));
    let recovery = RecoveryLogs::new(&config, &Arc::new(OwnInstance::new(own)), 1).expect("recovery is on");
    let (of_here, of_elsewhere) = (Sid { instance: own.0, ..sid(1) }, sid(1));
    assert_eq!([of_here, of_elsewhere].map(|pid| recovery.may_be_here(pid)), [true, false]);
    recovery.note_taken_over();
    assert_eq!([of_here, of_elsewhere].map(|pid| recovery.may_be_here(pid)), [true, true]);
}

#[test]
fn a_socket_that_came_back_received_an_event_by_its_later_place() {
    let (mut log, offsets_of, _) = log_of(usize::MAX, &vec![broadcast(&[], &[], None); 3]);
    log.bring(Millis(2), offsets_of[1], to(1), None);
    assert_eq!(offsets(&since(&log, lost(1, &[]), offsets_of[1]).unwrap()), []);
    assert_eq!(offsets(&since(&log, lost(2, &[]), offsets_of[1]).unwrap()), [offsets_of[2]], "another socket");
    log.bring(Millis(3), offsets_of[2], to(1), Some(Frames::PING));
    assert_eq!(offsets(&since(&log, lost(1, &[]), offsets_of[1]).unwrap()), [offsets_of[2]]);
    log.expire(Millis(1002));
    assert!(since(&log, lost(2, &[]), offsets_of[1]).is_none(), "forgotten");
    assert_eq!(offsets(&since(&log, lost(1, &[]), offsets_of[1]).unwrap()), [offsets_of[2]]);
    assert_eq!(log.expire(Millis(1004)), 0);
    assert!(since(&log, lost(1, &[]), offsets_of[1]).is_none());
}

#[test]
fn a_long_log_is_read_slice_by_slice_and_may_forget_meanwhile() {
    let (mut log, mut next, lost) = (Log::new(1, usize::MAX, KEEP), source(), lost(1, &[]));
    let first = next();
    log.emit(Millis(0), first, to(1), Frames::PING);
    for _ in 0..3000 {
        log.emit(Millis(1), next(), to(1), Frames::PING);
    }
    assert_eq!(since(&log, lost_at(Millis(0), 1, &[]), first).unwrap().events.len(), 3000);
    let (mut place, mut events) = (log.behind(&lost.addressee(), first).unwrap(), Vec::new());
    assert!(matches!(log.read(&lost.addressee(), &mut place, &mut events), Some(ReadStep::GoOn)));
    assert!(events.len() < 3000, "{}", events.len());
    log.expire(Millis(1002));
    assert!(log.read(&lost.addressee(), &mut place, &mut events).is_none());
}

/// An event of a kinglet.
fn numbered(boot: u64, number: u64) -> Arc<Broadcast> {
    let source = Source::Numbered(Serial { boot, lane: 0, number });
    Arc::new(Broadcast { source, ..Broadcast::clone(&broadcast(&[], &[], None)) })
}

#[test]
fn a_hole_that_is_logged_while_the_log_is_read_is_noticed() {
    let (mut log, mut next, lost) = (Log::new(1, usize::MAX, KEEP), source(), lost(1, &[]));
    let mut log_numbered = |log: &mut Log, number| {
        let stamp = Stamp { offset: next(), origin: 0 };
        log.broadcast(Millis(0), stamp, numbered(1, number));
        stamp.offset
    };
    let first = log_numbered(&mut log, 1);
    for number in 2..3000 {
        log_numbered(&mut log, number);
    }
    let addressee = lost.addressee();
    let (mut place, mut events) = (log.behind(&addressee, first).unwrap(), Vec::new());
    assert!(matches!(log.read(&addressee, &mut place, &mut events), Some(ReadStep::GoOn)));
    log_numbered(&mut log, 3001);
    assert!(log.read(&addressee, &mut place, &mut events).is_none());
}

#[test]
fn a_log_that_has_forgotten_what_came_behind_the_mark_does_not_tell_its_progress() {
    let (mut log, mut next, lost) = (Log::new(1, usize::MAX, KEEP), source(), lost(1, &[]));
    let heard = std::time::Duration::from_secs(60);
    let mut log_at =
        |log: &mut Log, now| log.broadcast(Millis(now), Stamp { offset: next(), origin: 0 }, numbered(1, now));
    log_at(&mut log, 1);
    let mark = log.mark(Millis(1));
    log.expire(Millis(1500));
    assert!(log.progress(&lost.addressee(), mark, heard).is_some(), "what came before it is forgotten");
    log_at(&mut log, 2);
    assert!(log.progress(&lost.addressee(), mark, heard).is_some());
    log.expire(Millis(2500));
    assert!(log.progress(&lost.addressee(), mark, heard).is_none());
}

#[test]
fn what_comes_behind_the_mark_in_the_same_millisecond_is_recent() {
    let (mut log, mut next, lost) = (Log::new(1, usize::MAX, KEEP), source(), lost(1, &[]));
    let mut log_numbered = |log: &mut Log, boot, now| {
        log.broadcast(Millis(now), Stamp { offset: next(), origin: 0 }, numbered(boot, 1));
    };
    log_numbered(&mut log, 1, 99);
    let mark = log.mark(Millis(100));
    log_numbered(&mut log, 2, 100);
    let progress = log.progress(&lost.addressee(), mark, std::time::Duration::ZERO).unwrap();
    let mut recent: Vec<_> = progress.lanes.iter().map(|end| (end.serial.boot, end.is_recent)).collect();
    recent.sort_unstable();
    assert_eq!(recent, [(1, false), (2, true)]);
}

#[test]
fn a_log_that_has_forgotten_its_lanes_says_so() {
    let (mut log, mut next, lost) = (Log::new(1, usize::MAX, KEEP), source(), lost(1, &[]));
    let heard = std::time::Duration::from_secs(60);
    let mut log_of = |log: &mut Log, now, boot| {
        log.broadcast(Millis(now), Stamp { offset: next(), origin: 0 }, numbered(boot, 1));
    };
    (0..4096).for_each(|boot| log_of(&mut log, 100_000, boot));
    let tells = |log: &Log, now| {
        let mark = log.mark(Millis(now));
        let progress = log.progress(&lost.addressee(), mark, heard);
        let sought = Sought { sent: mark, echo: mark };
        let given = Progress { window: std::time::Duration::from_secs(5), ..Progress::default() };
        (progress.map(|progress| progress.lanes.len()), log.beyond(&lost.addressee(), &given, &sought).is_some())
    };
    assert_eq!(tells(&log, 100_001), (Some(4096), true));
    log_of(&mut log, 100_001, 4096);
    assert_eq!(tells(&log, 100_002), (None, false));
    assert_eq!(tells(&log, 105_002), (None, true), "the window of the one that asks is shorter");
    assert_eq!(tells(&log, 111_002), (Some(1), true));
}

#[test]
fn an_event_of_a_lane_that_may_be_a_forgotten_one_may_follow_a_hole() {
    let (mut log, mut next) = (Log::new(1, usize::MAX, KEEP), source());
    let mut log_of = |log: &mut Log, boot, number| {
        let stamp = Stamp { offset: next(), origin: 0 };
        log.broadcast(Millis(0), stamp, numbered(boot, number));
        stamp.offset
    };
    let knows = |log: &Log, offset| since(log, lost(1, &[]), offset).is_some();
    let known = log_of(&mut log, 1, 7);
    assert!(knows(&log, known), "the first number of a lane may be any");
    (2..=4096).for_each(|boot| {
        log_of(&mut log, boot, 1);
    });
    let last = log_of(&mut log, 5000, 1);
    assert!(knows(&log, known), "nothing is missing");
    let begin = log_of(&mut log, 5001, 1);
    assert!(knows(&log, last), "no event came before the first");
    let next = log_of(&mut log, 1, 9);
    assert!(!knows(&log, known) && !knows(&log, begin));
    assert!(knows(&log, next));
}

#[test]
fn what_came_before_an_outage_is_nothing_to_go_on_from() {
    let (log, offsets, _) = log_of(usize::MAX, &vec![broadcast(&[], &[], None); 4]);
    let lost = lost(1, &[]);
    let tail = |whole| log.tail(&lost.addressee(), usize::MAX, whole).into_iter().map(|(offset, _)| offset);
    assert_eq!(tail(None).collect::<Vec<_>>(), offsets);
    assert_eq!(tail(Some(Millis(1))).collect::<Vec<_>>(), offsets[2..]);
    let knows = |offset, whole| log.knows_all_since(&lost.addressee(), offset, whole);
    assert!(knows(offsets[0], None) && knows(offsets[2], Some(Millis(1))) && !knows(offsets[1], Some(Millis(1))));
}

#[test]
fn the_highest_number_is_no_error() {
    let (mut log, mut next, lost) = (Log::new(1, usize::MAX, KEEP), source(), lost(1, &[]));
    let mut log_numbered = |number| {
        log.broadcast(Millis(0), Stamp { offset: next(), origin: 0 }, numbered(1, number));
    };
    [u64::MAX, u64::MAX, 1, u64::MAX].into_iter().for_each(&mut log_numbered);
    let end = LaneEnd { serial: Serial { boot: 1, lane: 0, number: u64::MAX }, is_recent: true };
    let (mark, progress) = (log.mark(Millis(0)), Progress { lanes: vec![end], ..Progress::default() });
    let sought = Sought { sent: mark, echo: mark };
    assert_eq!(log.beyond(&lost.addressee(), &progress, &sought).map(|events| events.len()), Some(0));
}

#[test]
fn a_server_s_marks_displace_its_own_and_no_others() {
    let mut log = Log::new(1, usize::MAX, KEEP);
    let servers: Vec<_> = (0..30).map(|server| Instance([0, 0, server])).collect();
    for number in 0..100 {
        servers.iter().for_each(|server| log.note_mark(*server, number, Millis(number)));
    }
    for server in &servers {
        assert_eq!(log.last_mark(*server).map(|(number, _)| number), Some(99));
        let known = (0..100).filter(|number| log.find_mark(*server, *number).is_some());
        assert_eq!(known.collect::<Vec<_>>(), (92..100).collect::<Vec<_>>());
    }
    (0..=255).for_each(|server| log.note_mark(Instance([1, 0, server]), 0, Millis(100)));
    assert!(log.find_mark(servers[0], 99).is_none(), "all servers together have a bound");
}

/// Frames of a few bytes more than `length`.
fn frames(length: usize) -> Frames {
    Frames::text(&vec![b'x'; length])
}

/// A log of 32,000 bytes with one event for all, in which one socket may take 2000; that event's offset, and a source of
/// further ones.
fn shared_log() -> (Log, Offset, impl FnMut() -> Offset) {
    let (mut log, mut next) = (Log::new(1, 32_000, KEEP), source());
    let first = next();
    log.broadcast(Millis(0), Stamp { offset: first, origin: 0 }, broadcast(&[], &[], None));
    (log, first, next)
}

#[test]
fn a_socket_that_is_sent_too_much_takes_nothing_from_others() {
    let (mut log, first, mut next) = shared_log();
    let sent: Vec<_> = (0..1000).map(|_| next()).collect();
    let dropped: u64 = sent.iter().map(|&offset| log.emit(Millis(0), offset, to(1), frames(100))).sum();
    let long = next();
    assert!(log.emit(Millis(0), long, to(1), frames(100_000)) > 0);
    assert!(dropped > 990 && dropped < 1000, "{dropped}");
    assert!(since(&log, lost(2, &[]), first).is_some(), "another's");
    assert!(since(&log, lost(1, &[]), first).is_none(), "its own");
    assert!(since(&log, lost(1, &[]), long).is_none(), "what is longer than the share was not kept");
    let [later, last] = [next(), next()];
    for offset in [later, last] {
        assert_eq!(log.emit(Millis(0), offset, to(1), frames(100)), 0);
    }
    assert_eq!(offsets(&since(&log, lost(1, &[]), later).unwrap()), [last], "from behind the gap it is whole again");
}

#[test]
fn broadcasts_to_a_socket_s_own_room_are_its_own() {
    let (mut log, first, mut next) = shared_log();
    let own = sid(1).to_string();
    for _ in 0..1000 {
        log.broadcast(Millis(0), Stamp { offset: next(), origin: 0 }, broadcast(&[&own], &[], None));
    }
    assert!(since(&log, lost(2, &[]), first).is_some());
    assert!(since(&log, lost(1, &[]), first).is_none());
    assert!(since(&log, lost(2, &[&own]), first).is_none(), "another in that room misses it, too");
    let goes_on = |slot| {
        let mut missed = Missed { events: Vec::new(), until: [first].into() };
        log.go_on(&lost(slot, &[]).addressee(), &mut missed).is_some()
    };
    assert_eq!([1, 2].map(goes_on), [false, true], "on the way to this shard from another");
}

#[test]
fn copies_are_not_counted_where_some_were_dropped() {
    let (mut log, _, mut next) = shared_log();
    let own = sid(1).to_string();
    let tick = Broadcast { source: Source::Unnumbered(7), ..Broadcast::clone(&broadcast(&[&own], &[], None)) };
    let tick = Arc::new(tick);
    for now in 100_000..100_100 {
        log.broadcast(Millis(now), Stamp { offset: next(), origin: 0 }, Arc::clone(&tick));
    }
    let mark = log.mark(Millis(100_100));
    let sought = Sought { sent: mark, echo: mark };
    let knows = |slot, seconds| {
        let (lost, window) = (lost(slot, &[]), std::time::Duration::from_secs(seconds));
        let progress = Progress { window, ..Progress::default() };
        let told = log.progress(&lost.addressee(), mark, 2 * window).is_some();
        (told, log.beyond(&lost.addressee(), &progress, &sought).is_some())
    };
    assert_eq!(knows(1, 5), (false, false));
    assert_eq!(knows(2, 5), (true, true), "those of another");
    assert_eq!(knows(1, 0), (true, true), "the order alone tells");
}

#[test]
fn a_hole_that_only_the_new_shard_has_seen_is_noticed() {
    let (mut log, mut next) = (Log::new(1, usize::MAX, KEEP), source());
    let mut log_numbered = |number| {
        let stamp = Stamp { offset: next(), origin: 0 };
        log.broadcast(Millis(0), stamp, numbered(1, number));
        stamp.offset
    };
    let [first, second, behind] = [1, 2, 4].map(&mut log_numbered);
    log_numbered(5);
    let goes_on = |offset: Offset| {
        let mut missed = Missed { events: Vec::new(), until: [offset].into() };
        log.go_on(&lost(1, &[]).addressee(), &mut missed).is_some()
    };
    assert_eq!([first, second, behind].map(goes_on), [false, false, true]);
}

#[test]
fn a_forgotten_gap_leaves_nothing_behind() {
    let (mut log, _, mut next) = shared_log();
    let own = sid(1).to_string();
    for _ in 0..100 {
        log.broadcast(Millis(1), Stamp { offset: next(), origin: 0 }, broadcast(&[&own], &[], None));
        log.emit(Millis(1), next(), to(1), frames(10));
    }
    assert_eq!(log.expire(Millis(1002)), 0);
    assert_eq!(log.held(), (0, 0));
}

#[test]
fn the_event_that_an_application_hears_is_not_kept() {
    let (mut log, _, mut next) = shared_log();
    let body = bytes::Bytes::from(vec![b'x'; 100_000]);
    let arguments = crate::socketio::Arguments::named("[\"x\"]".into(), [body.slice(..1)].into());
    let heard = Some(Event { name: "x".into(), arguments });
    let heard = Broadcast { heard, ..Broadcast::clone(&broadcast(&["a"], &[], None)) };
    log.broadcast(Millis(0), Stamp { offset: next(), origin: 0 }, Arc::new(heard));
    assert!(body.is_unique());
}
