//! GETs and POSTs that are passed on.

use std::time::Duration;

use super::entry::{Entry, OK, OWNER, get, post, sid, target, upgrade};
use crate::cluster::peers::Instance;
use crate::cluster::peers::message::relay::{Then, ToEntry, ToOwner};
use crate::http::{Cors, Origin};
use crate::metrics::RelayFailure;

#[test]
fn a_request_is_passed_on_and_its_answer_comes_back_as_it_is() {
    let mut entry = Entry::new(|_| ());
    let client = entry.client();
    entry.send(&client, get());
    let (number, request) = entry.request();
    assert_eq!(request, get());
    entry.down(number, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n", Then::More);
    assert_eq!(entry.got(&client), "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n");
    entry.down(number, "\r\n6", Then::Answered);
    assert_eq!(entry.got(&client), "\r\n6");
    let next = entry.pass_on(&client, &post("40"));
    assert_ne!(next, number);
    entry.down(number, "late", Then::More);
    entry.down(next, OK, Then::Answered);
    assert_eq!(entry.got(&client).as_bytes(), OK);
    assert!(entry.told().is_empty() && entry.tunnels() == (0, false) && !client.is_closed());
}

#[test]
fn a_request_behind_another_waits_for_its_answer() {
    let mut entry = Entry::new(|_| ());
    let client = entry.client();
    let first = entry.pass_on(&client, &[get(), post("41"), "GET / HTTP/1.1\r\nHost: a\r\n\r\n".into()].concat());
    entry.down(first, OK, Then::Answered);
    let (second, request) = entry.request();
    assert_eq!(request, post("41"));
    entry.got(&client);
    entry.down(second, OK, Then::Answered);
    assert!(entry.got(&client).ends_with("all good"));
}

#[test]
fn more_than_a_head_behind_a_request_ends_the_connection() {
    let mut entry = Entry::new(|_| ());
    let client = entry.client();
    let number = entry.pass_on(&client, &get());
    entry.send(&client, vec![b'x'; 17 * 1024]);
    assert!(client.is_closed());
    assert_eq!(entry.told(), [(number, ToOwner::Gone)]);
}

#[test]
fn a_post_is_passed_on_when_it_is_whole() {
    let mut entry = Entry::new(|_| ());
    let client = entry.client();
    let framing = "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n";
    entry.send(&client, format!("POST {} HTTP/1.1\r\nHost: a\r\nOrigin: o\r\n{framing}\r\n3\r\n4", target()));
    assert!(entry.got(&client).starts_with("HTTP/1.1 100 "));
    entry.send(&client, "2[\r\n4\r\n\"x\"]\r\n0\r\n\r");
    assert!(entry.told().is_empty());
    entry.send(&client, "\n");
    let expected = format!("POST {} HTTP/1.1\r\nHost: a\r\nOrigin: o\r\nContent-Length: 7\r\n\r\n42[\"x\"]", target());
    assert_eq!(entry.request().1, expected);
}

#[test]
fn bounds_of_posts_are_those_of_this_server() {
    let mut entry = Entry::new(|config| config.max_http_buffer_size = 10);
    let client = entry.client();
    entry.send(&client, post("4xxxxxxxxxx"));
    assert!(entry.got(&client).starts_with("HTTP/1.1 413 "));
    entry.send(&client, post("4xxxxxxxxxx").trim_end_matches('x'));
    entry.pass(Duration::from_secs(21));
    assert!(entry.got(&client).contains("HTTP/1.1 413 "), "a told length is judged before the body comes");
    let slow = entry.client();
    entry.send(&slow, post("4xxxxxxx").trim_end_matches('x'));
    entry.pass(Duration::from_secs(19));
    assert_eq!(entry.got(&slow), "");
    entry.pass(Duration::from_secs(2));
    assert!(entry.got(&slow).starts_with("HTTP/1.1 408 "));
    assert!(entry.told().is_empty());
}

#[test]
fn what_needs_no_session_is_answered_here() {
    let mut entry = Entry::new(|config| config.cors = Some(Cors::new(Origin::Any)));
    for (request, answer) in [
        (get().replace("polling", "carrier-pigeon"), "{\"code\":0"),
        (get().replace("GET", "DELETE"), "{\"code\":1"),
        (get().replace("GET", "OPTIONS"), "HTTP/1.1 204 "),
        (get().replace("\r\n\r\n", "\r\nContent-Length: 1\r\n\r\n6"), "HTTP/1.1 400 "),
        (get().replace("\r\n\r\n", "\r\nOrigin: \x01\r\n\r\n"), "HTTP/1.1 400 "),
        (get().replace("/socket.io/", "/elsewhere/"), "HTTP/1.1 404 "),
        (upgrade().replace("Version: 13", "Version: 12"), "Missing or invalid Sec-WebSocket-Version"),
    ] {
        let client = entry.client();
        entry.send(&client, &request);
        let got = entry.got(&client);
        assert!(got.contains(answer), "{request}\n{got}");
    }
    assert!(entry.told().is_empty());
}

#[test]
fn a_sid_of_nobody_is_unknown() {
    let of = |instance| get().replace(&sid(OWNER), &sid(Instance(instance)));
    for (relays, request) in [(true, of([9, 9, 8])), (true, of([1, 2, 3])), (false, get())] {
        let mut entry = Entry::new(|config| config.relay_requests = relays);
        let client = entry.client();
        entry.send(&client, &request);
        let got = entry.got(&client);
        assert!(got.starts_with("HTTP/1.1 400 ") && got.ends_with("{\"code\":1,\"message\":\"Session ID unknown\"}"));
        assert!(entry.told().is_empty());
    }
}

#[test]
fn nobody_but_the_owner_is_believed() {
    let mut entry = Entry::new(|_| ());
    let client = entry.client();
    let number = entry.pass_on(&client, &get());
    let what = ToEntry::Down { bytes: OK.into(), then: Then::Answered };
    entry.hear_from(Instance([9, 9, 8]), number, what.clone());
    assert_eq!(entry.got(&client), "");
    entry.hear(number, what);
    assert_eq!(entry.got(&client).as_bytes(), OK);
}

#[test]
fn the_owner_may_close() {
    let mut entry = Entry::new(|_| ());
    let client = entry.client();
    let number = entry.pass_on(&client, &get());
    entry.down(number, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", Then::Closed);
    assert!(entry.got(&client).starts_with("HTTP/1.1 400 ") && client.is_shut());
    let client = entry.client();
    let number = entry.pass_on(&client, &get());
    entry.down(number, "HTTP/1.1 200 OK\r\n", Then::More);
    entry.hear(number, ToEntry::Gone);
    assert!(client.is_closed() && entry.told().is_empty());
}

#[test]
fn an_answer_that_has_begun_is_followed_by_no_other() {
    let mut entry = Entry::new(|_| ());
    for is_late in [false, true] {
        let client = entry.client();
        let number = entry.pass_on(&client, &get());
        entry.down(number, "HTTP/1.1 200 OK\r\n", Then::More);
        if is_late {
            entry.pass(Duration::from_secs(60))
        } else {
            entry.lose_owner()
        }
        assert_eq!(entry.got(&client), "HTTP/1.1 200 OK\r\n");
        assert!(client.is_closed(), "{is_late}");
    }
}

#[test]
fn an_owner_that_does_not_serve_a_request_says_so() {
    let mut entry = Entry::new(|_| ());
    for (request, answer) in
        [(get(), "\"Session ID unknown\"}"), (post("40"), "\"Session ID unknown\"}"), (upgrade(), "Session ID unknown")]
    {
        let client = entry.client();
        let number = entry.pass_on(&client, &request);
        entry.hear(number, ToEntry::Gone);
        let got = entry.got(&client);
        assert!(got.starts_with("HTTP/1.1 400 ") && got.ends_with(answer), "{got}");
        assert_eq!((entry.tunnels(), entry.told()), ((0, false), vec![]));
    }
    assert_eq!(entry.failures(RelayFailure::Gone), 3);
}

#[test]
fn the_owner_hears_of_a_client_that_leaves() {
    let mut entry = Entry::new(|_| ());
    let client = entry.client();
    let number = entry.pass_on(&client, &get());
    client.ends();
    entry.turn();
    assert_eq!(entry.told(), [(number, ToOwner::Gone)]);
    assert_eq!(entry.tunnels(), (0, false));
}

#[test]
fn a_server_that_drains_passes_on_and_has_its_clients_leave() {
    let mut entry = Entry::new(|config| config.drain = Duration::from_secs(10));
    let (held, client, upgrading) = (entry.client(), entry.client(), entry.client());
    let number = entry.pass_on(&held, &get());
    entry.shared.drain_all();
    entry.turn();
    entry.send(&client, post("40"));
    let (posted, request) = entry.request();
    assert!(request.contains("\r\nConnection: close\r\n"), "{request}");
    entry.down(posted, OK, Then::Answered);
    entry.send(&upgrading, upgrade());
    assert!(entry.got(&upgrading).starts_with("HTTP/1.1 503 "));
    entry.fill(true);
    entry.pass(Duration::from_secs(6));
    assert!(entry.told().is_empty(), "there is no room on the way");
    entry.fill(false);
    entry.pass(Duration::from_millis(100));
    assert_eq!(entry.told(), [(number, ToOwner::Release)]);
    assert!(!entry.is_over(), "requests are under way");
    entry.down(number, OK, Then::Answered);
    client.ends();
    entry.pass(Duration::from_millis(100));
    assert!(entry.is_over());
}

#[test]
fn a_server_that_stops_has_held_gets_answered_first() {
    for drain in [Duration::ZERO, Duration::from_secs(1)] {
        let mut entry = Entry::new(|config| config.drain = drain);
        let (early, late) = (entry.client(), entry.client());
        let first = entry.pass_on(&early, &get());
        entry.shared.drain_all();
        if !drain.is_zero() {
            entry.turn();
            let second = entry.pass_on(&late, &get());
            entry.pass(Duration::from_millis(600));
            assert_eq!(entry.told(), [(first, ToOwner::Release)]);
            entry.pass(Duration::from_millis(500));
            entry.hear(first, ToEntry::Down { bytes: OK.into(), then: Then::Closed });
            assert_eq!(entry.told(), [(first, ToOwner::Release), (second, ToOwner::Release)]);
            entry.hear(second, ToEntry::Down { bytes: OK.into(), then: Then::Closed });
        } else {
            late.ends();
            entry.turn();
            assert_eq!(entry.told(), [(first, ToOwner::Release)]);
            entry.hear(first, ToEntry::Down { bytes: OK.into(), then: Then::Closed });
        }
        assert!(entry.got(&early).ends_with("ok"));
        early.ends();
        late.ends();
        entry.pass(Duration::from_millis(100));
        assert!(entry.is_over());
    }
}
