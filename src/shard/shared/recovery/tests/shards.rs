//! One simulated server with several shards, and clients that come back to any of them.

use super::*;

const SHARDS: usize = 3;

/// What may happen to a server.
#[derive(Debug, Clone)]
enum Step {
    /// A broadcast from a shard or from outside, to some of the rooms or to all sockets.
    Broadcast { origin: usize, rooms: Vec<usize> },
    /// An event for one client, by the shard that it is on.
    Emit { client: usize },
    /// An event for one client, by its id.
    Tell { origin: usize, client: usize },
    /// A shard reads some of its letters.
    Read { shard: usize, letters: usize },
    /// A client loses its connection, and with it the last `unread` events that it was sent.
    Lose { client: usize, unread: usize },
    /// A client comes back, to this shard.
    Return { client: usize, shard: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..=SHARDS, proptest::collection::vec(0..ROOMS.len(), 0..3))
            .prop_map(|(origin, rooms)| Step::Broadcast { origin, rooms }),
        2 => (0..ROOMS.len()).prop_map(|client| Step::Emit { client }),
        2 => (0..=SHARDS, 0..ROOMS.len()).prop_map(|(origin, client)| Step::Tell { origin, client }),
        3 => (0..SHARDS, 0..5usize).prop_map(|(shard, letters)| Step::Read { shard, letters }),
        2 => (0..ROOMS.len(), 0..4usize).prop_map(|(client, unread)| Step::Lose { client, unread }),
        3 => (0..ROOMS.len(), 0..SHARDS).prop_map(|(client, shard)| Step::Return { client, shard }),
    ];
    proptest::collection::vec(step, 0..200)
}

/// A client, the only one in its room.
#[derive(Debug)]
struct Client {
    /// The shard that it is on, unless it is lost.
    on: Option<usize>,
    /// Its socket's slot. A client that is not recovered gets a new one.
    slot: u32,
    /// The events that it received in all its lives, each with its sender.
    received: Vec<(Offset, usize)>,
    /// The events that it was sent in this life and may still lose.
    unread: Vec<(Offset, usize)>,
    /// The events that were meant for it.
    expected: Vec<(Offset, usize)>,
}

impl Client {
    fn is_meant_by(&self, room: &str, broadcast: &Broadcast) -> bool {
        let rooms = &broadcast.target.rooms;
        let own = sid(self.slot).to_string();
        rooms.is_empty() || rooms.iter().any(|name| **name == *room || **name == *own)
    }
}

struct World {
    next: Box<dyn FnMut() -> Offset>,
    logs: Vec<Mutex<Log>>,
    letters: Vec<VecDeque<(Stamp, Arc<Broadcast>)>>,
    lost: LostSockets,
    clients: Vec<Client>,
    /// The number of slots used so far.
    slots: u32,
    senders: HashMap<Offset, usize>,
}

impl World {
    /// A server with logs of `max_bytes`.
    fn new(max_bytes: usize) -> Self {
        let mut world = Self {
            next: Box::new(source()),
            logs: (0..SHARDS).map(|_| Mutex::new(Log::new(SHARDS + 1, max_bytes, KEEP))).collect(),
            letters: (0..SHARDS).map(|_| VecDeque::new()).collect(),
            lost: LostSockets::new(usize::MAX, KEEP),
            clients: Vec::new(),
            slots: 0,
            senders: HashMap::new(),
        };
        for client in 0..ROOMS.len() {
            world.clients.push(Client {
                on: None,
                slot: 0,
                received: Vec::new(),
                unread: Vec::new(),
                expected: Vec::new(),
            });
            world.begin(client, client % SHARDS);
        }
        world
    }

    /// A client begins as a new one.
    fn begin(&mut self, client: usize, on: usize) {
        // Letters under way would reach it, too.
        self.read(on, usize::MAX);
        self.slots += 1;
        let state = &mut self.clients[client];
        (state.on, state.slot) = (Some(on), self.slots);
        for events in [&mut state.received, &mut state.unread, &mut state.expected] {
            events.clear();
        }
        // A client that received nothing has no offset to come back with.
        self.emit(client);
        self.read_all(client);
    }

    fn read_all(&mut self, client: usize) {
        let client = &mut self.clients[client];
        client.received.append(&mut client.unread);
    }

    fn emit(&mut self, client: usize) {
        let Some(shard) = self.clients[client].on else { return };
        let event = ((self.next)(), shard);
        self.senders.insert(event.0, shard);
        let to = to(self.clients[client].slot);
        lock(&self.logs[shard]).emit(Millis(0), event.0, to, Frames::PING);
        self.clients[client].expected.push(event);
        self.clients[client].unread.push(event);
    }

