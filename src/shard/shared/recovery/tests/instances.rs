//! Several simulated servers on one Redis, and clients that come back to any of them.

use std::time::Duration;

use super::*;
use crate::shard::shared::recovery::{ELSEWHERE, Mark, hand_over};

const NODES: usize = 3;
const EMITTERS: usize = 2;
const CLIENTS: usize = 3;

/// Longest time after which a message has come to every server.
const SLOWEST: u64 = 900;

/// What may happen.
#[derive(Debug, Clone)]
enum Step {
    /// Time passes.
    Pass { millis: u64 },
    /// A server publishes an event, to all or to one client's room, by its event loop or another thread.
    Publish { node: usize, lane: u8, room: Option<usize> },
    /// An emitter publishes one, which has one of so many texts.
    Emit { emitter: usize, text: u64, room: Option<usize> },
    /// A server sends an event to one of its clients.
    Send { client: usize },
    /// A server reads some of what others have published.
    Read { node: usize, publisher: usize, messages: usize },
    /// A server answers the questions that it has read.
    Answer { node: usize },
    /// A client loses its connection, and with it the last `unread` events that it was sent.
    Lose { client: usize, unread: usize },
    /// A client comes back to a server.
    Return { client: usize, node: usize },
    /// A server's connection to Redis breaks, and it misses what was published meanwhile.
    Miss { node: usize },
    /// A server is killed and another one begins.
    Die { node: usize },
}

fn room() -> impl Strategy<Value = Option<usize>> {
    prop_oneof![Just(None), (0..CLIENTS).prop_map(Some)]
}

fn steps(has_trouble: bool) -> impl Strategy<Value = Vec<Step>> {
    let trouble = u32::from(has_trouble);
    let step = prop_oneof![
        2 => (0..300u64).prop_map(|millis| Step::Pass { millis }),
        4 => (0..NODES, prop_oneof![Just(0u8), Just(255)], room())
            .prop_map(|(node, lane, room)| Step::Publish { node, lane, room }),
        4 => (0..EMITTERS, 0..2u64, room()).prop_map(|(emitter, text, room)| Step::Emit { emitter, text, room }),
        1 => (0..CLIENTS).prop_map(|client| Step::Send { client }),
        6 => (0..NODES, 0..NODES + EMITTERS, 0..5usize)
            .prop_map(|(node, publisher, messages)| Step::Read { node, publisher, messages }),
        3 => (0..NODES).prop_map(|node| Step::Answer { node }),
        3 => (0..CLIENTS, 0..4usize).prop_map(|(client, unread)| Step::Lose { client, unread }),
        4 => (0..CLIENTS, 0..NODES).prop_map(|(client, node)| Step::Return { client, node }),
        trouble => (0..NODES).prop_map(|node| Step::Miss { node }),
        trouble => (0..NODES).prop_map(|node| Step::Die { node }),
    ];
    proptest::collection::vec(step, 0..200)
}

/// An event, known in the test by its publisher and its place among that one's events.
#[derive(Debug, Clone)]
struct Event {
    publisher: usize,
    broadcast: Arc<Broadcast>,
}

/// What is published.
#[derive(Debug, Clone)]
enum Message {
    Event(Event),
    /// A server asks for a client.
    Recover {
        question: usize,
    },
    Recovered {
        question: usize,
        found: Arc<Found>,
    },
}

#[derive(Debug)]
struct Found {
    rooms: Box<[Box<str>]>,
    missed: Vec<(Offset, Frames)>,
    progress: Progress,
}

struct Published {
    from: Option<usize>,
    at: u64,
    message: Message,
}

/// A server.
struct Node {
    /// Its number among all servers that ever were.
    id: usize,
    log: Mutex<Log>,
    offsets: OffsetSource,
    /// The last number of each lane.
    numbers: HashMap<u8, u64>,
    /// How much of each stream it has read.
    read: Vec<usize>,
    /// Since when it has heard everything, by which connection.
    since: u64,
    connection: u64,
    lost: HashMap<usize, Lost>,
    /// Questions that it has read and has yet to answer, and the connection by which they came.
    asked: Vec<(usize, Mark, Duration, u64)>,
}

