//! The numbers of events: with recovery, servers notice what other servers sent and did not come.

use std::collections::HashMap;

use kinglet::cluster::redis::{Kind, State, Topic};
use kinglet::cluster::{Broadcast, Data, Flags, Opts, Serial};
use kinglet::{Config, Recovery, RedisServer, Server as Kinglet};

use super::support::listener::{Listener, quick};
use super::support::member::Member;
use super::support::server::Server;

fn recovering(redis: RedisServer) -> Config {
    Config { recovery: Some(Recovery::default()), ..quick(redis) }
}

/// Everything that is published in `/` from now on.
fn listener(redis: &Server) -> Listener {
    let listener = Listener::start(&quick(redis.address()));
    listener.redis.subscribe([Topic::pattern("socket.io#/#*"), Topic::channel("subscribed")]);
    listener.until_subscribed("subscribed");
    listener
}

fn next(listener: &Listener) -> Broadcast {
    Broadcast::decode(&listener.message().1).unwrap()
}

fn gaps(member: &Member) -> u64 {
    member.handle.cluster_metrics().unwrap().gaps
}

#[test]
fn events_are_numbered_in_the_order_in_which_they_leave() {
    let redis = Server::start(&[]);
    let all = listener(&redis);
    let member = Member::begin_with(recovering(redis.address()), redis.address(), |server: &mut Kinglet| {
        server.of("/").on("relay", |socket, _| socket.broadcast().emit("relayed", ()));
    });
    member.until("in the cluster", |handle| matches!(handle.redis_state(), Some(State::Up)));
    const EACH: u64 = 200;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for number in 0..EACH {
                    member.handle.emit("news", number).unwrap();
                    member.handle.to("room").emit("for a room", number).unwrap();
                    member.handle.of("/").volatile().emit("volatile", ()).unwrap();
                    member.handle.of("/").local().emit("local", ()).unwrap();
                }
            });
        }
    });
    let (mut numbers, mut boots) = (0, HashMap::new());
    for _ in 0..4 * 3 * EACH {
        let Broadcast { event, flags, .. } = next(&all);
        let Some(Serial { boot, lane, number }) = flags.serial else {
            assert_eq!((&*event.name, flags.volatile), ("volatile", true));
            continue;
        };
        numbers += 1;
        assert_eq!((lane, number), (255, numbers));
        *boots.entry(boot).or_insert(0) += 1;
    }
    assert_eq!((numbers, boots.len()), (8 * EACH, 1));
    // Each event loop has numbers of its own.
    for number in 1..=2 {
        let mut client = member.client();
        client.send("42[\"relay\"]");
        let serial = next(&all).flags.serial.unwrap();
        assert!(serial.lane < 2 && serial.number <= number, "{serial:?}");
    }
}

#[test]
fn without_recovery_nothing_is_numbered_or_missed() {
    let redis = Server::start(&[]);
    let all = listener(&redis);
    let member = Member::start(quick(redis.address()), redis.address());
    member.handle.emit("news", 1).unwrap();
    assert_eq!(next(&all).flags.serial, None);
    for number in [1, 5] {
        publish(&all, number);
    }
    member.until("both came", |handle| handle.cluster_metrics().unwrap().broadcasts == 2);
    assert_eq!(gaps(&member), 0);
}

/// Publishes an event as another server with recovery does.
fn publish(listener: &Listener, number: u64) {
    let flags = Flags { serial: Some(Serial { boot: 1, lane: 0, number }), ..Flags::default() };
    let data = Data { json: "[\"news\"]", attachments: &[] };
    let message = Broadcast::encode("other~", "/", data, &Opts::default(), &flags).unwrap();
    listener.redis.publish("socket.io#/#", message, Kind::Lasting);
}

#[test]
fn a_number_that_did_not_come_is_a_gap() {
    let redis = Server::start(&[]);
    let all = listener(&redis);
    let member = Member::start(recovering(redis.address()), redis.address());
    for number in [7, 8, 12, 13] {
        publish(&all, number);
    }
    member.until("all came", |handle| handle.cluster_metrics().unwrap().broadcasts == 4);
    assert_eq!(gaps(&member), 1);
}

#[test]
fn what_a_server_misses_while_it_is_cut_off_is_a_gap() {
    let redis = Server::start(&[]);
    let [one, other] = [0, 1].map(|_| Member::start(recovering(redis.address()), redis.address()));
    let mut client = other.client();
    let mut breaker = redis.client();
    let mut hears = |event: &str| {
        one.handle.emit("heard", ()).unwrap();
        let text = client.text();
        let is_it = text.starts_with(&format!("42[\"{event}\""));
        if !text.starts_with("42[\"heard\"") {
            client.text();
        }
        is_it
    };
    assert!(hears("heard"));
    // It may be back so soon that it misses nothing.
    loop {
        let before = other.handle.cluster_metrics().unwrap().redis.reconnections;
        breaker.ask("CLIENT KILL TYPE pubsub");
        one.handle.emit("missed", ()).unwrap();
        other.until("back", |handle| {
            let back = handle.cluster_metrics().unwrap().redis.reconnections > before;
            back && matches!(handle.redis_state(), Some(State::Up))
        });
        assert_eq!(gaps(&other), 0, "nobody knows before the next event");
        if !hears("missed") {
            break;
        }
    }
    assert_eq!(gaps(&other), 1);
    assert!(hears("heard"));
    assert_eq!(gaps(&other), 1, "it counts once");
}
