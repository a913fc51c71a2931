//! A server of one shard, and an owner that says what the test says.

use std::mem::take;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::app::Handlers;
use crate::cluster::peers::message::relay::{ExchangeNumber, Relay, Then, ToEntry, ToOwner};
use crate::cluster::peers::{Instance, Unheard};
use crate::config::Config;
use crate::engineio::Sid;
use crate::metrics::RelayFailure;
use crate::shard::kernel::simulated;
use crate::shard::shared::carrier::Carrier;
use crate::shard::tests::server::{self, PEER, Server};

/// The instance that has the sessions, and the shard there.
pub(super) const OWNER: Instance = Instance([9, 9, 9]);
pub(super) const SHARD: u8 = 3;

/// What the owner was told.
#[derive(Debug, Default)]
struct Way {
    told: Mutex<Vec<(ExchangeNumber, ToOwner)>>,
    /// Why nothing arrives, if nothing does.
    refusal: Mutex<Option<Unheard>>,
    unanswered: Mutex<usize>,
    /// How often the owner was told what means nothing.
    asked: Mutex<usize>,
    is_full: AtomicBool,
}

impl Carrier for Way {
    fn carry(&self, to: Instance, message: Relay, lost: Box<dyn FnOnce(Unheard) + Send>) {
        let Relay::ToOwner { shard, exchange, what } = message else { panic!("an entry is no owner: {message:?}") };
        match *self.refusal.lock().unwrap() {
            _ if (to, shard) != (OWNER, SHARD) => lost(Unheard::Gone),
            Some(why) => lost(why),
            None if what == ToOwner::Taken(0) => *self.asked.lock().unwrap() += 1,
            None => self.told.lock().unwrap().push((exchange, what)),
        }
    }

    fn has_room(&self) -> bool {
        !self.is_full.load(Ordering::Relaxed)
    }

    fn unanswered(&self, instance: Instance) {
        assert_eq!(instance, OWNER);
        *self.unanswered.lock().unwrap() += 1;
    }
}

/// A server that clients reach.
pub(super) struct Entry {
    server: Server,
    way: Arc<Way>,
}

impl Deref for Entry {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl DerefMut for Entry {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.server
    }
}

impl Entry {
    pub(super) fn new(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        change(&mut config);
        let way = Arc::new(Way::default());
        let carrier = config.relay_requests.then(|| Arc::clone(&way) as _);
        Self { server: Server::new(config, Handlers::default(), carrier), way }
    }

    /// A client, whose socket takes so many bytes.
    pub(super) fn client_with_room(&mut self, bytes: usize) -> simulated::Socket {
        let socket = self.connects(bytes);
        self.turn();
        socket
    }

    pub(super) fn client(&mut self) -> simulated::Socket {
        self.client_with_room(4 << 20)
    }

    /// A client sends something.
    pub(super) fn send(&mut self, client: &simulated::Socket, bytes: impl AsRef<[u8]>) {
        client.comes(bytes.as_ref());
        self.turn();
    }

    /// What a client has got since this was asked last.
    pub(super) fn got(&mut self, client: &simulated::Socket) -> String {
        server::got(client)
    }

    /// What the owner was told since this was asked last.
    pub(super) fn told(&self) -> Vec<(ExchangeNumber, ToOwner)> {
        take(&mut *self.way.told.lock().unwrap())
    }

    /// How often the owner was told something only to see whether it hears, since this was asked last.
    pub(super) fn asked(&self) -> usize {
        take(&mut *self.way.asked.lock().unwrap())
    }

    /// The request that the owner was told, which is all that it was told.
    pub(super) fn request(&self) -> (ExchangeNumber, String) {
        match &self.told()[..] {
            [(number, ToOwner::Request { peer, bytes })] => {
                assert_eq!(*peer, SocketAddr::from(PEER));
                (*number, String::from_utf8(bytes.to_vec()).unwrap())
            }
            told => panic!("{told:?}"),
        }
    }

    /// A client sends a request, which is passed on.
    pub(super) fn pass_on(&mut self, client: &simulated::Socket, request: &str) -> ExchangeNumber {
        self.send(client, request);
        self.request().0
    }

    /// An instance tells something.
    pub(super) fn hear_from(&mut self, from: Instance, number: ExchangeNumber, what: ToEntry) {
        self.later(move |shard| shard.told_by_owner(from, number, what));
        self.turn();
    }

    /// The owner tells something.
    pub(super) fn hear(&mut self, number: ExchangeNumber, what: ToEntry) {
        self.hear_from(OWNER, number, what);
    }

    /// The owner sends bytes for the client.
    pub(super) fn down(&mut self, number: ExchangeNumber, bytes: impl Into<Vec<u8>>, then: Then) {
        self.hear(number, ToEntry::Down { bytes: bytes.into().into(), then });
    }

    /// A client's WebSocket, passed on.
    pub(super) fn tunnel(&mut self, client: &simulated::Socket) -> ExchangeNumber {
        let number = self.pass_on(client, &upgrade());
        self.down(number, SWITCHED, Then::Tunnel);
        assert_eq!(self.got(client).as_bytes(), SWITCHED);
        number
    }

    /// All that was under way with the owner is over.
    pub(super) fn lose_owner(&mut self) {
        self.later(|shard| shard.owner_gone(OWNER));
        self.turn();
    }

    /// From now on nothing that is sent arrives, if there is a reason.
    pub(super) fn refuse(&self, why: Option<Unheard>) {
        *self.way.refusal.lock().unwrap() = why;
    }

    /// From now on there is no room on the way, or there is.
    pub(super) fn fill(&self, is_full: bool) {
        self.way.is_full.store(is_full, Ordering::Relaxed);
    }

    /// How many errands failed for this reason.
    pub(super) fn failures(&self, reason: RelayFailure) -> u64 {
        self.shared.metrics[0].relay_failures[reason as usize].get()
    }

    /// How often the owner did not answer in time.
    pub(super) fn unanswered(&self) -> usize {
        *self.way.unanswered.lock().unwrap()
    }

    /// How many WebSockets are passed on, and whether anything is.
    pub(super) fn tunnels(&self) -> (u64, bool) {
        (self.shared.metrics[0].tunnels.get(), self.event_loop.shard().with(|core| core.has_errands()))
    }
}

/// The answer of an owner to an upgrade.
pub(super) const SWITCHED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";

/// The answer of an owner to a POST.
pub(super) const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// The sid of a session of an instance.
pub(super) fn sid(Instance(instance): Instance) -> String {
    Sid { instance, shard: SHARD, slot: 5, random: 7 }.to_text().to_string()
}

pub(super) fn target() -> String {
    format!("/socket.io/?EIO=4&transport=polling&sid={}", sid(OWNER))
}

pub(super) fn get() -> String {
    server::get(&target())
}

pub(super) fn post(body: &str) -> String {
    server::post(&target(), body)
}

pub(super) fn upgrade() -> String {
    server::upgrade(&target())
}