/// Where a client is.
#[derive(Debug)]
enum Place {
    On(usize),
    /// It is lost, or on its way back.
    Away,
}

struct Client {
    number: usize,
    place: Place,
    slot: u32,
    received: Vec<(Offset, Frames)>,
    unread: Vec<(Offset, Frames)>,
    /// For each publisher, how many of its events are not for it, because they were delivered before it began.
    begun: Vec<usize>,
    /// Events that its server has missed while it was connected.
    excused: Vec<(usize, usize)>,
    /// The same while it was lost: they are excused if it comes back to the server that lost it.
    doubtful: Vec<(usize, usize)>,
    /// Texts of events that it was sent alone.
    sent: Vec<Frames>,
    question: Option<usize>,
    lives: usize,
}

/// A question of a server.
struct Question {
    client: usize,
    node: usize,
    connection: u64,
    offset: Offset,
    sent: Mark,
    echo: Option<Mark>,
    heard: u64,
    found: Option<Arc<Found>>,
    restoration: Option<Restoration>,
}

struct World {
    now: u64,
    /// Whether Redis brings everything to everybody in one order.
    is_ordered: bool,
    /// What each publisher has published, or all together if there is one order.
    streams: Vec<Vec<Published>>,
    /// The events of each publisher: the servers' first, then those of the emitters, then those of later servers.
    events: Vec<Vec<Event>>,
    nodes: Vec<Node>,
    ids: usize,
    clients: Vec<Client>,
    slots: u32,
    questions: Vec<Question>,
    texts: u64,
}

impl World {
    fn new(is_ordered: bool) -> Self {
        let mut world = Self {
            now: 100_000,
            is_ordered,
            streams: Vec::new(),
            events: vec![Vec::new(); NODES + EMITTERS],
            nodes: Vec::new(),
            ids: 0,
            clients: Vec::new(),
            slots: 0,
            questions: Vec::new(),
            texts: 1000,
        };
        for id in 0..NODES {
            world.nodes.push(Node::new(id, 0, Vec::new()));
        }
        world.ids = NODES + EMITTERS;
        for client in 0..CLIENTS {
            world.clients.push(Client {
                number: client,
                place: Place::Away,
                slot: 0,
                received: Vec::new(),
                unread: Vec::new(),
                begun: Vec::new(),
                excused: Vec::new(),
                doubtful: Vec::new(),
                sent: Vec::new(),
                question: None,
                lives: 0,
            });
            world.begin(client, client % NODES);
        }
        world
    }

    fn millis(&self) -> Millis {
        Millis(self.now)
    }

    fn stream(&mut self, publisher: usize) -> &mut Vec<Published> {
        let stream = if self.is_ordered { 0 } else { publisher };
        while self.streams.len() <= stream {
            self.streams.push(Vec::new());
        }
        &mut self.streams[stream]
    }

    fn put(&mut self, publisher: usize, message: Message) {
        let (from, at) = (Some(publisher), self.now);
        self.stream(publisher).push(Published { from, at, message });
    }

    /// A client begins as a new one.
    fn begin(&mut self, client: usize, node: usize) {
        self.slots += 1;
        let begun = self.nodes[node].delivered(&self.events, &self.streams);
        let state = &mut self.clients[client];
        (state.place, state.slot, state.begun, state.question) = (Place::On(node), self.slots, begun, None);
        state.lives += 1;
        for events in [&mut state.received, &mut state.unread] {
            events.clear();
        }
        state.excused.clear();
        state.doubtful.clear();
        state.sent.clear();
        // A client that received nothing has no offset to come back with.
        self.send(client);
        self.read_all(client);
    }

    fn read_all(&mut self, client: usize) {
        let client = &mut self.clients[client];
        client.received.append(&mut client.unread);
    }

    fn text(&mut self) -> u64 {
        self.texts += 1;
        self.texts
    }

    fn send(&mut self, client: usize) {
        let Place::On(node) = self.clients[client].place else { return };
        let frames = frames_of("sent", self.text());
        let now = self.millis();
        let offset = self.nodes[node].offsets.next(self.now);
        let to = to(self.clients[client].slot);
        lock(&self.nodes[node].log).emit(now, offset, to, frames.clone());
        self.clients[client].sent.push(frames.clone());
        self.clients[client].unread.push((offset, frames));
    }

