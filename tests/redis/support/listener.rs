//! The connections to Redis under test, and what they report.

use std::time::Duration;

use bytes::Bytes;
use crossbeam_channel::{Receiver, unbounded};
use kinglet::cluster::redis::{self, Fault, Handle, Incoming, Topic};
use kinglet::{Config, RedisServer};

use super::PATIENCE;

pub struct Listener {
    pub redis: Handle,
    told: Receiver<Incoming>,
}

/// Settings with deadlines that a test can wait for.
pub fn quick(server: RedisServer) -> Config {
    let mut config = Config { redis: Some(server), ..Config::default() };
    config.limits.redis_backoff = Duration::from_millis(100);
    config
}

impl Listener {
    pub fn start(config: &Config) -> Self {
        let (tell, told) = unbounded();
        let sink = move |incoming| {
            let _ = tell.send(incoming);
        };
        Self { redis: redis::start(config, sink).unwrap().expect("a Redis in the settings"), told }
    }

    /// Connected to this server, subscribed to this channel.
    pub fn on(config: &Config, channel: &'static str) -> Self {
        let listener = Self::start(config);
        listener.redis.subscribe([Topic::channel(channel)]);
        listener.until_subscribed(channel);
        listener
    }

    pub fn next(&self) -> Incoming {
        self.told.recv_timeout(PATIENCE).expect("something to be told")
    }

    /// The next report that is not a pause.
    pub fn next_but_pauses(&self) -> Incoming {
        loop {
            match self.next() {
                Incoming::Pause => {}
                other => return other,
            }
        }
    }

    /// Skips reports until Redis is up.
    pub fn until_up(&self) {
        while !matches!(self.next(), Incoming::Up) {}
    }

    /// Skips reports until Redis is down, and returns the reason.
    pub fn until_down(&self) -> Fault {
        loop {
            if let Incoming::Down(fault) = self.next() {
                return fault;
            }
        }
    }

    pub fn until_subscribed(&self, channel: &str) {
        while !matches!(self.next(), Incoming::Subscribed(topic) if topic == Topic::channel(channel.to_owned())) {}
    }

    /// The next message. Other reports are skipped.
    pub fn message(&self) -> (Bytes, Bytes) {
        loop {
            if let Incoming::Message { channel, payload, .. } = self.next() {
                return (channel, payload);
            }
        }
    }

    /// Its payload as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.message().1.to_vec()).unwrap()
    }

    /// Waits until the counters are as wanted.
    pub fn until_counted(&self, wanted: impl Fn(&redis::RedisMetrics) -> bool) -> redis::RedisMetrics {
        let began = std::time::Instant::now();
        loop {
            let counted = self.redis.metrics();
            if wanted(&counted) {
                return counted;
            }
            assert!(began.elapsed() < PATIENCE, "{counted:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.redis.stop(Duration::ZERO);
    }
}
