//! GETs and POSTs.

use std::time::Duration;

use super::owner::{Owner, get, post, target, upgrade};
use crate::cluster::peers::message::relay::{Then, ToEntry};
use crate::http::{Cors, Origin};

#[test]
fn each_request_costs_one_message_and_leaves_nothing_behind() {
    let mut owner = Owner::new(|_| ());
    let target = owner.open();
    let held = owner.begin(&get(&target));
    assert_eq!(owner.told(), [], "it is held");
    assert_eq!(owner.connections(), (1, 1));
    let posted = owner.begin(&post(&target, "40"));
    let told = owner.told();
    let answers: Vec<_> = told
        .iter()
        .map(|(number, what)| match what {
            ToEntry::Down { bytes, then: Then::Answered } => (*number, str::from_utf8(bytes).unwrap()),
            what => panic!("{what:?}"),
        })
        .collect();
    assert!(answers.iter().any(|(of, answer)| *of == posted && answer.ends_with("\r\n\r\nok")), "{answers:?}");
    assert!(answers.iter().any(|(of, answer)| *of == held && answer.contains("\r\n\r\n40{\"sid\":")), "{answers:?}");
    assert_eq!((answers.len(), owner.connections()), (2, (0, 0)));
    assert_eq!(owner.seen(), ["came from 10.0.0.7"]);
}

/// Longer than the answer to a POST that closes may take.
const A_MOMENT: Duration = Duration::from_millis(100);

/// What a client says, one request after the other, each answered at once or in a moment.
fn conversation(target: &str) -> Vec<String> {
    vec![
        post(target, "40"),
        get(target),
        post(target, "42[\"say\",2000]"),
        get(target).replace("Host", "Accept-Encoding: gzip\r\nHost"),
        get(target).replace("polling", "neither"),
        get(target).replace("GET", "PUT"),
        post(target, "42[\"say\",1]").replace("HTTP/1.1", "HTTP/1.0"),
        get(target).replace("HTTP/1.1", "HTTP/1.0"),
        upgrade(target).replace("13", "12"),
        post(target, "42[\"say\",1200000]"),
        get(target),
        post(target, "1"),
        get(target),
        post(target, "6"),
    ]
}

#[test]
fn answers_are_those_of_a_local_connection_byte_for_byte() {
    let answers = |is_local: bool| {
        let mut owner = Owner::new(|config| {
            config.cors = Some(Cors::new(Origin::Any));
            config.limits.hold_up = 4 << 20;
        });
        let target = owner.open();
        let answer = |request: String| {
            if is_local {
                let (socket, answer) = owner.local(&request);
                owner.pass(A_MOMENT);
                let rest = String::from_utf8_lossy(&socket.take_sent(usize::MAX)).into_owned();
                return (answer + &rest, socket.is_shut());
            }
            let number = owner.begin(&request);
            owner.pass(A_MOMENT);
            let told = owner.told();
            match &told[..] {
                [(of, ToEntry::Down { bytes, then: then @ (Then::Answered | Then::Closed) })] if *of == number => {
                    (String::from_utf8_lossy(bytes).into_owned(), *then == Then::Closed)
                }
                _ => panic!("{request}: {told:?}"),
            }
        };
        conversation(&target).into_iter().map(answer).collect::<Vec<_>>()
    };
    let (local, relayed) = (answers(true), answers(false));
    for (local, relayed) in local.iter().zip(&relayed) {
        let start = |answer: &str| answer.chars().take(1000).collect::<String>();
        assert!(local == relayed, "{:?} and {:?}", (start(&local.0), local.1), (start(&relayed.0), relayed.1));
    }
    assert!(local.iter().any(|(_, closed)| *closed) && local.iter().any(|(answer, _)| answer.len() > 1_200_000));
}

#[test]
fn a_session_can_begin_there_too() {
    let mut owner = Owner::new(|_| ());
    let answer = owner.answer(&get("/socket.io/?EIO=4&transport=polling"));
    let target = target(&answer);
    assert!(owner.answer(&post(&target, "40")).ends_with("ok"));
}

#[test]
fn a_second_get_ends_the_session_as_on_one_connection() {
    let mut owner = Owner::new(|_| ());
    let target = owner.open();
    owner.answer(&post(&target, "40"));
    owner.answer(&get(&target));
    owner.seen();
    let (first, second) = (owner.begin(&get(&target)), owner.begin(&get(&target)));
    let told = owner.told();
    let of = |number| told.iter().filter(|(of, _)| *of == number).count();
    assert_eq!((of(first), of(second), told.len()), (1, 1, 2), "{told:?}");
    assert_eq!((owner.connections(), owner.seen()), ((0, 0), vec!["transport error".to_owned()]));
}
