//! Owners that do not answer.

use std::time::Duration;

use super::entry::{Entry, OK, get, post, upgrade};
use crate::cluster::peers::Unheard;
use crate::cluster::peers::message::relay::{Then, ToOwner};
use crate::metrics::RelayFailure;

const UNKNOWN: &str = "{\"code\":1,\"message\":\"Session ID unknown\"}";

#[test]
fn what_the_owner_does_not_hear_is_answered() {
    for (why, reason, request, answer) in [
        (Unheard::Gone, RelayFailure::Gone, get(), UNKNOWN),
        (Unheard::Gone, RelayFailure::Gone, post("40"), UNKNOWN),
        (Unheard::Gone, RelayFailure::Gone, upgrade(), "\r\n\r\nSession ID unknown"),
        (Unheard::Away, RelayFailure::Redis, get(), UNKNOWN),
        (Unheard::Refused, RelayFailure::Redis, post("40"), UNKNOWN),
        (Unheard::Full, RelayFailure::Full, post("40"), "HTTP/1.1 503 "),
        (Unheard::Full, RelayFailure::Full, upgrade(), "HTTP/1.1 503 "),
        (Unheard::TooLong, RelayFailure::TooLong, post("40"), "HTTP/1.1 413 "),
    ] {
        let mut entry = Entry::new(|_| ());
        let client = entry.client();
        entry.refuse(Some(why));
        entry.send(&client, &request);
        let got = entry.got(&client);
        assert!(got.contains(answer), "{why:?} {request}\n{got}");
        assert_eq!((entry.failures(reason), entry.tunnels()), (1, (0, false)));
        entry.refuse(None);
        assert!(entry.told().is_empty());
        if !request.contains("Upgrade") {
            let next = entry.pass_on(&client, &get());
            entry.down(next, OK, Then::Answered);
            assert_eq!(entry.got(&client).as_bytes(), OK, "the connection goes on");
        }
    }
}

#[test]
fn a_get_without_room_is_sent_again() {
    let mut entry = Entry::new(|_| ());
    let client = entry.client();
    entry.refuse(Some(Unheard::Full));
    entry.send(&client, get());
    entry.pass(Duration::from_millis(250));
    assert_eq!(entry.got(&client), "");
    entry.refuse(None);
    entry.pass(Duration::from_millis(100));
    let (number, request) = entry.request();
    assert_eq!(request, get());
    entry.pass(Duration::from_secs(40));
    entry.down(number, OK, Then::Answered);
    assert_eq!(entry.got(&client).as_bytes(), OK);
}

#[test]
fn an_owner_that_says_nothing_has_its_time() {
    for (request, least, most) in [(get(), 45_400, 45_700), (post("40"), 2_400, 2_600), (upgrade(), 2_400, 2_600)] {
        let mut entry = Entry::new(|_| ());
        let client = entry.client();
        let number = entry.pass_on(&client, &request);
        entry.pass(Duration::from_millis(least));
        assert_eq!(entry.got(&client), "");
        entry.pass(Duration::from_millis(most - least));
        assert!(entry.got(&client).contains("Session ID unknown"));
        assert_eq!(entry.told(), [(number, ToOwner::Gone)]);
        assert_eq!((entry.failures(RelayFailure::Late), entry.unanswered()), (1, 1));
        entry.down(number, OK, Then::Answered);
        assert_eq!(entry.got(&client), "", "too late");
    }
}

#[test]
fn an_owner_that_is_gone_takes_all_with_it() {
    let mut entry = Entry::new(|_| ());
    let (polling, posting, tunnelling) = (entry.client(), entry.client(), entry.client());
    entry.tunnel(&tunnelling);
    entry.pass_on(&polling, &get());
    entry.pass_on(&posting, &post("40"));
    entry.lose_owner();
    assert!(entry.got(&polling).ends_with(UNKNOWN) && entry.got(&posting).ends_with(UNKNOWN));
    assert!(tunnelling.is_closed());
    assert_eq!((entry.failures(RelayFailure::Gone), entry.tunnels()), (3, (0, false)));
    assert!(entry.told().is_empty());
}

#[test]
fn an_owner_that_is_quiet_is_told_something() {
    let mut entry = Entry::new(|_| ());
    let (polling, tunnelling) = (entry.client(), entry.client());
    entry.tunnel(&tunnelling);
    let poll = entry.pass_on(&polling, &get());
    entry.pass(Duration::from_secs(6));
    assert_eq!(entry.asked(), 0, "it was heard");
    entry.pass(Duration::from_secs(5));
    assert_eq!(entry.asked(), 1, "once for both");
    entry.fill(true);
    entry.pass(Duration::from_secs(5));
    assert_eq!(entry.asked(), 0, "there is no room on the way");
    entry.fill(false);
    entry.down(poll, OK, Then::Answered);
    polling.ends();
    entry.pass(Duration::from_secs(5));
    assert_eq!(entry.asked(), 0, "it was heard again");
    entry.refuse(Some(Unheard::Gone));
    entry.pass(Duration::from_secs(5));
    assert!(tunnelling.is_closed());
    assert_eq!((entry.failures(RelayFailure::Gone), entry.tunnels()), (1, (0, false)));
    entry.refuse(None);
    entry.pass(Duration::from_secs(20));
    assert_eq!(entry.asked(), 0);
    assert!(entry.event_loop.sleeps().is_none(), "nobody is asked for nothing");
}

#[test]
fn so_many_are_under_way_and_no_more() {
    let mut entry = Entry::new(|_| ());
    let clients: Vec<_> = (0..10_000).map(|_| entry.connects(1000)).collect();
    entry.turn();
    clients.iter().for_each(|client| client.comes(get().as_bytes()));
    entry.turn();
    let told = entry.told();
    assert_eq!(told.len(), 10_000);
    let one_more = entry.client();
    entry.send(&one_more, get());
    assert!(entry.got(&one_more).starts_with("HTTP/1.1 503 "));
    assert_eq!(entry.failures(RelayFailure::Crowd), 1);
    let (first, _) = &told[0];
    entry.down(*first, OK, Then::Answered);
    entry.pass_on(&one_more, &get());
}
