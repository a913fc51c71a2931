//! Servers that tell each other something, or have drawn the same name.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use super::cluster::{self, Cluster};
use crate::chance::simulated::seed;
use crate::clock::simulated::{advance, stop};
use crate::cluster::peers::message::relay::{ExchangeNumber, Relay, Then, ToEntry};
use crate::cluster::peers::{Body, Instance, OwnInstance, Peers, Unheard};
use crate::cluster::redis::simulated::{Ending, Thread};
use crate::cluster::{Membership, Received};
use crate::config::{Config, Limits};

const NAME: Instance = Instance([1, 2, 3]);
const OTHER: Instance = Instance([3, 2, 1]);

/// A server without shards.
struct Server {
    own: Arc<OwnInstance>,
    membership: Arc<Membership>,
    threads: Vec<Thread>,
    heard: Heard,
}

/// What a server has heard of others, and who is gone.
type Heard = Arc<Mutex<Vec<Told>>>;

#[derive(Debug, PartialEq)]
enum Told {
    Number(u64),
    Gone(Instance),
}

/// Something that one tells another, by its number.
fn body(number: u64) -> Body {
    let what = ToEntry::Down { bytes: vec![0; 100].into(), then: Then::More };
    Body::Relay(Relay::ToEntry { exchange: ExchangeNumber::new(0, number), what })
}

/// Notes what was received.
fn note(heard: &Heard, membership: &Membership, received: Option<Received>) {
    for received in std::iter::from_fn(|| membership.next_gone()).chain(received) {
        let told = match received {
            Received::PeerGone(instance) => Told::Gone(instance),
            Received::Peer { body: told, .. } => Told::Number((0..).find(|number| told == body(*number)).unwrap()),
            _ => continue,
        };
        heard.lock().unwrap().push(told);
    }
}

impl Server {
    fn start(cluster: &Cluster, name: Instance) -> Self {
        let limits = Limits { relay_queue: 1024, ..Limits::default() };
        let config = Config { redis: Some(cluster::address()), limits, ..Config::default() };
        let own = Arc::new(OwnInstance::new(name));
        let (here, heard): (Arc<OnceLock<Arc<Membership>>>, Heard) = Default::default();
        let (hearing, losing, one, other) =
            (Arc::clone(&here), Arc::clone(&here), Arc::clone(&heard), Arc::clone(&heard));
        let sink = move |incoming| {
            let membership = hearing.get().unwrap();
            note(&one, membership, membership.receive(incoming, |_, _| true));
        };
        let lost = move |loss| {
            let membership = losing.get().unwrap();
            membership.lost(loss);
            note(&other, membership, None);
        };
        let membership = Membership::start(&config, &own, ["/"], sink, lost).unwrap().unwrap();
        here.set(Arc::clone(&membership)).ok().unwrap();
        Self { own, membership, threads: cluster.network.take_threads(), heard }
    }

    fn heard(&self) -> Vec<Told> {
        std::mem::take(&mut self.heard.lock().unwrap())
    }

    /// Tells another something. What comes back says later why it was not heard.
    fn tell(&self, other: &Self, number: u64) -> Arc<OnceLock<Unheard>> {
        let why: Arc<OnceLock<Unheard>> = Arc::default();
        let unheard = Arc::clone(&why);
        self.peers().send(other.own.get(), body(number), move |why| unheard.set(why).unwrap());
        why
    }

    fn peers(&self) -> &Peers {
        self.membership.peers().unwrap()
    }
}

/// All servers do what they have to do.
fn come_to_rest(cluster: &mut Cluster, servers: &mut [Server]) {
    loop {
        cluster.move_all();
        let mut awake = servers.iter_mut().flat_map(|server| &mut server.threads).filter(|thread| thread.is_awake());
        let Some(thread) = awake.next() else { return };
        thread.turn();
    }
}

#[test]
fn the_later_one_takes_another_name() {
    let (_time, _chance) = (stop(), seed(1));
    let mut cluster = Cluster::new();
    let mut servers = vec![Server::start(&cluster, NAME)];
    come_to_rest(&mut cluster, &mut servers);
    servers.push(Server::start(&cluster, NAME));
    come_to_rest(&mut cluster, &mut servers);
    let names: Vec<_> = servers.iter().map(|server| server.own.get()).collect();
    assert_eq!((names[0], names[1] != NAME), (NAME, true));
    assert!(servers[0].peers().knows(names[1]) && servers[1].peers().knows(names[0]));
}

