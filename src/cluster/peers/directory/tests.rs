//! Single messages; and whole clusters by seeds, whose Redis delays and loses messages, and whose instances come and go.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::*;
use crate::chance::simulated::Random;
use crate::clock;
use crate::cluster::peers::message::Body;
use crate::cluster::peers::message::relay::{ExchangeNumber, Relay, ToEntry};

const fn instance(number: u8) -> Instance {
    Instance([0, 0, number])
}

/// Something about clients, by its number.
fn body(number: u64) -> Message {
    Message::Body(Body::Relay(Relay::ToEntry { exchange: ExchangeNumber::new(0, number), what: ToEntry::Gone }))
}

/// A published message, and what its sender knows of it.
#[derive(Debug, Clone)]
struct Published {
    address: Address,
    message: Message,
    /// The number of what it says, if it says something.
    says: Option<u64>,
}

/// An instance: its directory, its connections, and what it has under way.
struct Node {
    own: Instance,
    directory: Directory,
    is_subscribed: bool,
    inbox: VecDeque<Published>,
    /// What its publisher has yet to send.
    queue: VecDeque<Published>,
    /// What Redis has published and its publisher does not know yet, with the receivers.
    receipts: VecDeque<(Published, u64)>,
    /// What it has begun with others, and what others have begun with it.
    begun: HashMap<Instance, Vec<u64>>,
    held: HashMap<Instance, Vec<u64>>,
    /// What it had from each, last.
    last: HashMap<Instance, u64>,
}

impl Node {
    fn new(number: u8) -> Self {
        Self {
            own: instance(number),
            directory: Directory::new([number; 8]),
            is_subscribed: false,
            inbox: VecDeque::new(),
            queue: VecDeque::new(),
            receipts: VecDeque::new(),
            begun: HashMap::new(),
            held: HashMap::new(),
            last: HashMap::new(),
        }
    }

    fn subscribe(&mut self) {
        self.is_subscribed = true;
        self.greet_all();
    }

    fn greet_all(&mut self) {
        let address = self.directory.greet_all(self.own);
        self.directory.said_to_all();
        self.queue.push_back(Published { address, message: Message::Hello, says: None });
        self.let_go();
    }

    /// Its subscriber's connection ends.
    fn go_deaf(&mut self) {
        self.is_subscribed = false;
        self.inbox.clear();
        self.directory.forget_all();
        self.let_go();
    }

    /// Ends what was under way with those who are gone.
    fn let_go(&mut self) {
        while let Some(gone) = self.directory.next_gone() {
            self.begun.remove(&gone);
            self.held.remove(&gone);
            self.last.remove(&gone);
        }
    }

    fn begin(&mut self, to: Instance, number: u64, now: Instant) {
        match self.directory.address(self.own, to) {
            Some(address) => {
                self.directory.sent(to);
                self.queue.push_back(Published { address, message: body(number), says: Some(number) });
                self.begun.entry(to).or_default().push(number);
            }
            None => {
                let greeting = self.directory.seek(self.own, to, now);
                let published = |address| Published { address, message: Message::Hello, says: None };
                self.queue.extend(greeting.map(published));
            }
        }
    }

    fn hear(&mut self) {
        let Some(Published { address, message, says }) = self.inbox.pop_front() else { return };
        let meaning = self.directory.hear(self.own, &address, &message);
        self.let_go();
        match meaning {
            Meaning::Nothing => {}
            Meaning::Clash => panic!("two of one name"),
            Meaning::Say(say) => {
                let address = self.directory.greeting(self.own, say);
                let message = if matches!(say, Say::Hello(_)) { Message::Hello } else { Message::Welcome };
                self.queue.push_back(Published { address, message, says: None });
            }
            Meaning::Content => {
                let number = says.expect("content");
                let last = self.last.insert(address.from, number);
                assert!(last.is_none_or(|last| last + 1 == number), "{number} after {last:?}");
                self.held.entry(address.from).or_default().push(number);
            }
        }
    }

