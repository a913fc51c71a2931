//! WebSockets.

use std::time::Duration;

use bytes::Bytes;

use super::owner::{Owner, text, upgrade};
use crate::cluster::peers::message::relay::{ToEntry, ToOwner, WINDOW};
use crate::metrics::Limit;
use crate::shard::net::connection::CloseCause;

/// An event as the client gets it: a frame's head, then the packet.
fn said(length: usize) -> Vec<u8> {
    let packet = format!("42[\"said\",\"{}\"]", "x".repeat(length));
    let mut frame = vec![0x81, 127];
    frame.extend_from_slice(&(packet.len() as u64).to_be_bytes());
    frame.extend_from_slice(packet.as_bytes());
    frame
}

fn say(length: usize) -> ToOwner {
    ToOwner::Up(text(&format!("42[\"say\",{length}]")))
}

#[test]
fn a_tunnel_carries_events_both_ways() {
    let mut owner = Owner::new(|_| ());
    let tunnel = owner.tunnel();
    owner.seen();
    owner.hear(tunnel, say(5));
    assert_eq!(owner.down(tunnel), b"\x81\x1242[\"said\",\"xxxxx\"]");
    let whole = text("42[\"note\",\"in three pieces\"]");
    for piece in [&whole[..1], &whole[1..9], &whole[9..]] {
        owner.hear(tunnel, ToOwner::Up(Bytes::copy_from_slice(piece)));
    }
    assert_eq!(owner.seen(), ["in three pieces"]);
    assert_eq!((owner.down(tunnel), owner.connections()), (Vec::new(), (1, 1)));
}

#[test]
fn no_more_than_the_window_is_on_its_way_and_the_rest_waits_in_order() {
    let mut owner = Owner::new(|_| ());
    let tunnel = owner.tunnel();
    owner.hear(tunnel, say(1_000_000));
    let mut got = owner.down(tunnel);
    assert_eq!(got.len(), WINDOW);
    assert!(owner.queued() >= said(1_000_000).len() - WINDOW);
    for step in [1, 1000, 64 * 1024, WINDOW, WINDOW, WINDOW, WINDOW] {
        let taken = step.min(WINDOW);
        owner.hear(tunnel, ToOwner::Taken(u32::try_from(taken).unwrap()));
        let more = owner.down(tunnel);
        assert!(more.len() <= taken);
        got.extend(more);
    }
    assert!(got == said(1_000_000), "{} bytes", got.len());
    assert_eq!(owner.queued(), 0);
}

#[test]
fn who_takes_nothing_is_cut_off_in_its_time_and_who_takes_a_little_is_not() {
    let stall = Duration::from_secs(4);
    for takes in [false, true] {
        let mut owner = Owner::new(|config| config.limits.write_stall = stall);
        let tunnel = owner.tunnel();
        owner.hear(tunnel, say(1_000_000));
        owner.down(tunnel);
        for _ in 0..10 {
            owner.pass(stall / 4);
            if takes {
                owner.hear(tunnel, ToOwner::Taken(8192));
            }
        }
        let gone = owner.told().contains(&(tunnel, ToEntry::Gone));
        let stalled = owner.shared.metrics[0].limit(Limit::WriteStall).get();
        assert_eq!((gone, stalled, owner.connections()), if takes { (false, 0, (1, 1)) } else { (true, 1, (0, 0)) });
    }
}

#[test]
fn who_has_too_much_waiting_is_not_read_until_it_has_taken_that() {
    let mut owner = Owner::new(|config| config.limits.hold_up = 64 * 1024);
    let tunnel = owner.tunnel();
    owner.seen();
    owner.hear(tunnel, say(800_000));
    owner.down(tunnel);
    let note = text(&format!("42[\"note\",\"{}\"]", "n".repeat(1000)));
    for _ in 0..100 {
        owner.hear(tunnel, ToOwner::Up(note.clone()));
    }
    assert_eq!((owner.told(), owner.seen().len()), (Vec::new(), 0), "it waits in the pipe");
    let (mut taken, mut told) = (WINDOW, Vec::new());
    while taken < said(800_000).len() {
        owner.hear(tunnel, ToOwner::Taken(32 * 1024));
        taken += 32 * 1024;
        told.extend(owner.told());
    }
    assert_eq!(owner.seen().len(), 100);
    let read: u32 = told.iter().map(|(_, what)| if let ToEntry::Taken(count) = what { *count } else { 0 }).sum();
    let sent = 100 * note.len() as u32;
    assert!(read <= sent + 64 && read > sent - 64 * 1024, "{read} of {sent}");
}