    fn publish(&mut self, node: usize, lane: u8, room: Option<usize>) {
        let (id, text) = (self.nodes[node].id, self.text());
        let number = self.nodes[node].numbers.entry(lane).or_default();
        *number += 1;
        let source = Source::Numbered(Serial { boot: id as u64, lane, number: *number });
        let event = event(id, text, source, room);
        self.events[id].push(event.clone());
        self.put(id, Message::Event(event.clone()));
        self.deliver(node, &event, usize::from(lane > 0));
    }

    fn emit(&mut self, emitter: usize, text: u64, room: Option<usize>) {
        let publisher = NODES + emitter;
        // Only one order tells copies of a text apart.
        let text = if self.is_ordered { text } else { self.text() };
        let digest = text * 10 + room.map_or(9, |room| room as u64);
        let event = event(publisher, digest, Source::Unnumbered(digest), room);
        self.events[publisher].push(event.clone());
        self.put(publisher, Message::Event(event));
    }

    fn deliver(&mut self, node: usize, event: &Event, origin: usize) {
        let now = self.millis();
        let stamp = Stamp { offset: self.nodes[node].offsets.next(self.now), origin };
        for client in &mut self.clients {
            if matches!(client.place, Place::On(on) if on == node) && client.is_meant_by(event) {
                client.unread.push((stamp.offset, event.broadcast.frames.clone()));
            }
        }
        lock(&self.nodes[node].log).broadcast(now, stamp, Arc::clone(&event.broadcast));
        self.go_on(node, Some(&event.broadcast));
    }

    /// Reads what others have published; what is old in any case.
    fn read(&mut self, node: usize, stream: usize, mut messages: usize, old: u64) {
        loop {
            let place = self.nodes[node].place(stream);
            let Some(next) = self.streams.get(stream).and_then(|stream| stream.get(place)) else { return };
            if messages == 0 && next.at > old {
                return;
            }
            messages = messages.saturating_sub(1);
            let (from, message) = (next.from, next.message.clone());
            self.nodes[node].read[stream] = place + 1;
            self.hear(node, from == Some(self.nodes[node].id), message);
        }
    }

    fn hear(&mut self, node: usize, is_own: bool, message: Message) {
        let mark = lock(&self.nodes[node].log).mark(self.millis());
        match message {
            Message::Event(event) if !is_own => self.deliver(node, &event, 1),
            Message::Event(_) => {}
            Message::Recover { question } if is_own => {
                self.questions[question].echo = Some(mark);
                self.found(node, question);
            }
            Message::Recover { question } => {
                let heard = Duration::from_millis(self.now - self.nodes[node].since);
                let connection = self.nodes[node].connection;
                self.nodes[node].asked.push((question, mark, heard, connection));
            }
            // It is for the server that has asked.
            Message::Recovered { question, found } if self.questions[question].node == self.nodes[node].id => {
                self.questions[question].found = Some(found);
                self.found(node, question);
            }
            Message::Recovered { .. } => {}
        }
    }

    fn lose(&mut self, client: usize, unread: usize) {
        let (at, state) = (self.millis(), &mut self.clients[client]);
        let Place::On(node) = state.place else { return };
        state.place = Place::Away;
        state.unread.truncate(state.unread.len().saturating_sub(unread));
        let slot = state.slot;
        self.read_all(client);
        self.nodes[node].lost.insert(client, lost_at(at, slot, &[ROOMS[client]]));
    }

