//! Publishing: each message once, in order, within the limits.

use std::collections::HashMap;
use std::time::Duration;

use kinglet::cluster::redis::Kind;

use crate::support::forgetful::Forgetful;
use crate::support::listener::{Listener, quick};
use crate::support::server::{Server, free_port};

#[test]
fn a_hundred_thousand_messages_come_in_order() {
    let server = Server::start(&[]);
    let mut config = quick(server.address());
    config.limits.redis_queue = 64 * 1024 * 1024;
    let listener = Listener::on(&config, "numbers");
    for number in 0..100_000 {
        let kind = if number % 3 == 0 { Kind::Volatile } else { Kind::Lasting };
        listener.redis.publish("numbers", number.to_string(), kind);
    }
    for number in 0..100_000 {
        assert_eq!(listener.text(), number.to_string());
    }
    let counted = listener.until_counted(|counted| counted.published == 100_000);
    assert_eq!((counted.received, counted.queued_bytes), (100_000, 0));
    assert_eq!((counted.dropped_volatile, counted.dropped_lasting, counted.uncertain), (0, 0, 0));
}

#[test]
fn redis_sees_one_publish_for_each_and_nothing_else() {
    let server = Server::start(&[]);
    let mut monitor = server.client();
    assert_eq!(monitor.ask("MONITOR"), "OK");
    let listener = Listener::on(&quick(server.address()), "news");
    listener.until_up();
    for number in 0..1000 {
        listener.redis.publish("news", format!("message-{number}"), Kind::Lasting);
    }
    listener.until_counted(|counted| counted.published == 1000);
    server.client().ask("PUBLISH end end");
    let mut seen = HashMap::new();
    loop {
        let line = monitor.read();
        let command = line.split('"').nth(1).expect("a command").to_uppercase();
        if line.contains(r#""PUBLISH" "end""#) {
            break;
        }
        *seen.entry(command).or_insert(0) += 1;
    }
    let expected = [("PING", 2), ("SUBSCRIBE", 1), ("PUBLISH", 1000)].map(|(name, count)| (name.to_owned(), count));
    assert_eq!(seen, HashMap::from(expected));
}

#[test]
fn the_queue_is_bounded_in_bytes() {
    let mut config = quick(Server::absent(&[]).address());
    config.limits.redis_queue = 10_000;
    let listener = Listener::start(&config);
    listener.until_down();
    // 4 of channel, 32 of payload, 64 besides: a hundred fit.
    for (count, kind) in [(60, Kind::Lasting), (60, Kind::Volatile), (60, Kind::Lasting), (60, Kind::Volatile)] {
        for _ in 0..count {
            listener.redis.publish("news", vec![0; 32], kind);
        }
    }
    let counted = listener.redis.metrics();
    assert_eq!(counted.queued_bytes, 10_000);
    assert_eq!((counted.dropped_volatile, counted.dropped_lasting), (120, 20));
}

#[test]
fn refused_messages_are_counted_and_hold_up_nothing() {
    let server = Server::with_user("default on nopass resetchannels &news +@all");
    let listener = Listener::on(&quick(server.address()), "news");
    listener.until_up();
    for channel in ["secrets", "news"] {
        listener.redis.publish(channel, "rain", Kind::Lasting);
    }
    assert_eq!(listener.text(), "rain");
    let counted = listener.until_counted(|counted| counted.published == 1);
    assert_eq!((counted.refused, counted.reconnections), (1, 0));
}

#[test]
fn a_message_is_published_at_most_once_however_often_the_connection_breaks() {
    const COUNT: u64 = 20_000;
    let server = Server::start(&[]);
    let mut hearer = server.client();
    hearer.subscribe("numbers");
    let mut config = quick(server.address());
    config.limits.redis_backoff = Duration::from_millis(1);
    let listener = Listener::start(&config);
    listener.until_up();
    let mut killer = server.client();
    for number in 0..COUNT {
        listener.redis.publish("numbers", number.to_string(), Kind::Lasting);
        if number % 1000 == 999 {
            killer.ask("CLIENT KILL TYPE normal");
        }
    }
    let counted = listener.until_counted(|counted| counted.published + counted.uncertain == COUNT);
    assert!(counted.reconnections > 0, "{counted:?}");
    listener.redis.publish("numbers", "end", Kind::Lasting);
    let mut heard: Vec<u64> = Vec::new();
    loop {
        match hearer.message().as_str() {
            "end" => break,
            number => heard.push(number.parse().unwrap()),
        }
    }
    assert!(heard.is_sorted_by(|one, next| one < next), "twice or out of order");
    assert!((counted.published..=COUNT).contains(&(heard.len() as u64)), "{} heard, {counted:?}", heard.len());
}

#[test]
fn messages_without_an_answer_are_not_sent_again_and_the_rest_is() {
    const COUNT: u64 = 2000;
    let server = Forgetful::start(10, 5);
    let mut config = quick(format!("redis://127.0.0.1:{}", server.port).parse().unwrap());
    config.limits.redis_queue = usize::MAX;
    let listener = Listener::start(&config);
    // More than fits into one connection's buffers, so that some is left for later connections.
    let filler = "x".repeat(10_000);
    for number in 0..COUNT {
        listener.redis.publish("numbers", format!("{number} {filler}"), Kind::Lasting);
    }
    let counted = listener.until_counted(|counted| counted.published + counted.uncertain == COUNT);
    let numbers = server.published.try_iter().map(|payload| payload.split(' ').next().unwrap().parse().unwrap());
    let taken: Vec<u64> = numbers.collect();
    assert!(taken.is_sorted_by(|one, next| one < next), "twice or out of order");
    assert!(counted.uncertain >= 5 * 10, "{counted:?}");
    assert!(taken.len() as u64 >= counted.published + 5 * 10, "{} taken, {counted:?}", taken.len());
}

#[test]
fn the_address_in_the_settings_may_have_nobody_at_it() {
    let listener = Listener::start(&quick(format!("redis://127.0.0.1:{}", free_port()).parse().unwrap()));
    let fault = listener.until_down();
    assert!(fault.to_string().contains("refused"), "{fault}");
}