    /// What became of the oldest message is known.
    fn learn(&mut self, published: &Published, fate: Fate) {
        let consequence = self.directory.sent_out(&published.address, fate);
        self.let_go();
        if consequence != Consequence::Nothing
            && let (Some(number), Some(to)) = (published.says, published.address.to)
        {
            self.begun.entry(to).or_default().retain(|begun| *begun != number);
        }
        if consequence == Consequence::GreetAll {
            self.greet_all();
        }
    }
}

struct World {
    nodes: Vec<Node>,
    random: Random,
    now: Instant,
    named: u8,
    /// Numbers of what was said from one to another.
    said: HashMap<(Instance, Instance), u64>,
    /// Whether Redis's counts are those of one node.
    miscounts: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let miscounts = random.once_in(4);
        Self { nodes: Vec::new(), random, now: clock::now(), named: 0, said: HashMap::new(), miscounts }
    }

    fn join(&mut self) {
        self.named += 1;
        let mut node = Node::new(self.named);
        node.subscribe();
        self.nodes.push(node);
    }

    fn some(&mut self) -> usize {
        self.random.below(self.nodes.len() as u64) as usize
    }

    /// Redis publishes the oldest message of an instance's publisher.
    fn publish(&mut self, place: usize) {
        let Some(published) = self.nodes[place].queue.pop_front() else { return };
        let Address { from, to, .. } = published.address;
        let mut count = 0;
        for node in self.nodes.iter_mut().filter(|node| node.is_subscribed && to.is_none_or(|to| to == node.own)) {
            node.inbox.push_back(published.clone());
            // Each instance is on a node of its own.
            count += u64::from(!self.miscounts || node.own == from);
        }
        self.nodes[place].receipts.push_back((published, count));
    }

    fn learn(&mut self, place: usize) {
        if let Some((published, count)) = self.nodes[place].receipts.pop_front() {
            self.nodes[place].learn(&published, Fate::Received(count));
        }
    }

    /// The publisher's connection breaks: what Redis has published is as uncertain as what it has not.
    fn break_publisher(&mut self, place: usize) {
        if self.random.once_in(2) {
            self.publish(place);
        }
        let node = &mut self.nodes[place];
        let (greetings, queue) = std::mem::take(&mut node.queue).into_iter().partition(|it| it.says.is_none());
        node.queue = greetings;
        let unknown = std::mem::take(&mut node.receipts).into_iter().map(|(published, _)| published);
        let queue: Vec<_> = unknown.chain(queue).collect();
        queue.iter().for_each(|published| node.learn(published, Fate::Lost));
    }

    fn step(&mut self) {
        let place = self.some();
        match self.random.below(60) {
            0 => self.nodes[place].go_deaf(),
            1 => self.break_publisher(place),
            2 if self.nodes.len() < 4 => self.join(),
            3 if self.nodes.len() > 2 => self.leave(place),
            4 => {
                let other = instance(1 + self.random.below(u64::from(self.named)) as u8);
                self.nodes[place].directory.unanswered(other);
                self.nodes[place].let_go();
            }
            5 => self.now += Duration::from_secs(1),
            6 => self.meddle(place),
            7..20 => self.begin(place),
            20..35 => self.publish(place),
            35..50 => self.nodes[place].hear(),
            50..60 if self.nodes[place].is_subscribed => self.learn(place),
            _ => self.nodes[place].subscribe(),
        }
    }

    /// Somebody with access to Redis repeats a message, or one is lost on its way. A lost greeting is noticed by exchanges
    /// without an answer.
    fn meddle(&mut self, place: usize) {
        let inbox = &mut self.nodes[place].inbox;
        let at = self.random.below(1 + inbox.len() as u64) as usize;
        if let Some(message) = inbox.get(at).filter(|message| message.says.is_some()).cloned() {
            if self.random.once_in(2) {
                inbox.remove(at);
            } else {
                inbox.push_back(message);
            }
        }
    }

    fn begin(&mut self, place: usize) {
        let from = self.nodes[place].own;
        let to = instance(1 + self.random.below(u64::from(self.named)) as u8);
        if to != from {
            let number = self.said.entry((from, to)).or_default();
            // What nobody was told does not count.
            *number += u64::from(self.nodes[place].directory.knows(to));
            let number = *number;
            self.nodes[place].begin(to, number, self.now);
        }
    }

    /// An instance ends, perhaps with a word.
    fn leave(&mut self, place: usize) {
        let node = self.nodes.remove(place);
        if self.random.once_in(2) {
            let address = node.directory.address_to_all(node.own);
            let bye = Published { address, message: Message::Bye, says: None };
            self.nodes.iter_mut().filter(|node| node.is_subscribed).for_each(|node| node.inbox.push_back(bye.clone()));
        }
    }

    /// All connections are made, and all that is on its way arrives.
    fn settle(&mut self) {
        for place in 0..self.nodes.len() {
            if !self.nodes[place].is_subscribed {
                self.nodes[place].subscribe();
            }
        }
        while let Some(place) = self.nodes.iter().position(|node| {
            [!node.queue.is_empty(), !node.inbox.is_empty(), !node.receipts.is_empty()].contains(&true)
        }) {
            self.publish(place);
            self.nodes[place].hear();
            self.learn(place);
        }
    }

    /// Everybody tells everybody something.
    fn talk(&mut self) {
        self.now += Duration::from_secs(6);
        for place in 0..self.nodes.len() {
            let from = self.nodes[place].own;
            let others: Vec<_> = self.nodes.iter().map(|node| node.own).filter(|to| *to != from).collect();
            for to in others {
                let number = self.said.entry((from, to)).or_default();
                *number += u64::from(self.nodes[place].directory.knows(to));
                let number = *number;
                self.nodes[place].begin(to, number, self.now);
            }
        }
        self.settle();
    }

    /// All know all, and both ends of each pair agree about what is under way.
    fn check(&self) {
        for one in &self.nodes {
            for other in self.nodes.iter().filter(|other| other.own != one.own) {
                assert!(one.directory.knows(other.own), "{} does not know {}", one.own, other.own);
                let begun = one.begun.get(&other.own).cloned().unwrap_or_default();
                let held = other.held.get(&one.own).cloned().unwrap_or_default();
                assert_eq!(begun, held, "from {} to {}", one.own, other.own);
            }
        }
    }
}