    fn come_back(&mut self, client: usize, node: usize) {
        if matches!(self.clients[client].place, Place::On(_)) || self.clients[client].question.is_some() {
            return;
        }
        let offset = self.clients[client].received.last().expect("a welcome").0;
        if let Some(lost) = self.nodes[node].lost.remove(&client) {
            let restoration = Restoration::begin(lost, offset, &self.nodes[node].log, None);
            let state = &mut self.clients[client];
            state.excused.append(&mut state.doubtful);
            return match restoration {
                Some(restoration) => self.restore(client, node, restoration),
                None => self.begin(client, node),
            };
        }
        let now = self.millis();
        let asking = &self.nodes[node];
        let (sent, heard) = (lock(&asking.log).mark(now), self.now - asking.since);
        let (connection, id, question) = (asking.connection, asking.id, self.questions.len());
        let (echo, found, restoration) = (None, None, None);
        let asked = Question { client, node: id, connection, offset, sent, echo, heard, found, restoration };
        self.questions.push(asked);
        self.clients[client].question = Some(question);
        self.put(id, Message::Recover { question });
    }

    /// A server answers the questions that it has read.
    fn answer(&mut self, node: usize) {
        for (question, mark, heard, connection) in std::mem::take(&mut self.nodes[node].asked) {
            let (holder, asked) = (&mut self.nodes[node], &self.questions[question]);
            if connection != holder.connection {
                continue;
            }
            let Some(lost) = holder.lost.remove(&asked.client) else { continue };
            let whole = (holder.connection > 0).then_some(heard);
            let heard = heard.min(Duration::from_millis(asked.heard));
            let found = hand_over(&lost, asked.offset, &holder.log, mark, heard, whole);
            let Some((missed, progress)) = found else {
                holder.lost.insert(asked.client, lost);
                continue;
            };
            let (rooms, id) = (lost.rooms, holder.id);
            self.put(id, Message::Recovered { question, found: Arc::new(Found { rooms, missed, progress }) });
        }
    }

    /// Whether a question has its answer, and has come back itself.
    fn found(&mut self, node: usize, question: usize) {
        let slot = self.clients[self.questions[question].client].slot;
        let asked = &mut self.questions[question];
        if asked.node != self.nodes[node].id {
            return;
        }
        let Some((echo, found)) = asked.echo.zip(asked.found.clone()) else { return };
        let lost = Lost { rooms: found.rooms.clone(), shard: ELSEWHERE, ..lost(slot, &[]) };
        let sought = Sought { sent: asked.sent, echo };
        let (missed, progress) = (found.missed.clone(), found.progress.clone());
        asked.restoration = Some(Restoration::from_elsewhere(lost, asked.offset, missed, progress, sought));
        self.go_on(node, None);
    }

    /// Lets clients in whose server has caught up, by this broadcast if there is one.
    fn go_on(&mut self, node: usize, by: Option<&Broadcast>) {
        for question in 0..self.questions.len() {
            let asked = &mut self.questions[question];
            if asked.node != self.nodes[node].id || self.clients[asked.client].question != Some(question) {
                continue;
            }
            let log = lock(&self.nodes[node].log);
            let may_be_ready = |restoration: &Restoration| by.is_none_or(|by| restoration.may_wait_for(by));
            let is_ready = |restoration: &mut Restoration| may_be_ready(restoration) && restoration.is_ready(&log);
            let Some(mut restoration) = asked.restoration.take_if(is_ready) else { continue };
            let is_whole = asked.connection == self.nodes[node].connection;
            let has_all = restoration.go_on(&log).is_some() && is_whole;
            drop(log);
            let client = asked.client;
            if has_all { self.restore(client, node, restoration) } else { self.begin(client, node) }
        }
    }

    fn restore(&mut self, client: usize, node: usize, mut restoration: Restoration) {
        let now = self.millis();
        {
            let log = lock(&self.nodes[node].log);
            restoration.go_on(&log).expect("its own log is whole");
        }
        let missed = restoration.missed.events.clone();
        // All servers have one shard.
        restoration.end(0, now, &mut lock(&self.nodes[node].log));
        let state = &mut self.clients[client];
        (state.place, state.question) = (Place::On(node), None);
        state.unread.extend(missed);
    }