    fn broadcast(&mut self, origin: usize, rooms: &[&str]) {
        let (broadcast, stamp) = (broadcast(rooms, &[], None), Stamp { offset: (self.next)(), origin });
        self.senders.insert(stamp.offset, origin);
        for (client, room) in self.clients.iter_mut().zip(ROOMS) {
            if client.is_meant_by(room, &broadcast) {
                client.expected.push((stamp.offset, origin));
            }
        }
        for shard in 0..SHARDS {
            self.letters[shard].push_back((stamp, Arc::clone(&broadcast)));
        }
        if origin < SHARDS {
            // The sender's own shard needs no letter.
            let (stamp, broadcast) = self.letters[origin].pop_back().unwrap();
            self.deliver(origin, stamp, broadcast);
        }
    }

    fn deliver(&mut self, shard: usize, stamp: Stamp, broadcast: Arc<Broadcast>) {
        for (client, room) in self.clients.iter_mut().zip(ROOMS) {
            if client.on == Some(shard) && client.is_meant_by(room, &broadcast) {
                client.unread.push((stamp.offset, stamp.origin));
            }
        }
        lock(&self.logs[shard]).broadcast(Millis(0), stamp, broadcast);
    }

    fn read(&mut self, shard: usize, letters: usize) {
        for _ in 0..letters {
            let Some((stamp, broadcast)) = self.letters[shard].pop_front() else { return };
            self.deliver(shard, stamp, broadcast);
        }
    }

    fn lose(&mut self, client: usize, unread: usize) {
        let pid = sid(100 + client as u32);
        let state = &mut self.clients[client];
        let Some(shard) = state.on.take() else { return };
        state.unread.truncate(state.unread.len().saturating_sub(unread));
        let slot = state.slot;
        self.read_all(client);
        self.lost.keep(Millis(0), pid, Lost { shard, ..lost(slot, &[ROOMS[client]]) });
    }

    /// A client comes back, as a new one if it must.
    fn come_back(&mut self, client: usize, here: usize) {
        if self.clients[client].on.is_none() && self.restore(client, here).is_none() {
            self.begin(client, here);
        }
    }

    fn restore(&mut self, client: usize, here: usize) -> Option<()> {
        let pid = sid(100 + client as u32);
        let lost = self.lost.take(Millis(0), pid, NAMESPACE).expect("it was lost");
        let offset = self.clients[client].received.last().expect("a welcome").0;
        let old = &self.logs[lost.shard];
        let mut restoration = Restoration::begin(lost, offset, old, None)?;
        while !restoration.is_ready(&lock(&self.logs[here])) {
            assert!(!self.letters[here].is_empty(), "it waits for something that is not on its way");
            self.read(here, 1);
        }
        restoration.go_on(&lock(&self.logs[here]))?;
        let missed = restoration.events();
        restoration.end(here, Millis(0), &mut lock(&self.logs[here]));
        let state = &mut self.clients[client];
        state.on = Some(here);
        state.unread.extend(missed.into_iter().map(|offset| (offset, self.senders[&offset])));
        Some(())
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Broadcast { origin, rooms } => {
                self.broadcast(origin, &rooms.into_iter().map(|room| ROOMS[room]).collect::<Vec<_>>());
            }
            Step::Tell { origin, client } => self.broadcast(origin, &[&sid(self.clients[client].slot).to_string()]),
            Step::Emit { client } => self.emit(client),
            Step::Read { shard, letters } => self.read(shard, letters),
            Step::Lose { client, unread } => self.lose(client, unread),
            Step::Return { client, shard } => self.come_back(client, shard),
        }
    }
}

impl Restoration {
    fn events(&self) -> Vec<Offset> {
        offsets(&self.missed)
    }
}

/// Runs the steps and brings every client back. Checks that each client received all that was meant for it since it began,
/// nothing twice, and each sender's events in order. Returns how many clients began anew.
fn check(max_bytes: usize, steps: Vec<Step>) -> Result<u32, TestCaseError> {
    let mut world = World::new(max_bytes);
    for step in steps {
        world.take(step);
    }
    for client in 0..ROOMS.len() {
        world.come_back(client, client % SHARDS);
    }
    for shard in 0..SHARDS {
        world.read(shard, usize::MAX);
    }
    for client in 0..ROOMS.len() {
        world.read_all(client);
        let Client { received, expected, .. } = &world.clients[client];
        for sender in 0..=SHARDS {
            let of_sender = |events: &[(Offset, usize)]| -> Vec<_> {
                events.iter().filter(|event| event.1 == sender).map(|event| event.0).collect()
            };
            prop_assert_eq!(of_sender(received), of_sender(expected), "client {}, sender {}", client, sender);
        }
    }
    Ok(world.slots - ROOMS.len() as u32)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Any loss, and any shard to come back to.
    #[test]
    fn every_event_arrives_once_and_in_order(steps in steps()) {
        prop_assert_eq!(check(usize::MAX, steps)?, 0, "nobody begins anew");
    }

    /// Small logs: a socket has room for a few events of its own, and all sockets together for not many more.
    #[test]
    fn a_socket_that_comes_back_has_missed_no_forgotten_event(max_bytes in 2_000..40_000usize, steps in steps()) {
        check(max_bytes, steps)?;
    }
}
