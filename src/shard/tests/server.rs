//! A server of one shard, whose clients are simulated, and whose time passes when the test says so.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::app::Handlers;
use crate::chance::simulated::{Seeded, seed};
use crate::clock::simulated::{Stopped, advance, stop};
use crate::cluster::Membership;
use crate::cluster::peers::{Instance, OwnInstance};
use crate::config::Config;
use crate::shard::event_loop::turn::{EventLoop, Shard};
use crate::shard::kernel::listener::Listener;
use crate::shard::kernel::poll::Poll;
use crate::shard::kernel::simulated;
use crate::shard::shared::carrier::Carrier;
use crate::shard::shared::mailbox::{Letter, mailbox};
use crate::shard::shared::{Budget, Shared};

/// The peer of each connection.
pub(super) const PEER: ([u8; 4], u16) = ([10, 0, 0, 7], 4711);

/// More connections than tests open, and the exchanges that a process may have.
const CONNECTIONS: usize = 20_000;

/// Bytes of memory for anything.
const MEMORY: usize = 256 << 20;

pub(super) struct Server {
    pub(super) event_loop: EventLoop,
    pub(super) shared: Arc<Shared>,
    listener: simulated::Listener,
    _time: Stopped,
    _chance: Seeded,
}

impl Server {
    /// A server with this way to other instances. What its Redis says, if it has one, is not heard.
    pub(super) fn new(config: Config, handlers: Handlers, carrier: Option<Arc<dyn Carrier>>) -> Self {
        let (time, chance) = (stop(), seed(18));
        let handlers = Arc::new(handlers);
        let poll = Poll::simulated(simulated::Poll::default());
        let (mailbox, inbox) = mailbox(poll.waker().unwrap(), 1 << 20);
        let budget = Budget {
            memory: None,
            max_connections: CONNECTIONS,
            queued_per_client: config.limits.queued_per_client.unwrap_or(16 << 20),
            queued: MEMORY,
            kept: MEMORY,
            unfinished: MEMORY,
        };
        let own = Arc::new(OwnInstance::new(Instance([1, 2, 3])));
        let cluster = Membership::start(&config, &own, [], |_| (), |_| ()).unwrap();
        let mut shared = Shared::new(config, own, Arc::clone(&handlers) as _, cluster, vec![mailbox], budget);
        shared.carrier = carrier;
        let (shared, listener) = (Arc::new(shared), simulated::Listener::with_backlog(CONNECTIONS));
        let listens = Listener::Simulated(listener.clone());
        let event_loop = EventLoop::new(Arc::clone(&shared), handlers, 0, poll, inbox, listens, None).unwrap();
        Self { event_loop, shared, listener, _time: time, _chance: chance }
    }

    /// Turns until nothing is left to do now.
    pub(super) fn turn(&mut self) {
        while self.event_loop.sleeps() == Some(Duration::ZERO) && !self.event_loop.is_over() {
            self.event_loop.turn_once();
        }
    }

    /// Time passes.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = crate::clock::now() + time;
        loop {
            self.turn();
            let left = end - crate::clock::now();
            if left.is_zero() || self.event_loop.is_over() {
                return;
            }
            advance(self.event_loop.sleeps().unwrap_or(left).min(left));
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.event_loop.is_over()
    }

    /// Something is to be done in the next turn.
    pub(super) fn later(&self, act: impl FnOnce(&Rc<Shard>) + Send + 'static) {
        self.shared.mailboxes[0].hand_over(Letter::run(0, act));
    }

    /// A client that has yet to be taken in, whose socket takes so many bytes.
    pub(super) fn connects(&self, room: usize) -> simulated::Socket {
        let socket = simulated::Socket::with_room(room);
        assert!(self.listener.connect(socket.clone(), SocketAddr::from(PEER)));
        socket
    }
}

/// What a client has got since this was asked last.
pub(super) fn got(client: &simulated::Socket) -> String {
    String::from_utf8_lossy(&client.take_sent(usize::MAX)).into_owned()
}

pub(super) fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
}

pub(super) fn post(target: &str, body: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A request for a WebSocket of the session of a target for polling.
pub(super) fn upgrade(target: &str) -> String {
    let target = target.replace("polling", "websocket");
    format!(
        "GET {target} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nConnection: Upgrade\r\n\r\n"
    )
}
