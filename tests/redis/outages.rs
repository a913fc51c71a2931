//! Outages: Redis goes away and comes back.

use std::time::Duration;

use kinglet::cluster::redis::{Fault, Incoming, Kind, State, Topic};
use kinglet::{Config, RedisSecurity, RedisServer};

use crate::support::listener::{Listener, quick};
use crate::support::server::Server;

/// With a heartbeat that a test can wait for.
fn watchful(server: RedisServer) -> Config {
    let mut config = quick(server);
    config.limits.redis_ping_interval = Duration::from_millis(200);
    config.limits.redis_ping_timeout = Duration::from_millis(300);
    config
}

#[test]
fn a_server_that_is_absent_at_the_start_is_found_when_it_comes() {
    let mut server = Server::absent(&[]);
    let listener = Listener::start(&quick(server.address()));
    listener.redis.subscribe([Topic::channel("news")]);
    assert!(matches!(listener.until_down(), Fault::Connect { .. }));
    assert!(matches!(listener.redis.state(), State::Down(_)));
    server.run();
    listener.until_up();
    assert!(matches!(listener.redis.state(), State::Up));
    server.client().ask("PUBLISH news rain");
    assert_eq!(listener.text(), "rain");
}

#[test]
fn messages_published_during_an_outage_leave_in_order_afterwards() {
    let mut server = Server::start(&[]);
    let listener = Listener::on(&quick(server.address()), "numbers");
    listener.until_up();
    server.kill();
    listener.until_down();
    // The publisher may notice later than the subscriber, and messages that it sends before that are lost.
    listener.until_counted(|counted| counted.failed_connections >= 4);
    for number in 0..5000 {
        listener.redis.publish("numbers", number.to_string(), Kind::Lasting);
    }
    assert_eq!(listener.redis.metrics().published, 0);
    server.run();
    // The publisher may be connected first, so the last message is published only once the hearer is subscribed.
    let mut hearer = server.client();
    hearer.subscribe("numbers");
    let counted = listener.until_counted(|counted| counted.published == 5000);
    assert_eq!((counted.uncertain, counted.dropped_lasting, counted.queued_bytes), (0, 0, 0));
    listener.redis.publish("numbers", "5000", Kind::Lasting);
    let first: u32 = hearer.message().parse().unwrap();
    for number in first + 1..=5000 {
        assert_eq!(hearer.message(), number.to_string());
    }
}

#[test]
fn a_server_that_was_killed_and_restarted_is_subscribed_to_again() {
    let mut server = Server::start(&[]);
    let listener = Listener::on(&quick(server.address()), "news");
    listener.until_up();
    listener.redis.subscribe([Topic::pattern("w*")]);
    // Were it still asked for when the server is killed, it would be confirmed twice.
    while !matches!(listener.next(), Incoming::Subscribed(topic) if topic == Topic::pattern("w*")) {}
    for round in 1..=3 {
        server.kill();
        listener.until_down();
        assert_eq!(listener.redis.metrics().up, 0);
        server.run();
        let mut confirmed = 0;
        loop {
            match listener.next() {
                Incoming::Subscribed(_) => confirmed += 1,
                Incoming::Up => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(confirmed, 2);
        server.client().ask(&format!("PUBLISH weather rain-{round}"));
        assert_eq!(listener.text(), format!("rain-{round}"));
        assert_eq!(listener.redis.metrics().reconnections, 2 * round);
    }
}

#[test]
fn a_frozen_server_is_noticed_and_hears_nothing_twice() {
    let server = Server::start(&[]);
    let mut hearer = server.client();
    hearer.subscribe("numbers");
    let listener = Listener::on(&watchful(server.address()), "news");
    listener.until_up();
    server.freeze();
    for number in 0..1000 {
        listener.redis.publish("numbers", number.to_string(), Kind::Lasting);
    }
    let fault = listener.until_down();
    assert!(matches!(fault, Fault::Silent(_)), "{fault}");
    listener.until_counted(|counted| counted.uncertain > 0);
    server.thaw();
    listener.until_up();
    listener.redis.publish("numbers", "1000", Kind::Lasting);
    let mut last = None;
    loop {
        let number: u32 = hearer.message().parse().unwrap();
        assert!(last.is_none_or(|last| last < number), "{number} after {last:?}");
        last = Some(number);
        if number == 1000 {
            break;
        }
    }
    assert!(listener.redis.metrics().silences > 0);
}

#[test]
fn a_server_that_was_frozen_for_less_than_the_heartbeat_loses_nothing() {
    let server = Server::start(&[]);
    let listener = Listener::on(&quick(server.address()), "numbers");
    listener.until_up();
    for round in 0..10 {
        server.freeze();
        for number in 0..100 {
            listener.redis.publish("numbers", (round * 100 + number).to_string(), Kind::Lasting);
        }
        server.thaw();
    }
    for number in 0..1000 {
        assert_eq!(listener.text(), number.to_string());
    }
    assert_eq!(listener.redis.metrics().reconnections, 0);
}

#[test]
fn an_idle_connection_is_kept_and_costs_a_ping_now_and_then() {
    let server = Server::start(&[]);
    let mut config = watchful(server.address());
    config.limits.redis_ping_timeout = crate::support::PATIENCE;
    let listener = Listener::on(&config, "news");
    listener.until_up();
    let mut monitor = server.client();
    assert_eq!(monitor.ask("MONITOR"), "OK");
    for _ in 0..10 {
        let line = monitor.read();
        assert!(line.contains(r#""PING""#), "{line}");
    }
    let counted = listener.redis.metrics();
    assert_eq!((counted.up, counted.reconnections, counted.silences), (1, 0, 0));
}

#[test]
fn connections_that_redis_ends_are_made_anew() {
    let server = Server::start(&[]);
    let listener = Listener::on(&quick(server.address()), "news");
    listener.until_up();
    let mut client = server.client();
    for kind in ["normal", "pubsub"] {
        client.ask(&format!("CLIENT KILL TYPE {kind}"));
        listener.until_down();
        listener.until_up();
        listener.redis.publish("news", kind, Kind::Lasting);
        assert_eq!(listener.text(), kind);
    }
}

#[test]
fn a_name_without_an_address_is_told_and_tried_again() {
    let listener = Listener::start(&quick(RedisServer::new("redis.invalid", 6379, RedisSecurity::Plain)));
    let fault = listener.until_down();
    assert!(matches!(fault, Fault::Name { .. }), "{fault}");
    listener.until_counted(|counted| counted.failed_connections > 3);
}

#[test]
fn a_server_that_takes_connections_and_says_nothing_is_given_up_in_time() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let mut config = quick(RedisServer::new("127.0.0.1", port, RedisSecurity::Plain));
    config.limits.redis_connect_timeout = Duration::from_millis(200);
    assert!(matches!(Listener::start(&config).until_down(), Fault::ConnectTimeout(_)));
}
