//! A client's socket in one namespace: its way in, and what it says and hears there.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

use super::excuses::Excuses;
use super::message::{self, Message};
use super::speech::{self, Bulk, Kind};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Phase {
    /// It is not in the namespace.
    Out,
    /// The CONNECT was sent.
    Joining,
    Joined,
}

/// Where it stands with its room. Each change begins a new stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stay {
    Outside,
    Inside,
    /// It has asked to change.
    Changing,
}

/// What it awaits the server's acknowledgement for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    /// Its words.
    Words(u64),
    Joined,
    Left,
}

/// The last that was heard of somebody.
#[derive(Debug, Clone, Copy)]
struct Last {
    number: u64,
    /// In which stay.
    stay: u32,
}

/// A socket.
#[derive(Debug)]
pub(in super::super) struct Socket {
    pub(in super::super) namespace: String,
    /// Whether it may miss some of what others say.
    may_miss: bool,
    pub(in super::super) phase: Phase,
    /// Nobody else's, and another each time it joins.
    pub(in super::super) tag: u64,
    stay: (u32, Stay),
    awaited: VecDeque<(u64, Awaited)>,
    ids: u64,
    /// How many it has said of each kind.
    said: BTreeMap<Kind, u64>,
    heard: BTreeMap<(Kind, u64), Last>,
    /// Besides those of its session.
    pub(super) excuses: Excuses,
}

impl Socket {
    pub(super) fn new(namespace: &str, may_miss: bool) -> Self {
        Self {
            namespace: namespace.to_owned(),
            may_miss,
            phase: Phase::Out,
            tag: 0,
            stay: (0, Stay::Outside),
            awaited: VecDeque::new(),
            ids: 0,
            said: BTreeMap::new(),
            heard: BTreeMap::new(),
            excuses: Excuses::default(),
        }
    }

    /// Asks to join, under a new tag.
    pub(super) fn join(&mut self, tag: u64) -> Message {
        *self = Self { phase: Phase::Joining, tag, ..Self::new(&self.namespace, self.may_miss) };
        Message::new(message::Kind::Connect, &self.namespace, format!("{{\"tag\":{tag}}}"))
    }

    /// It is out of the namespace.
    pub(super) const fn part(&mut self) {
        self.phase = Phase::Out;
    }

    /// Whether it is in, and nothing is awaited.
    pub(super) fn is_quiet(&self) -> bool {
        self.phase == Phase::Joined && self.awaited.is_empty()
    }

    /// Says something.
    pub(super) fn say(&mut self, kind: Kind, bulk: Bulk) -> Message {
        let number = *self.said.entry(kind).and_modify(|said| *said += 1).or_insert(1) - 1;
        let (list, attachments) = speech::saying(kind, self.tag, number, bulk);
        let message = Message { attachments, ..Message::new(message::Kind::Event, &self.namespace, list) };
        if kind == Kind::Ask { self.awaits(message, Awaited::Words(number)) } else { message }
    }

    /// Asks to join its room or to leave it, whichever it can.
    pub(super) fn move_in_or_out(&mut self) -> Option<Message> {
        let (event, awaited) = match self.stay.1 {
            Stay::Outside => ("join", Awaited::Joined),
            Stay::Inside => ("leave", Awaited::Left),
            Stay::Changing => return None,
        };
        self.stay = (self.stay.0 + 1, Stay::Changing);
        let message = Message::new(message::Kind::Event, &self.namespace, format!("[\"{event}\"]"));
        Some(self.awaits(message, awaited))
    }

    fn awaits(&mut self, message: Message, awaited: Awaited) -> Message {
        self.ids += 1;
        self.awaited.push_back((self.ids, awaited));
        Message { id: Some(self.ids), ..message }
    }

    /// A message has come.
    pub(super) fn take(&mut self, message: &Message) {
        let Self { tag, phase, .. } = *self;
        match message.kind {
            message::Kind::Connect => {
                assert_eq!(phase, Phase::Joining, "client {tag} joins twice");
                self.phase = Phase::Joined;
            }
            message::Kind::Event => self.take_event(message),
            message::Kind::Ack => self.take_ack(message),
            message::Kind::Disconnect | message::Kind::ConnectError => panic!("client {tag}: {message:?}"),
        }
    }

    fn take_ack(&mut self, message: &Message) {
        let tag = self.tag;
        let Some((id, awaited)) = self.awaited.pop_front() else { panic!("client {tag} asked nothing: {message:?}") };
        assert_eq!(message.id, Some(id), "client {tag}: an answer out of order");
        match awaited {
            Awaited::Words(number) => {
                assert_eq!(
                    speech::heard(&message.list(), &message.attachments),
                    (tag, number),
                    "client {tag}: an answer"
                );
            }
            Awaited::Joined => self.stay.1 = Stay::Inside,
            Awaited::Left => self.stay.1 = Stay::Outside,
        }
    }

    fn take_event(&mut self, message: &Message) {
        let list = message.list();
        let Some((Value::String(name), arguments)) = list.split_first() else { panic!("an event {message:?}") };
        let (sender, number) = speech::heard(arguments, &message.attachments);
        self.hear(Kind::named(name), sender, number);
    }

    /// Sayings of one sender come in order; and without a gap, as long as nothing changes about who is to hear them.
    fn hear(&mut self, kind: Kind, sender: u64, number: u64) {
        let Self { tag, phase, stay: (stay, state), .. } = *self;
        assert_eq!(phase, Phase::Joined, "client {tag} hears before it has joined");
        let last = self.heard.insert((kind, sender), Last { number, stay });
        let is_whole = match kind {
            Kind::Echo => true,
            Kind::All => !self.may_miss,
            Kind::Room => !self.may_miss && state == Stay::Inside,
            Kind::Except => !self.may_miss && state == Stay::Outside,
            Kind::Volatile | Kind::Ask => false,
        };
        if let Some(last) = last {
            let is_whole = is_whole && (last.stay == stay || !matches!(kind, Kind::Room | Kind::Except));
            let follows = if is_whole { number == last.number + 1 } else { number > last.number };
            assert!(follows, "client {tag} hears {number} after {} of {sender} ({kind:?})", last.number);
        }
    }

    /// The number of the next saying of that kind that is to be heard of a sender; `None` if none was heard yet.
    pub(in super::super) fn next_of(&self, kind: Kind, sender: u64) -> Option<u64> {
        self.heard.get(&(kind, sender)).map(|last| last.number + 1)
    }

    pub(super) fn describe(&self) -> String {
        let Self { namespace, phase, tag, awaited, said, stay, .. } = self;
        format!("{namespace} as {tag} ({phase:?}, {stay:?}), said {said:?}, awaits {awaited:?}")
    }
}
