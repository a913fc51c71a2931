//! Subscriptions, and the messages that come by them.

use bytes::Bytes;
use kinglet::RedisServer;
use kinglet::cluster::redis::{self, AskError, Fault, Incoming, Kind, Topic};
use std::time::Duration;

use crate::support::PATIENCE;
use crate::support::listener::{Listener, quick};
use crate::support::server::Server;

#[test]
fn messages_come_by_channel_and_by_pattern_byte_for_byte() {
    let server = Server::start(&[]);
    let listener = Listener::start(&quick(server.address()));
    listener.redis.subscribe([Topic::channel("news"), Topic::pattern("room#*")]);
    listener.until_up();
    let bytes: Vec<u8> = (0..=255).collect();
    listener.redis.publish("room#\u{e4}#", bytes.clone(), Kind::Volatile);
    listener.redis.publish("other", "unheard", Kind::Lasting);
    listener.redis.publish("news", "", Kind::Lasting);
    assert_eq!(listener.message(), (Bytes::from("room#\u{e4}#"), Bytes::from(bytes)));
    assert_eq!(listener.message(), (Bytes::from("news"), Bytes::new()));
}

#[test]
fn each_subscription_is_confirmed_before_redis_counts_as_there() {
    let server = Server::start(&[]);
    let listener = Listener::start(&quick(server.address()));
    let topics: Vec<_> = (0..1500).map(|number| Topic::channel(format!("channel-{number}"))).collect();
    listener.redis.subscribe(topics.clone());
    let mut confirmed = Vec::new();
    while confirmed.len() < topics.len() {
        match listener.next() {
            Incoming::Subscribed(topic) => confirmed.push(topic),
            // The connection may have been made before the subscriptions were asked for.
            Incoming::Up if confirmed.is_empty() => {}
            other => panic!("{other:?} after {}", confirmed.len()),
        }
    }
    assert_eq!(confirmed, topics);
}

