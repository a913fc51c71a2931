//! WebSockets that are passed on.

use std::time::Duration;

use super::entry::{Entry, SWITCHED, get, upgrade};
use crate::cluster::peers::Unheard;
use crate::cluster::peers::message::relay::{ExchangeNumber, Then, ToEntry, ToOwner, WINDOW};

/// The bytes that the owner was told in a tunnel, and nothing else.
fn up(entry: &Entry, number: ExchangeNumber) -> Vec<u8> {
    let each = entry.told().into_iter().map(|(of, what)| match what {
        ToOwner::Up(bytes) if of == number => bytes,
        what => panic!("{of:?}: {what:?}"),
    });
    each.collect::<Vec<_>>().concat()
}

#[test]
fn bytes_pass_both_ways() {
    let mut entry = Entry::new(|_| ());
    let client = entry.client();
    let number = entry.pass_on(&client, &(upgrade() + "early"));
    entry.down(number, SWITCHED, Then::Tunnel);
    assert_eq!(up(&entry, number), b"early");
    assert_eq!(entry.got(&client).as_bytes(), SWITCHED);
    entry.send(&client, "one");
    entry.send(&client, "two");
    assert_eq!(up(&entry, number), b"onetwo");
    entry.down(number, "three", Then::Tunnel);
    assert_eq!(entry.got(&client), "three");
    entry.pass(Duration::from_secs(600));
    assert!(!client.is_closed() && entry.tunnels() == (1, true) && entry.told().is_empty());
    entry.down(number, "last", Then::Closed);
    assert!(entry.got(&client) == "last" && client.is_shut() && entry.tunnels() == (0, false));
}

#[test]
fn an_answer_other_than_101_is_one() {
    let mut entry = Entry::new(|_| ());
    let client = entry.client();
    let number = entry.pass_on(&client, &upgrade());
    entry.down(number, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", Then::Closed);
    assert!(entry.got(&client).starts_with("HTTP/1.1 400 ") && client.is_shut());
    assert!(entry.told().is_empty());
}

#[test]
fn a_client_is_read_as_far_as_the_window_reaches() {
    let mut entry = Entry::new(|_| ());
    let client = entry.client();
    let number = entry.tunnel(&client);
    let all: Vec<u8> = (0..1_000_000_u32).map(|n| n as u8).collect();
    entry.send(&client, &all);
    let mut got = up(&entry, number);
    assert_eq!(got.len(), WINDOW);
    entry.hear(number, ToEntry::Taken(1000));
    assert_eq!(up(&entry, number), b"", "there is no room for a read");
    let mut untaken = WINDOW - 1000;
    while untaken > 0 {
        let taken = untaken.min(100_000);
        entry.hear(number, ToEntry::Taken(taken as u32));
        let more = up(&entry, number);
        untaken = untaken - taken + more.len();
        assert!(untaken <= WINDOW);
        got.extend(more);
    }
    assert!(got == all, "{} bytes", got.len());
}

#[test]
fn a_client_is_not_read_while_there_is_no_room_on_the_way() {
    let mut entry = Entry::new(|_| ());
    let client = entry.client();
    let number = entry.tunnel(&client);
    entry.fill(true);
    entry.send(&client, "one");
    entry.send(&client, "two");
    assert_eq!(up(&entry, number), b"one");
    entry.pass(Duration::from_secs(1));
    entry.hear(number, ToEntry::Taken(3));
    assert_eq!(up(&entry, number), b"");
    entry.fill(false);
    entry.pass(Duration::from_millis(20));
    assert_eq!(up(&entry, number), b"two");
}

#[test]
fn the_owner_hears_what_has_left() {
    let mut entry = Entry::new(|_| ());
    let client = entry.client_with_room(SWITCHED.len() + 100_000);
    let number = entry.tunnel(&client);
    entry.down(number, vec![0; 60_000], Then::Tunnel);
    assert!(entry.told().is_empty(), "that is little");
    entry.down(number, vec![0; 60_000], Then::Tunnel);
    let told = entry.told();
    assert_eq!(told, [(number, ToOwner::Taken(SWITCHED.len() as u32 + 100_000))], "20,000 wait here");
    client.make_room(1000);
    entry.turn();
    assert!(entry.told().is_empty());
    entry.pass(Duration::from_secs(1));
    assert_eq!(entry.told(), [(number, ToOwner::Taken(1000))], "a slow client is seen to take something");
    entry.pass(Duration::from_secs(3));
    assert!(entry.told().is_empty());
    client.make_room(100_000);
    entry.pass(Duration::from_secs(10));
    assert_eq!(entry.told(), [(number, ToOwner::Taken(19_000))]);
}

#[test]
fn a_client_that_takes_nothing_is_cut_off() {
    let mut entry = Entry::new(|_| ());
    let client = entry.client_with_room(SWITCHED.len() + 10);
    let number = entry.tunnel(&client);
    entry.down(number, vec![0; WINDOW - 100], Then::Tunnel);
    entry.pass(Duration::from_secs(15));
    assert!(client.is_closed() && entry.tunnels() == (0, false));
    assert_eq!(entry.told().pop(), Some((number, ToOwner::Gone)));
}

#[test]
fn what_came_before_a_client_left_is_passed_on() {
    let mut entry = Entry::new(|_| ());
    let client = entry.client();
    let number = entry.tunnel(&client);
    client.comes(b"bye");
    client.ends();
    entry.turn();
    assert_eq!(entry.told(), [(number, ToOwner::Up("bye".into())), (number, ToOwner::Gone)]);
    assert_eq!(entry.tunnels(), (0, false));
}

#[test]
fn a_gap_ends_a_tunnel() {
    for why in [Unheard::Gone, Unheard::Away, Unheard::Full] {
        let mut entry = Entry::new(|_| ());
        let client = entry.client();
        entry.tunnel(&client);
        entry.refuse(Some(why));
        entry.send(&client, "lost");
        assert!(client.is_closed() && entry.tunnels() == (0, false), "{why:?}");
    }
}

#[test]
fn a_server_that_drains_lets_tunnels_go_one_by_one() {
    let mut entry = Entry::new(|config| config.drain = Duration::from_secs(10));
    let clients: Vec<_> = (0..10).map(|_| entry.client()).collect();
    clients.iter().for_each(|client| _ = entry.tunnel(client));
    let closed = || clients.iter().filter(|client| client.is_closed()).count();
    entry.shared.drain_all();
    entry.turn();
    assert_eq!(closed(), 0);
    entry.pass(Duration::from_secs(5));
    assert!((4..=6).contains(&closed()), "{}", closed());
    entry.pass(Duration::from_secs(5));
    assert_eq!(closed(), 10);
    assert!(entry.is_over());
    assert!(entry.told().iter().all(|(_, what)| *what == ToOwner::Gone));
}

#[test]
fn a_tunnel_takes_no_requests() {
    let mut entry = Entry::new(|_| ());
    let client = entry.client();
    let number = entry.tunnel(&client);
    entry.send(&client, get());
    assert_eq!(up(&entry, number), get().as_bytes());
}
