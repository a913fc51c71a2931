//! A client's socket in one namespace: its way in, its way back after a loss, and what it says and hears.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use super::excuses::Excuses;
use super::hearing::{Hearing, Place};
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

/// What it awaits the server's acknowledgement for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    /// Its words.
    Words(u64),
    /// The same, some time.
    LateWords(u64),
    /// Its new place.
    Place(Place),
}

/// A socket.
#[derive(Debug)]
pub(in super::super) struct Socket {
    pub(in super::super) namespace: String,
    pub(in super::super) phase: Phase,
    /// The tags it has had since it was new; another one each time it joins.
    pub(in super::super) tags: Vec<u64>,
    awaited: VecDeque<(u64, Awaited)>,
    ids: u64,
    /// How many it has said of each kind.
    said: BTreeMap<Kind, u64>,
    hearing: Hearing,
    /// The private id, if the server gave one, and the offset of the last event.
    pid: Option<String>,
    offset: Option<String>,
    /// What came after the CONNECT and before its answer.
    early: Vec<Message>,
    /// Besides those of its session.
    pub(super) excuses: Excuses,
}

impl Socket {
    pub(super) fn new(namespace: &str, may_miss: bool) -> Self {
        Self {
            namespace: namespace.to_owned(),
            phase: Phase::Out,
            tags: Vec::new(),
            awaited: VecDeque::new(),
            ids: 0,
            said: BTreeMap::new(),
            hearing: Hearing::new(may_miss),
            pid: None,
            offset: None,
            early: Vec::new(),
            excuses: Excuses::default(),
        }
    }

    /// Its tag now.
    pub(in super::super) fn tag(&self) -> u64 {
        self.tags.last().copied().unwrap_or_default()
    }

    /// Asks to join under a new tag, and to be what it was if it can be.
    pub(super) fn join(&mut self, tag: u64) -> Message {
        let mut auth = json!({ "tag": tag });
        if let (Some(pid), Some(offset)) = (&self.pid, &self.offset) {
            auth["pid"] = pid.as_str().into();
            auth["offset"] = offset.as_str().into();
        }
        self.phase = Phase::Joining;
        self.tags.push(tag);
        self.awaited.clear();
        self.said.clear();
        self.excuses = Excuses::default();
        Message::new(message::Kind::Connect, &self.namespace, auth.to_string())
    }

    /// It is out of the namespace. What came of it before the answer to its CONNECT will come again.
    pub(super) fn part(&mut self) {
        self.phase = Phase::Out;
        self.early.clear();
    }

    /// Whether it is in, and nothing is awaited.
    pub(super) fn is_quiet(&self) -> bool {
        self.phase == Phase::Joined && self.awaited.is_empty()
    }

    /// Says something.
    pub(super) fn say(&mut self, kind: Kind, bulk: Bulk) -> Message {
        let number = *self.said.entry(kind).and_modify(|said| *said += 1).or_insert(1) - 1;
        let (list, attachments) = speech::saying(kind, self.tag(), number, bulk);
        let message = Message { attachments, ..Message::new(message::Kind::Event, &self.namespace, list) };
        match kind {
            Kind::Ask => self.awaits(message, Awaited::Words(number)),
            Kind::Who => self.awaits(message, Awaited::LateWords(number)),
            _ => message,
        }
    }

    /// Asks to join its room or to leave it, whichever it can.
    pub(super) fn move_in_or_out(&mut self) -> Option<Message> {
        let (event, place) = match self.hearing.place {
            Place::Outside => ("join", Place::Inside),
            Place::Inside | Place::Unknown => ("leave", Place::Outside),
            Place::Changing => return None,
        };
        self.hearing.change();
        let message = Message::new(message::Kind::Event, &self.namespace, format!("[\"{event}\"]"));
        Some(self.awaits(message, Awaited::Place(place)))
    }

    fn awaits(&mut self, message: Message, awaited: Awaited) -> Message {
        self.ids += 1;
        self.awaited.push_back((self.ids, awaited));
        Message { id: Some(self.ids), ..message }
    }

    /// A message has come.
    pub(super) fn take(&mut self, message: Message) {
        let phase = self.phase;
        match message.kind {
            message::Kind::Connect => self.joined(&message.value()),
            message::Kind::Event if phase == Phase::Joining => self.early.push(message),
            message::Kind::Event => self.take_event(&message),
            message::Kind::Ack => self.take_ack(&message),
            message::Kind::Disconnect | message::Kind::ConnectError => panic!("client {}: {message:?}", self.tag()),
        }
    }

    /// The server has let it in, as what it was or as a new one.
    fn joined(&mut self, answer: &Value) {
        assert_eq!(self.phase, Phase::Joining, "client {} joins twice", self.tag());
        self.phase = Phase::Joined;
        let pid = answer["pid"].as_str().map(str::to_owned);
        if pid.is_some() && pid == self.pid {
            self.hearing.go_on();
        } else {
            assert!(self.early.is_empty(), "client {} hears before it has joined: {:?}", self.tag(), self.early);
            self.tags.drain(..self.tags.len() - 1);
            (self.hearing, self.offset) = (Hearing::new(self.hearing.may_miss), None);
        }
        self.pid = pid;
        std::mem::take(&mut self.early).iter().for_each(|message| self.take_event(message));
    }

    fn take_ack(&mut self, message: &Message) {
        let tag = self.tag();
        let place = self.awaited.iter().position(|(id, _)| message.id == Some(*id));
        let Some(place) = place else { panic!("client {tag} asked nothing: {message:?}") };
        let Some((_, awaited)) = self.awaited.remove(place) else { unreachable!() };
        let is_late = |awaited: &Awaited| matches!(awaited, Awaited::LateWords(_));
        let is_in_order = is_late(&awaited) || self.awaited.range(..place).all(|(_, before)| is_late(before));
        assert!(is_in_order, "client {tag}: an answer out of order");
        match awaited {
            Awaited::Words(number) | Awaited::LateWords(number) => {
                let heard = speech::heard(&message.list(), &message.attachments);
                assert_eq!(heard, (tag, number), "client {tag}: an answer");
            }
            Awaited::Place(place) => self.hearing.place = place,
        }
    }

    fn take_event(&mut self, message: &Message) {
        let list = message.list();
        let Some((Value::String(name), arguments)) = list.split_first() else { panic!("an event {message:?}") };
        if let (Some(_), Some(Value::String(offset))) = (&self.pid, arguments.last()) {
            self.offset = Some(offset.clone());
        }
        let (sender, number) = speech::heard(arguments, &message.attachments);
        assert_eq!(self.phase, Phase::Joined, "client {} hears before it has joined", self.tag());
        self.hearing.hear(Kind::named(name), sender, number);
    }

    /// The number of the next saying of that kind that is to be heard of a sender; `None` if none was heard yet.
    pub(in super::super) fn next_of(&self, kind: Kind, sender: u64) -> Option<u64> {
        self.hearing.next_of(kind, sender)
    }

    pub(super) fn describe(&self) -> String {
        let Self { namespace, phase, tags, awaited, said, hearing, pid, offset, .. } = self;
        let claim = (pid, offset);
        format!(
            "{namespace} as {tags:?} ({phase:?}, {:?}), {claim:?}, said {said:?}, awaits {awaited:?}",
            hearing.place
        )
    }
}
