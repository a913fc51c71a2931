//! The end of the connections to Redis: what leaves before it, and how long it may take.

use std::time::{Duration, Instant};

use kinglet::cluster::redis::{Kind, State, Topic};

use crate::support::PATIENCE;
use crate::support::listener::{Listener, quick};
use crate::support::server::Server;

/// Times that no test should take, yet far below the deadlines that must not be waited for.
const SOON: Duration = Duration::from_secs(5);

#[test]
fn queued_messages_are_published_before_the_end() {
    let server = Server::start(&[]);
    let mut hearer = server.client();
    hearer.subscribe("numbers");
    let listener = Listener::on(&quick(server.address()), "news");
    for number in 0..10_000 {
        listener.redis.publish("numbers", number.to_string(), Kind::Lasting);
    }
    let began = Instant::now();
    listener.redis.stop(PATIENCE);
    assert!(began.elapsed() < SOON);
    assert_eq!(listener.redis.metrics().published, 10_000);
    for number in 0..10_000 {
        assert_eq!(hearer.message(), number.to_string());
    }
    let others = server.client().others();
    assert_eq!(others.len(), 1, "the hearer alone: {others:#?}");
    assert!(matches!(listener.redis.state(), State::Down(_)));
}

#[test]
fn a_stopped_connection_takes_nothing_and_reports_nothing() {
    let server = Server::start(&[]);
    let listener = Listener::on(&quick(server.address()), "news");
    listener.until_up();
    listener.redis.stop(PATIENCE);
    listener.redis.publish("news", "late", Kind::Lasting);
    listener.redis.subscribe([Topic::channel("weather")]);
    listener.redis.stop(PATIENCE);
    let counted = listener.redis.metrics();
    assert_eq!((counted.dropped_lasting, counted.queued_bytes, counted.received), (1, 0, 0));
}

#[test]
fn the_end_waits_no_longer_than_the_server_needs_to_end_the_subscriptions() {
    let server = Server::start(&[]);
    let mut took = Duration::ZERO;
    // As often as the time that the server has for it, 200 ms each, is more than all of them may take.
    for _ in 0..30 {
        let listener = Listener::on(&quick(server.address()), "news");
        let began = Instant::now();
        listener.redis.stop(PATIENCE);
        took += began.elapsed();
    }
    assert!(took < SOON, "{took:?}");
}

#[test]
fn a_frozen_server_delays_the_end_until_the_deadline_only() {
    let server = Server::start(&[]);
    let listener = Listener::on(&quick(server.address()), "news");
    listener.until_up();
    server.freeze();
    listener.redis.publish("news", "rain", Kind::Lasting);
    let began = Instant::now();
    listener.redis.stop(Duration::from_millis(300));
    assert!(began.elapsed() >= Duration::from_millis(300), "it waits for the reply");
    assert!(began.elapsed() < SOON);
    server.thaw();
}

#[test]
fn a_frozen_server_s_confirmations_do_not_delay_the_end() {
    let server = Server::start(&[]);
    let listener = Listener::on(&quick(server.address()), "news");
    listener.until_up();
    server.freeze();
    let began = Instant::now();
    listener.redis.stop(PATIENCE);
    assert!(began.elapsed() < SOON);
    server.thaw();
}

#[test]
fn an_absent_server_delays_the_end_only_if_messages_wait() {
    let server = Server::absent(&[]);
    for (waits, at_least) in [(false, Duration::ZERO), (true, Duration::from_millis(300))] {
        let listener = Listener::start(&quick(server.address()));
        listener.until_down();
        if waits {
            listener.redis.publish("news", "rain", Kind::Volatile);
        }
        let began = Instant::now();
        listener.redis.stop(if waits { Duration::from_millis(300) } else { PATIENCE });
        assert!((at_least..SOON).contains(&began.elapsed()), "{:?}", began.elapsed());
        assert_eq!(listener.redis.metrics().dropped_volatile, u64::from(waits));
    }
}

#[test]
fn an_attempt_to_connect_does_not_delay_the_end() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = quick(format!("redis://{}", silent.local_addr().unwrap()).parse().unwrap());
    config.limits.redis_connect_timeout = PATIENCE;
    let listener = Listener::start(&config);
    listener.redis.publish("news", "rain", Kind::Lasting);
    let connections = [silent.accept().unwrap(), silent.accept().unwrap()];
    let began = Instant::now();
    listener.redis.stop(Duration::from_millis(300));
    assert!(began.elapsed() < SOON);
    assert_eq!(listener.redis.metrics().dropped_lasting, 1);
    drop(connections);
}

#[test]
fn the_threads_end_when_the_last_handle_is_dropped() {
    let server = Server::start(&[]);
    let mut config = quick(server.address());
    config.limits.redis_backoff = Duration::from_secs(60);
    let (tell, told) = crossbeam_channel::unbounded::<()>();
    let redis = kinglet::cluster::redis::start(&config, move |_| tell.send(()).unwrap()).unwrap().unwrap();
    told.recv_timeout(PATIENCE).unwrap();
    drop(redis);
    // The channel closes when the sink is dropped, with its thread.
    while told.recv_timeout(PATIENCE).map_err(|error| assert!(!error.is_timeout())).is_ok() {}
}