#[test]
fn whatever_is_lost_nothing_is_missing_in_between_and_both_ends_agree() {
    for seed in 0..3000 {
        let mut world = World::new(seed);
        world.join();
        world.join();
        (0..400).for_each(|_| world.step());
        world.settle();
        // Who does not know another greets it when it has something to tell.
        (0..3).for_each(|_| world.talk());
        world.check();
    }
}

/// What instance 1 hears of another, of this epoch.
fn of(from: u8, epoch: u32, their_epoch: u32, number: u64) -> Address {
    let to = Some(instance(1));
    Address { from: instance(from), boot: [from; 8], epoch, to, their_epoch, number }
}

/// The directory of instance 1, which has greeted all.
fn directory() -> Directory {
    let mut directory = Directory::new([1; 8]);
    directory.greet_all(instance(1));
    directory.said_to_all();
    directory
}

fn hear(directory: &mut Directory, address: Address, message: &Message) -> Meaning {
    directory.hear(instance(1), &address, message)
}

/// The same, and instance 2 knows it.
fn acquainted() -> Directory {
    let mut directory = directory();
    assert_eq!(hear(&mut directory, of(2, 1, 1, 0), &Message::Welcome), Meaning::Nothing);
    assert!(directory.knows(instance(2)));
    directory
}

