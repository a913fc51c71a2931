//! A server of one shard, and an entry that says what the test says.

use std::mem::take;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use crate::app::Handlers;
use crate::cluster::peers::message::relay::{ExchangeNumber, Relay, Then, ToEntry, ToOwner};
use crate::cluster::peers::{Instance, Unheard};
use crate::config::Config;
use crate::shard::kernel::simulated;
use crate::shard::shared::carrier::Carrier;
use crate::shard::store::keys::ConnectionKey;
pub(super) use crate::shard::tests::server::{PEER, get, post, upgrade};
use crate::shard::tests::server::{Server, got};

/// What a handler may fail with.
type Outcome = Result<(), Box<dyn std::error::Error>>;

/// The instance that clients have reached.
pub(super) const ENTRY: Instance = Instance([9, 9, 9]);

/// Bytes that a client sends over its WebSocket to upgrade.
pub(super) const UPGRADE: u32 = 12 + 7;

/// What the owner has told, with the instances that it told.
#[derive(Debug, Default)]
struct Told {
    all: Mutex<Vec<(Instance, ExchangeNumber, ToEntry)>>,
    /// Why nothing is heard, if that is so.
    loses: Mutex<Option<Unheard>>,
    /// How many messages there is room for on the way, if that is bounded.
    room: Mutex<Option<usize>>,
}

impl Carrier for Told {
    fn carry(&self, to: Instance, message: Relay, lost: Box<dyn FnOnce(Unheard) + Send>) {
        let Relay::ToEntry { exchange, what } = message else { panic!("an owner is no entry: {message:?}") };
        let mut room = self.room.lock().unwrap();
        *room = room.map(|room| room.saturating_sub(1));
        match *self.loses.lock().unwrap() {
            Some(why) => lost(why),
            None => self.all.lock().unwrap().push((to, exchange, what)),
        }
    }

    fn has_room(&self) -> bool {
        *self.room.lock().unwrap() != Some(0)
    }

    fn unanswered(&self, _: Instance) {}
}

/// A server that owns sessions.
pub(super) struct Owner {
    server: Server,
    told: Arc<Told>,
    /// What the program has seen.
    seen: Arc<Mutex<Vec<String>>>,
    exchanges: u64,
}

impl Deref for Owner {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl DerefMut for Owner {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.server
    }
}

impl Owner {
    pub(super) fn new(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        change(&mut config);
        let (seen, told) = (Arc::default(), Arc::new(Told::default()));
        let server = Server::new(config, program(&seen), Some(Arc::clone(&told) as _));
        Self { server, told, seen, exchanges: 0 }
    }

    /// The entry says something, and the owner does what follows.
    pub(super) fn hear(&mut self, number: ExchangeNumber, what: ToOwner) {
        self.later(move |shard| shard.with(|core| core.relayed(ENTRY, number, what)));
        self.turn();
    }

    /// An instance is gone.
    pub(super) fn is_left_by(&mut self, instance: Instance) {
        self.later(move |shard| shard.with(|core| core.instance_has_gone(instance)));
        self.turn();
    }

    /// A request is on its way from the entry.
    pub(super) fn comes(&mut self, request: &str) -> ExchangeNumber {
        self.exchanges += 1;
        let number = ExchangeNumber::new(2, self.exchanges);
        let bytes = Bytes::copy_from_slice(request.as_bytes());
        let what = ToOwner::Request { peer: SocketAddr::from(PEER), bytes };
        self.later(move |shard| shard.with(|core| core.relayed(ENTRY, number, what)));
        number
    }

    /// The entry passes a request on, and the owner does what follows.
    pub(super) fn begin(&mut self, request: &str) -> ExchangeNumber {
        let number = self.comes(request);
        self.turn();
        number
    }

    /// From now on nothing is heard, if there is a reason.
    pub(super) fn is_not_heard(&self, why: Option<Unheard>) {
        *self.told.loses.lock().unwrap() = why;
    }

    /// There is room for so many more messages on the way, if that is bounded.
    pub(super) fn bound(&self, room: Option<usize>) {
        *self.told.room.lock().unwrap() = room;
    }

    /// What the entry was told since this was asked last.
    pub(super) fn told(&self) -> Vec<(ExchangeNumber, ToEntry)> {
        let told = take(&mut *self.told.all.lock().unwrap());
        told.into_iter().inspect(|(to, ..)| assert_eq!(*to, ENTRY)).map(|(_, number, what)| (number, what)).collect()
    }

    /// The answer to a request, told at once and alone.
    pub(super) fn answer(&mut self, request: &str) -> String {
        let number = self.begin(request);
        self.whole_answer(number)
    }

