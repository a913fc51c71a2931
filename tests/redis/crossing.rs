//! Messages cross from one server to the other completely and in order, wherever they have to wait.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use kinglet::{Config, Limits};

use super::support::member::Member;
use super::support::server::Server;

const MESSAGES: u32 = 20_000;

#[test]
fn messages_at_full_speed_cross_in_order_and_within_the_bounds() {
    let redis = Server::start(&[]);
    // Greetings would be counted, too.
    let config = Config { relay_requests: false, ..Config::default() };
    let sender = Member::start(config.clone(), redis.address());
    // So little room that the subscriber has to wait for the shard, and Redis for the subscriber.
    let limits = Limits { inbox: 8 * 1024, queued_per_client: Some(64 * 1024 * 1024), ..Limits::default() };
    let receiver = Member::start(Config { limits, ..config }, redis.address());
    let mut client = receiver.client();
    let most = Limits::default().redis_queue as u64;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..MESSAGES {
                sender.handle.to("nobody-is-here").emit("passed over", number).unwrap();
                sender.handle.emit("count", number).unwrap();
                let queued = sender.handle.cluster_metrics().unwrap().redis.queued_bytes;
                over.fetch_or(queued > most, Relaxed);
            }
        });
        for number in 0..MESSAGES {
            assert_eq!(client.text(), format!("42[\"count\",{number}]"));
        }
    });
    assert!(!over.load(Relaxed), "the queue was longer than it may be");
    sender
        .until("all published", |handle| handle.cluster_metrics().unwrap().redis.published == u64::from(MESSAGES) * 2);
    let (sent, got) = (sender.handle.cluster_metrics().unwrap(), receiver.handle.cluster_metrics().unwrap());
    assert_eq!((sent.redis.dropped_lasting, sent.redis.uncertain), (0, 0));
    assert!(got.dropped.iter().all(|(_, count)| *count == 0), "{:?}", got.dropped);
    assert_eq!((got.broadcasts, got.passed_over), (u64::from(MESSAGES), u64::from(MESSAGES)));
}