#[test]
fn of_two_at_once_one_or_both_do() {
    let (_time, _chance) = (stop(), seed(1));
    let mut cluster = Cluster::new();
    let mut servers = vec![Server::start(&cluster, NAME), Server::start(&cluster, NAME)];
    come_to_rest(&mut cluster, &mut servers);
    let names: Vec<_> = servers.iter().map(|server| server.own.get()).collect();
    assert_ne!(names[0], names[1]);
    assert!(servers[0].peers().knows(names[1]) && servers[1].peers().knows(names[0]));
}

#[test]
fn one_whose_name_is_in_a_sid_leaves_the_other_alone() {
    let (_time, _chance) = (stop(), seed(1));
    let mut cluster = Cluster::new();
    let mut servers = vec![Server::start(&cluster, NAME)];
    come_to_rest(&mut cluster, &mut servers);
    servers.push(Server::start(&cluster, NAME));
    servers[1].own.settle();
    come_to_rest(&mut cluster, &mut servers);
    servers.push(Server::start(&cluster, NAME));
    come_to_rest(&mut cluster, &mut servers);
    let known: Vec<_> = servers.iter().map(|server| server.peers().count()).collect();
    assert_eq!(known, [1, 0, 1], "the second is silent");
}

/// Two servers that know each other.
fn acquainted(cluster: &mut Cluster) -> Vec<Server> {
    let mut servers = vec![Server::start(cluster, NAME), Server::start(cluster, OTHER)];
    come_to_rest(cluster, &mut servers);
    assert!(servers[0].peers().knows(OTHER) && servers[1].peers().knows(NAME));
    servers
}

#[test]
fn what_one_tells_another_comes_in_order() {
    let (_time, _chance) = (stop(), seed(1));
    let mut cluster = Cluster::new();
    let mut servers = acquainted(&mut cluster);
    let unheard: Vec<_> = (0..3).map(|number| servers[0].tell(&servers[1], number)).collect();
    come_to_rest(&mut cluster, &mut servers);
    assert_eq!(servers[1].heard(), [0, 1, 2].map(Told::Number));
    assert!(servers[0].heard().is_empty() && unheard.iter().all(|why| why.get().is_none()));
}

#[test]
fn whoever_tells_one_that_is_dead_hears_that_it_is_gone() {
    let (_time, _chance) = (stop(), seed(1));
    let mut cluster = Cluster::new();
    let mut servers = acquainted(&mut cluster);
    let mut dead = servers.pop().unwrap();
    dead.threads.clear();
    let unheard = servers[0].tell(&dead, 0);
    come_to_rest(&mut cluster, &mut servers);
    assert_eq!((unheard.get(), servers[0].heard()), (Some(&Unheard::Gone), vec![Told::Gone(OTHER)]));
    assert!(servers[0].peers().is_alone());
    assert_eq!(servers[0].tell(&dead, 1).get(), Some(&Unheard::Gone));
}

#[test]
fn what_may_be_lost_ends_all_that_is_under_way_at_both_ends() {
    let (_time, _chance) = (stop(), seed(1));
    let mut cluster = Cluster::new();
    let mut servers = acquainted(&mut cluster);
    let unheard: Vec<_> = (0..2).map(|number| servers[0].tell(&servers[1], number)).collect();
    cluster.end_all(Ending::Reset);
    come_to_rest(&mut cluster, &mut servers);
    assert!(servers.iter().all(|server| server.peers().is_alone()));
    assert!(unheard.iter().all(|why| why.get() == Some(&Unheard::Away)));
    assert_eq!(servers[0].tell(&servers[1], 2).get(), Some(&Unheard::Gone));
    advance(Duration::from_secs(10));
    come_to_rest(&mut cluster, &mut servers);
    assert!(servers[0].peers().knows(OTHER) && servers[1].peers().knows(NAME));
    assert_eq!([servers[0].heard(), servers[1].heard()], [[Told::Gone(OTHER)], [Told::Gone(NAME)]]);
}

#[test]
fn no_more_waits_than_may_wait() {
    let (_time, _chance) = (stop(), seed(1));
    let mut cluster = Cluster::new();
    let mut servers = acquainted(&mut cluster);
    let unheard: Vec<_> = (0..9).map(|number| servers[0].tell(&servers[1], number)).collect();
    let full = unheard.iter().filter(|why| why.get() == Some(&Unheard::Full)).count();
    assert!((4..9).contains(&full), "{full}");
    come_to_rest(&mut cluster, &mut servers);
    assert_eq!(servers[1].heard().len(), 9 - full);
    assert!(servers[0].peers().knows(OTHER), "what was not accepted leaves no hole");
    servers[0].tell(&servers[1], 20);
    come_to_rest(&mut cluster, &mut servers);
    assert_eq!(servers[1].heard(), [Told::Number(20)]);
}