    /// The answer, which is all that was told.
    pub(super) fn whole_answer(&mut self, number: ExchangeNumber) -> String {
        let told = self.told();
        let [(of, ToEntry::Down { bytes, then: Then::Answered })] = &told[..] else { panic!("{told:?}") };
        assert_eq!(*of, number);
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    /// The bytes of a tunnel that were told, and nothing else was.
    pub(super) fn down(&mut self, number: ExchangeNumber) -> Vec<u8> {
        let each = self.told().into_iter().map(|(of, what)| match what {
            ToEntry::Down { bytes, then: Then::Tunnel } if of == number => bytes,
            what => panic!("{of:?}: {what:?}"),
        });
        each.collect::<Vec<_>>().concat()
    }

    /// A client sends a request to this server itself, and gets the answer.
    pub(super) fn local(&mut self, request: &str) -> (simulated::Socket, String) {
        let socket = self.connects(4 << 20);
        socket.comes(request.as_bytes());
        self.turn();
        let answer = got(&socket);
        (socket, answer)
    }

    /// A client opens a session at this server, by polling. Gives its target.
    pub(super) fn open(&mut self) -> String {
        let (socket, answer) = self.local(&get("/socket.io/?EIO=4&transport=polling"));
        socket.ends();
        self.turn();
        target(&answer)
    }

    /// A client of an exchange of its own opens a session and upgrades it, all through the entry. Gives the tunnel.
    pub(super) fn tunnel(&mut self) -> ExchangeNumber {
        let target = self.open();
        self.answer(&post(&target, "40"));
        self.answer(&get(&target));
        let number = self.begin(&upgrade(&target));
        let switched = self.down(number);
        assert!(switched.starts_with(b"HTTP/1.1 101 "), "{switched:?}");
        self.hear(number, ToOwner::Up(text("2probe")));
        assert_eq!(self.down(number), b"\x81\x063probe");
        self.hear(number, ToOwner::Up(text("5")));
        // The session is connected, so it stays.
        assert_eq!(self.told(), [(number, ToEntry::Taken(UPGRADE))]);
        self.hear(number, ToOwner::Taken(u32::try_from(switched.len() + 8).unwrap()));
        number
    }

    /// What the program has seen since this was asked last.
    pub(super) fn seen(&self) -> Vec<String> {
        take(&mut *self.seen.lock().unwrap())
    }

    /// Bytes that the program has queued for clients and the entry has yet to take.
    pub(super) fn queued(&self) -> usize {
        self.event_loop.shard().with(|core| core.queued())
    }

    /// The key of a connection.
    pub(super) fn some_key(&self) -> ConnectionKey {
        self.event_loop.shard().with(|core| core.connections().next().unwrap().0)
    }

    /// Connections, exchanges among them, and the exchanges.
    pub(super) fn connections(&self) -> (usize, usize) {
        self.event_loop.shard().with(|core| (core.connection_count(), core.exchange_count()))
    }
}

/// It notes who comes and goes, says what it is told to say, and notes what it is to note.
fn program(seen: &Arc<Mutex<Vec<String>>>) -> Handlers {
    let mut handlers = Handlers::default();
    let namespace = handlers.namespace_mut("/");
    let noted = Arc::clone(seen);
    namespace.on("note", move |_, event| -> Outcome {
        let (what,): (String,) = event.args()?;
        noted.lock().unwrap().push(what);
        Ok(())
    });
    namespace.on("say", |socket, event| -> Outcome {
        let (length,): (usize,) = event.args()?;
        Ok(socket.emit("said", "x".repeat(length))?)
    });
    let came = Arc::clone(seen);
    namespace.on_connect(move |socket| {
        let address = socket.client_address().map(|address| address.to_string());
        came.lock().unwrap().push(format!("came from {}", address.unwrap_or_default()));
    });
    let went = Arc::clone(seen);
    namespace.on_disconnect(move |_, reason| went.lock().unwrap().push(reason.as_str().to_owned()));
    handlers
}

/// Where a session is, from the answer that opened it.
pub(super) fn target(answer: &str) -> String {
    let (_, sid) = answer.split_once("\"sid\":\"").unwrap_or_else(|| panic!("{answer}"));
    format!("/socket.io/?EIO=4&transport=polling&sid={}", &sid[..20])
}

/// A message of a client, masked with zeros.
pub(super) fn text(text: &str) -> Bytes {
    let length = u16::try_from(text.len()).unwrap();
    let head: &[u8] = &match length {
        0..126 => vec![0x81, 0x80 | length as u8],
        _ => [&[0x81, 0xfe][..], &length.to_be_bytes()].concat(),
    };
    [head, &[0; 4], text.as_bytes()].concat().into()
}