#[test]
fn a_pause_follows_messages_and_nothing_else() {
    let server = Server::start(&[]);
    let listener = Listener::on(&quick(server.address()), "channel");
    for number in 0..1000 {
        listener.redis.publish("channel", number.to_string(), Kind::Lasting);
    }
    let (mut messages, mut since_pause) = (0, 0);
    while messages < 1000 || since_pause > 0 {
        match listener.next() {
            Incoming::Message { .. } => {
                messages += 1;
                since_pause += 1;
            }
            Incoming::Pause => {
                assert_ne!(since_pause, 0, "a pause after {messages}");
                since_pause = 0;
            }
            Incoming::Up => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_message_after_the_confirmation_is_heard() {
    let server = Server::start(&[]);
    let listener = Listener::start(&quick(server.address()));
    listener.until_up();
    let mut client = server.client();
    for round in 0..50 {
        let channel = format!("channel-{round}");
        listener.redis.subscribe([Topic::channel(channel.clone())]);
        listener.until_subscribed(&channel);
        assert_eq!(client.ask(&format!("PUBLISH {channel} {round}")), "1");
        assert_eq!(listener.text(), round.to_string());
    }
}

#[test]
fn a_subscription_that_was_ended_hears_nothing() {
    let server = Server::start(&[]);
    let listener = Listener::on(&quick(server.address()), "news");
    listener.redis.subscribe([Topic::pattern("n*")]);
    listener.redis.unsubscribe([Topic::channel("news"), Topic::pattern("n*")]);
    listener.redis.subscribe([Topic::channel("weather")]);
    listener.until_subscribed("weather");
    let mut client = server.client();
    assert_eq!(client.ask("PUBLISH news late"), "0");
    client.ask("PUBLISH weather rain");
    assert_eq!(listener.text(), "rain");
}

#[test]
fn the_last_of_many_changes_to_a_subscription_holds() {
    let server = Server::start(&[]);
    let listener = Listener::start(&quick(server.address()));
    listener.until_up();
    let topics = || [Topic::channel("news")];
    for _ in 0..100 {
        listener.redis.subscribe(topics());
        listener.redis.unsubscribe(topics());
    }
    listener.redis.subscribe(topics());
    listener.redis.subscribe([Topic::channel("end")]);
    listener.until_subscribed("end");
    assert_eq!(server.client().ask("PUBSUB NUMSUB news"), "news 1");
    server.client().ask("PUBLISH news rain");
    assert_eq!(listener.text(), "rain");
}

#[test]
fn changes_to_subscriptions_do_not_pile_up_while_redis_is_slow() {
    let server = Server::start(&[]);
    let listener = Listener::on(&quick(server.address()), "news");
    listener.until_up();
    let calls = |command: &str| {
        let stats = server.client().ask("INFO commandstats");
        let line = stats.lines().find(|line| line.starts_with(&format!("cmdstat_{command}:"))).unwrap_or_default();
        line.split(['=', ',']).nth(1).map_or(0, |calls| calls.parse::<u32>().unwrap())
    };
    server.freeze();
    for number in 0..100_000 {
        listener.redis.subscribe([Topic::channel(format!("{number}"))]);
        listener.redis.unsubscribe([Topic::channel(format!("{number}"))]);
    }
    listener.redis.subscribe([Topic::channel("end")]);
    server.thaw();
    listener.until_subscribed("end");
    // The commands that were sent before Redis was noticed to be slow.
    assert!(calls("unsubscribe") < 10_000, "{} times", calls("unsubscribe"));
    server.client().ask("PUBLISH news rain");
    assert_eq!(listener.text(), "rain");
}

#[test]
fn subscribers_are_counted_by_exact_name() {
    let server = Server::start(&[]);
    let listener = Listener::on(&quick(server.address()), "news");
    listener.until_up();
    listener.redis.subscribe([Topic::pattern("new*")]);
    let mut other = server.client();
    other.subscribe("news");
    assert_eq!(count(&listener, "news"), Ok(2));
    assert_eq!(count(&listener, "nobody"), Ok(0));
}

#[test]
fn a_count_that_redis_may_not_or_cannot_give_is_an_error_in_time() {
    let server = Server::with_user("poor on nopass &* +@all -pubsub");
    let address =
        RedisServer { user: Some("poor".into()), password: Some(kinglet::Password::new("x")), ..server.address() };
    let listener = Listener::start(&quick(address));
    listener.until_up();
    assert!(matches!(count(&listener, "news"), Err(AskError::Refused(text)) if text.starts_with("NOPERM")));
    server.freeze();
    assert_eq!(count_within(&listener, "news", Duration::from_millis(100)), Err(AskError::Timeout));
    server.thaw();
    let mut server = server;
    server.kill();
    listener.until_down();
    listener.until_counted(|counted| counted.failed_connections > 2);
    assert_eq!(count(&listener, "news"), Err(AskError::Away));
}

fn count(listener: &Listener, channel: &'static str) -> Result<u64, AskError> {
    count_within(listener, channel, PATIENCE)
}

fn count_within(listener: &Listener, channel: &'static str, timeout: Duration) -> Result<u64, AskError> {
    let (answer, answers) = crossbeam_channel::bounded(1);
    listener.redis.count_subscribers(channel, timeout, move |count| answer.send(count).unwrap());
    answers.recv_timeout(PATIENCE).expect("an answer")
}

#[test]
fn a_panic_in_the_callback_of_a_count_does_not_end_the_publisher() {
    let server = Server::start(&[]);
    let listener = Listener::on(&quick(server.address()), "news");
    listener.until_up();
    listener.redis.count_subscribers("news", PATIENCE, |_| panic!("of the one who asks"));
    assert_eq!(count(&listener, "news"), Ok(1));
}

#[test]
fn a_panic_of_the_sink_does_not_end_the_subscriber() {
    let server = Server::start(&[]);
    let (tell, told) = crossbeam_channel::unbounded();
    let sink = move |incoming| match incoming {
        Incoming::Message { payload, .. } if payload == "panic" => panic!("of the sink"),
        Incoming::Message { payload, .. } => tell.send(payload).unwrap(),
        Incoming::Subscribed(_) => tell.send(Bytes::from("subscribed")).unwrap(),
        _ => {}
    };
    let redis = redis::start(&quick(server.address()), sink).unwrap().expect("a Redis in the settings");
    redis.subscribe([Topic::channel("news")]);
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), "subscribed");
    for message in ["panic", "next"] {
        redis.publish("news", message, Kind::Lasting);
    }
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), "next");
    redis.stop(Duration::ZERO);
}

#[test]
fn a_subscription_that_is_refused_is_an_outage_that_heals() {
    let server = Server::with_user("poor on >x resetchannels &news +@all");
    let address =
        RedisServer { user: Some("poor".into()), password: Some(kinglet::Password::new("x")), ..server.address() };
    let listener = Listener::on(&quick(address), "news");
    listener.until_up();
    listener.redis.subscribe([Topic::pattern("we*")]);
    let fault = listener.until_down();
    assert!(
        matches!(&fault, Fault::Refused { command: "PSUBSCRIBE", answer } if answer.starts_with("NOPERM")),
        "{fault}"
    );
    server.client().ask("ACL SETUSER poor &we*");
    listener.until_up();
}

#[test]
fn a_message_longer_than_allowed_is_skipped_and_nothing_else_is_lost() {
    let server = Server::start(&[]);
    let mut config = quick(server.address());
    config.limits.redis_message = 100_000;
    let listener = Listener::on(&config, "news");
    listener.until_up();
    listener.redis.publish("news", vec![b'x'; 100_000], Kind::Lasting);
    assert_eq!(listener.message().1.len(), 100_000);
    let mut publisher = server.client();
    for round in 0..3 {
        for length in [100_001, 5_000_000] {
            publisher.publish("news", &vec![b'$'; length]);
            publisher.publish("news", format!("rain {round}").as_bytes());
            assert!(matches!(listener.next_but_pauses(), Incoming::Skipped { channel } if channel == "news"));
            let heard = listener.next_but_pauses();
            assert!(matches!(heard, Incoming::Message { payload, .. } if payload == format!("rain {round}")));
        }
    }
    assert_eq!(listener.redis.metrics().reconnections, 0);
}