#[test]
fn the_entry_is_told_what_was_read_in_quarters_of_the_window() {
    let mut owner = Owner::new(|_| ());
    let tunnel = owner.tunnel();
    let note = text(&format!("42[\"note\",\"{}\"]", "n".repeat(10_000)));
    let mut told = Vec::new();
    for _ in 0..100 {
        owner.hear(tunnel, ToOwner::Up(note.clone()));
        told.extend(owner.told());
    }
    let count = |what: &ToEntry| if let ToEntry::Taken(count) = what { *count as usize } else { panic!("{what:?}") };
    let counts: Vec<_> = told.iter().map(|(_, what)| count(what)).collect();
    assert!(counts.iter().all(|count| (WINDOW / 4..WINDOW / 2).contains(count)), "{counts:?}");
    assert!(counts.iter().sum::<usize>() > 100 * note.len() - WINDOW / 4);
}

#[test]
fn an_entry_that_sends_more_than_the_window_loses_its_tunnel() {
    let mut owner = Owner::new(|config| config.limits.hold_up = 1024);
    let tunnel = owner.tunnel();
    owner.hear(tunnel, say(800_000));
    owner.told();
    let much = Bytes::from(vec![0; WINDOW]);
    owner.hear(tunnel, ToOwner::Up(much));
    assert_eq!(owner.told(), []);
    owner.hear(tunnel, ToOwner::Up(Bytes::from_static(b"!")));
    assert_eq!((owner.told(), owner.connections()), (vec![(tunnel, ToEntry::Gone)], (0, 0)));
}

#[test]
fn the_first_packet_for_an_old_client_comes_behind_the_answer() {
    let mut owner = Owner::new(|config| config.allow_eio3 = true);
    let tunnel = owner.begin(&upgrade("/socket.io/?EIO=3&transport=polling"));
    let answer = owner.down(tunnel);
    assert!(answer.ends_with(b"\r\n\r\n"), "{answer:?}");
    owner.pass(Duration::from_millis(10));
    let told = owner.told();
    assert!(matches!(&told[..], [(_, ToEntry::Down { bytes, .. })] if bytes.starts_with(b"\x81")), "{told:?}");
}

#[test]
fn a_session_that_is_to_move_knows_what_was_read_and_is_the_last_that_is_told() {
    let mut owner = Owner::new(|_| ());
    let tunnel = owner.tunnel();
    let key = owner.some_key();
    let note = text("42[\"note\",\"something\"]");
    owner.hear(tunnel, ToOwner::Up(note.clone()));
    let before = 1 + 7 + 11;
    owner.later(move |shard| {
        let mut core = shard.core.borrow_mut();
        assert_eq!(core.ups_taken(key), Some(before + note.len() as u64));
        core.tell_taken(key);
    });
    owner.turn();
    assert!(matches!(owner.told()[..], [(_, ToEntry::Taken(_))]));
    owner.later(move |shard| {
        let mut core = shard.core.borrow_mut();
        core.move_exchange(key, before, Bytes::from_static(b"frozen"));
        core.mark_closed(key, CloseCause::Cut);
    });
    owner.turn();
    let session = Bytes::from_static(b"frozen");
    assert_eq!(owner.told(), [(tunnel, ToEntry::Move { taken: before, session })]);
    assert_eq!((owner.told(), owner.connections()), (Vec::new(), (0, 0)));
}
