//! Messages that are too long for other servers: the emitter gets an error, and no client gets a part.

use std::time::Duration;

use kinglet::cluster::ClusterMetrics;
use kinglet::{Config, EmitError, Limits, TooLarge};

use super::support::member::Member;
use super::support::server::Server;

const LIMITS: [fn(Limits) -> Limits; 2] =
    [|limits| Limits { redis_queue: 100_000, ..limits }, |limits| Limits { redis_message: 100_000, ..limits }];

fn text(length: usize) -> String {
    "x".repeat(length)
}

fn counted(member: &Member) -> ClusterMetrics {
    member.handle.cluster_metrics().unwrap()
}

/// The excess that the error of `emit` names.
fn excess(emitted: Result<(), EmitError>) -> usize {
    let error = emitted.unwrap_err();
    let EmitError::TooLarge(TooLarge { length, most }) = error else { panic!("{error}") };
    assert!((99_000..=100_000).contains(&most), "{most}");
    assert!(error.to_string().contains("with `local`"), "{error}");
    length - most
}

#[test]
fn a_broadcast_that_is_too_long_fails_and_the_longest_does_not() {
    for limit in LIMITS {
        let redis = Server::start(&[]);
        let config = Config { limits: limit(Limits::default()), ..Config::default() };
        let (here, there) = (Member::start(config.clone(), redis.address()), Member::start(config, redis.address()));
        let (mut client, mut other) = (here.client(), there.client());
        let too_much = excess(here.handle.emit("long", text(200_000)));
        assert_eq!(excess(here.handle.emit("long", text(200_000 - too_much + 1))), 1);
        excess(here.handle.to("room").volatile().emit("long", text(200_000)));
        here.handle.emit("long", text(200_000 - too_much)).unwrap();
        let expected = format!("42[\"long\",\"{}\"]", text(200_000 - too_much));
        assert_eq!(client.text(), expected);
        assert_eq!(other.text(), expected);
        here.handle.of("/").local().emit("local", text(200_000)).unwrap();
        here.handle.emit("end", ()).unwrap();
        assert!(client.text().starts_with("42[\"local\""));
        assert_eq!((client.text(), other.text()), ("42[\"end\"]".to_owned(), "42[\"end\"]".to_owned()));
        assert_eq!((counted(&here).unpublishable, counted(&here).redis.dropped_lasting), (3, 0));
        assert!(counted(&there).dropped.iter().all(|(_, count)| *count == 0));
    }
}

#[test]
fn events_that_are_answered_or_for_servers_fail_likewise() {
    fn unheard<T>(_: T) {
        panic!("it was not sent");
    }
    let redis = Server::start(&[]);
    let config = Config { limits: LIMITS[0](Limits::default()), ..Config::default() };
    let member = Member::start(config, redis.address());
    let everybody = member.handle.of("/");
    let mut client = member.client();
    excess(everybody.emit_with_ack("long", text(200_000), Duration::from_millis(1), unheard));
    excess(everybody.server_side_emit("long", text(200_000)));
    let too_much = excess(everybody.server_side_emit_with_ack("long", text(200_000), unheard));
    everybody.server_side_emit_with_ack("long", text(200_000 - too_much), |_| {}).unwrap();
    everybody.emit("end", ()).unwrap();
    assert_eq!(client.text(), "42[\"end\"]");
    assert_eq!(counted(&member).unpublishable, 3);
}