    /// A server's connection breaks, and comes back when everything was published.
    fn miss(&mut self, node: usize) {
        let mut missed = Vec::new();
        for (stream, published) in self.streams.iter().enumerate() {
            let place = self.nodes[node].place(stream);
            let id = self.nodes[node].id;
            missed.extend(published[place..].iter().filter(|published| published.from != Some(id)).filter_map(
                |published| match &published.message {
                    Message::Event(event) => Some(event.clone()),
                    _ => None,
                },
            ));
            self.nodes[node].read[stream] = published.len();
        }
        let place = |event: &Event| {
            let is_it = |other: &Event| Arc::ptr_eq(&other.broadcast, &event.broadcast);
            (event.publisher, self.events[event.publisher].iter().position(is_it).expect("it was published"))
        };
        let missed: Vec<_> = missed.iter().map(place).collect();
        for (number, client) in self.clients.iter_mut().enumerate() {
            match client.place {
                Place::On(on) if on == node => client.excused.extend(&missed),
                Place::Away if self.nodes[node].lost.contains_key(&number) => client.doubtful.extend(&missed),
                _ => {}
            }
        }
        self.nodes[node].connection += 1;
        self.nodes[node].since = self.now;
    }

    fn die(&mut self, node: usize) {
        let read = self.streams.iter().map(Vec::len).collect();
        self.nodes[node] = Node::new(self.ids, self.now, read);
        self.ids += 1;
        self.events.push(Vec::new());
        for client in 0..CLIENTS {
            let state = &mut self.clients[client];
            if matches!(state.place, Place::On(on) if on == node) {
                state.unread.clear();
                state.place = Place::Away;
            }
            let is_asked = |question: usize| self.nodes.iter().any(|node| node.id == self.questions[question].node);
            if state.question.is_some_and(|question| !is_asked(question)) {
                state.question = None;
            }
        }
    }

    fn pass(&mut self, millis: u64) {
        self.now += millis;
        for node in 0..NODES {
            for stream in 0..self.streams.len() {
                self.read(node, stream, 0, self.now.saturating_sub(SLOWEST));
            }
            self.answer(node);
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Pass { millis } => self.pass(millis),
            Step::Publish { node, lane, room } => self.publish(node, lane, room),
            Step::Emit { emitter, text, room } => self.emit(emitter, text, room),
            Step::Send { client } => self.send(client),
            Step::Read { node, publisher, messages } => {
                let stream = if self.is_ordered { 0 } else { publisher };
                self.read(node, stream, messages, 0);
            }
            Step::Answer { node } => self.answer(node),
            Step::Lose { client, unread } => self.lose(client, unread),
            Step::Return { client, node } => self.come_back(client, node),
            Step::Miss { node } => self.miss(node),
            Step::Die { node } => self.die(node),
        }
    }

    /// Everything comes, and every client is back in the end.
    fn settle(&mut self) {
        for round in 0..4 {
            (0..CLIENTS).for_each(|client| self.come_back(client, (client + round) % NODES));
            (0..4).for_each(|_| self.pass(SLOWEST + 1));
            for client in 0..CLIENTS {
                let state = &mut self.clients[client];
                // Nobody has answered in time.
                if state.question.take().is_some() {
                    self.begin(client, client % NODES);
                }
            }
        }
        (0..CLIENTS).for_each(|client| self.read_all(client));
    }

    /// Each client has received what each publisher has published for it since it began, nothing twice, in order.
    fn check(&self) -> Result<(), TestCaseError> {
        for (number, client) in self.clients.iter().enumerate() {
            let of = |publisher: &str| -> Vec<_> {
                let is_of = |frames: &&Frames| frames.bytes()[3..].starts_with(publisher.as_bytes());
                client.received.iter().map(|(_, frames)| frames).filter(is_of).cloned().collect()
            };
            prop_assert_eq!(of("sent"), client.sent.clone(), "client {}, sent to it alone", number);
            for (publisher, events) in self.events.iter().enumerate() {
                let received = of(&format!("from {publisher} "));
                let begun = client.begun.get(publisher).copied().unwrap_or(0);
                // How many of them may have been these events. Copies of a text may be excused or not.
                let mut counts = vec![0];
                for (place, event) in events.iter().enumerate().skip(begun) {
                    if !client.is_meant_by(event) {
                        continue;
                    }
                    let is_excused = client.excused.contains(&(publisher, place));
                    let frames = &event.broadcast.frames;
                    let mut further: Vec<usize> = counts.iter().filter(|_| is_excused).copied().collect();
                    let one_more = counts.iter().filter(|count| received.get(**count) == Some(frames));
                    further.extend(one_more.map(|count| count + 1));
                    further.dedup();
                    counts = further;
                }
                let has_all = counts.contains(&received.len());
                prop_assert!(has_all, "client {number}, publisher {publisher}: {received:?} of {events:?}");
            }
        }
        Ok(())
    }
}