#[test]
fn a_repeated_greeting_changes_nothing() {
    let mut directory = acquainted();
    for message in [Message::Hello, Message::Welcome] {
        assert_eq!(hear(&mut directory, of(2, 1, 1, 0), &message), Meaning::Nothing);
    }
    assert!(directory.knows(instance(2)) && !directory.has_gone());
    assert_eq!(hear(&mut directory, of(2, 2, 0, 0), &Message::Hello), Meaning::Say(Say::Welcome(instance(2))));
    assert_eq!(directory.next_gone(), Some(instance(2)));
}

#[test]
fn a_message_that_nobody_heard_ends_its_pair() {
    let mut directory = acquainted();
    let address = directory.address(instance(1), instance(2)).unwrap();
    directory.sent(instance(2));
    assert_eq!(directory.sent_out(&address, Fate::Received(1)), Consequence::Nothing);
    assert_eq!(directory.sent_out(&address, Fate::Received(0)), Consequence::Unheard);
    assert_eq!((directory.next_gone(), directory.knows(instance(2))), (Some(instance(2)), false));
}

#[test]
fn who_knows_this_one_without_being_known_is_greeted() {
    let mut directory = directory();
    assert_eq!(hear(&mut directory, of(2, 7, 1, 4), &body(4)), Meaning::Say(Say::Hello(instance(2))));
    assert_eq!(hear(&mut directory, of(2, 7, 1, 5), &body(5)), Meaning::Nothing, "once");
    let epoch = directory.greeting(instance(1), Say::Hello(instance(2))).epoch;
    hear(&mut directory, of(2, 7, epoch, 0), &Message::Welcome);
    assert_eq!(hear(&mut directory, of(2, 7, epoch, 1), &body(6)), Meaning::Content);
}

#[test]
fn three_exchanges_without_an_answer_in_a_row_are_too_many() {
    let mut directory = acquainted();
    directory.unanswered(instance(2));
    directory.unanswered(instance(2));
    assert_eq!(hear(&mut directory, of(2, 1, 1, 1), &body(1)), Meaning::Content);
    directory.unanswered(instance(2));
    directory.unanswered(instance(2));
    assert!(directory.knows(instance(2)));
    directory.unanswered(instance(2));
    assert!(!directory.knows(instance(2)));
}

#[test]
fn what_is_said_to_all_counts_once() {
    let mut directory = acquainted();
    let to_all = |from, number| Address { to: None, ..of(from, 1, 0, number) };
    assert_eq!(hear(&mut directory, to_all(2, 3), &body(0)), Meaning::Content);
    assert_eq!(hear(&mut directory, to_all(2, 3), &body(0)), Meaning::Nothing, "a repeat");
    assert_eq!(hear(&mut directory, to_all(2, 5), &body(0)), Meaning::Content, "a hole does not matter");
    assert_eq!(hear(&mut directory, to_all(3, 1), &body(0)), Meaning::Nothing, "a stranger");
    assert_eq!(hear(&mut directory, Address { boot: [9; 8], ..to_all(2, 9) }, &body(0)), Meaning::Nothing);
}

#[test]
fn only_so_many_are_known_and_the_silent_are_forgotten_first() {
    let mut directory = acquainted();
    for number in 0..2000_u32 {
        let [_, _, a, b] = number.to_be_bytes();
        let from = Instance([1, a, b]);
        hear(&mut directory, Address { from, ..of(3, 1, 0, 0) }, &Message::Hello);
        hear(&mut directory, of(2, 1, 1, u64::from(number) + 1), &body(0));
    }
    assert_eq!(directory.count(), MOST);
    assert!(directory.knows(instance(2)) && !directory.knows(Instance([1, 0, 0])));
}

#[test]
fn another_process_of_this_name_is_noticed() {
    let mut directory = acquainted();
    assert_eq!(hear(&mut directory, of(1, 1, 0, 0), &Message::Hello), Meaning::Nothing);
    assert_eq!(hear(&mut directory, Address { boot: [9; 8], ..of(1, 1, 0, 0) }, &Message::Hello), Meaning::Clash);
}