impl Node {
    fn new(id: usize, since: u64, read: Vec<usize>) -> Self {
        Self {
            id,
            log: Mutex::new(Log::new(2, usize::MAX, Duration::from_secs(1000))),
            offsets: OffsetSource::tagged(id as u16),
            numbers: HashMap::new(),
            read,
            since,
            connection: 0,
            lost: HashMap::new(),
            asked: Vec::new(),
        }
    }

    /// How much of a stream it has read.
    fn place(&mut self, stream: usize) -> usize {
        if self.read.len() <= stream {
            self.read.resize(stream + 1, 0);
        }
        self.read[stream]
    }

    /// For each publisher, how many of its events this server has delivered, or will not.
    fn delivered(&mut self, events: &[Vec<Event>], streams: &[Vec<Published>]) -> Vec<usize> {
        let mut delivered = vec![0; events.len()];
        for (stream, published) in streams.iter().enumerate() {
            let place = self.place(stream);
            for published in &published[..place] {
                if let Message::Event(event) = &published.message {
                    delivered[event.publisher] += 1;
                }
            }
        }
        delivered[self.id] = events[self.id].len();
        delivered
    }
}

impl Client {
    fn is_meant_by(&self, event: &Event) -> bool {
        let rooms = &event.broadcast.target.rooms;
        rooms.is_empty() || rooms.iter().any(|room| **room == *ROOMS[self.number])
    }
}

fn frames_of(publisher: &str, text: u64) -> Frames {
    Frames::text(format!("4{publisher} {text}").as_bytes())
}

fn event(publisher: usize, text: u64, source: Source, room: Option<usize>) -> Event {
    let rooms: Vec<&str> = room.iter().map(|room| ROOMS[*room]).collect();
    let like = broadcast(&rooms, &[], None);
    let frames = frames_of(&format!("from {publisher}"), text);
    let broadcast = Arc::new(Broadcast { frames, source, ..Broadcast::clone(&like) });
    Event { publisher, broadcast }
}

/// Runs the steps. Returns how many clients began anew.
fn check(is_ordered: bool, steps: Vec<Step>) -> Result<usize, TestCaseError> {
    let mut world = World::new(is_ordered);
    for step in steps {
        world.take(step);
    }
    world.settle();
    world.check()?;
    Ok(world.clients.iter().map(|client| client.lives - 1).sum())
}

/// Servers are replaced one after the other, and the new ones have never heard a lane that fell silent before.
#[test]
fn a_client_goes_on_to_servers_that_never_heard_a_silent_lane() {
    let mut world = World::new(true);
    world.publish(2, 0, None);
    world.pass(SLOWEST + 1);
    world.read_all(0);
    (1..NODES).for_each(|node| world.die(node));
    world.pass(20_000);
    for node in 1..NODES {
        world.lose(0, 0);
        world.come_back(0, node);
        (0..4).for_each(|_| world.pass(SLOWEST + 1));
        assert!(matches!(world.clients[0].place, Place::On(on) if on == node), "{:?}", world.clients[0].place);
    }
    assert_eq!(world.clients[0].lives, 1);
    world.settle();
    world.check().expect("it has all");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// One Redis: events without numbers may have the same texts.
    #[test]
    fn a_client_comes_back_to_any_server(steps in steps(false)) {
        prop_assert_eq!(check(true, steps)?, 0, "nobody begins anew");
    }

    /// A cluster of Redis: what different servers publish comes in any order.
    #[test]
    fn it_does_so_without_an_order_of_everything(steps in steps(false)) {
        prop_assert_eq!(check(false, steps)?, 0, "nobody begins anew");
    }

    /// Servers are killed, begin, and miss what was published.
    #[test]
    fn a_client_that_is_recovered_has_all(steps in steps(true)) {
        check(true, steps)?;
    }
}
