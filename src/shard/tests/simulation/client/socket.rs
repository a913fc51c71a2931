//! A client's socket in one namespace: its way in, its way back after a loss, and what it says and hears.

use std::collections::{BTreeMap, VecDeque};
use std::mem;

use serde_json::{Value, json};

use super::super::plan::Plan;
use super::super::questions::Got;
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
    /// The same, or that the server is busy.
    SlowWords(u64),
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
    pub(in super::super) said: BTreeMap<Kind, u64>,
    hearing: Hearing,
    /// The private id, if the server gave one, and the offset of the last event.
    pid: Option<String>,
    offset: Option<String>,
    /// What came after the CONNECT and before its answer.
    early: Vec<Message>,
    /// Questions of the server that came to it, with its tag, and whether it has answered.
    pub(in super::super) got: Got,
    /// Whether the program is to let it in.
    is_welcome: bool,
    /// Whether it has left, so that what comes is for the one it was before.
    has_left: bool,
    /// Besides those of its session.
    pub(super) excuses: Excuses,
}

impl Socket {
    pub(super) fn new(namespace: &str, plan: &Plan) -> Self {
        Self {
            namespace: namespace.to_owned(),
            phase: Phase::Out,
            tags: Vec::new(),
            awaited: VecDeque::new(),
            ids: 0,
            said: BTreeMap::new(),
            hearing: Hearing::new(plan),
            pid: None,
            offset: None,
            early: Vec::new(),
            got: Got::new(),
            is_welcome: true,
            has_left: false,
            excuses: Excuses::default(),
        }
    }

    /// Whether it may come back as what it was, and take its old connection over.
    pub(super) const fn may_come_back(&self) -> bool {
        self.pid.is_some()
    }

    /// Its tag now.
    pub(in super::super) fn tag(&self) -> u64 {
        self.tags.last().copied().unwrap_or_default()
    }

    /// Asks to join under a new tag, and to be what it was if it can be. `is_welcome`: whether the program is to let it in.
    pub(super) fn join(&mut self, tag: u64, is_welcome: bool) -> Message {
        let mut auth = json!({ "tag": tag, "is_welcome": is_welcome });
        self.is_welcome = is_welcome;
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

    /// Its session is over. What came of it before the answer to its CONNECT will come again.
    pub(super) fn part(&mut self) {
        self.phase = Phase::Out;
        self.has_left = false;
        self.early.clear();
    }

    /// Leaves the namespace.
    pub(super) fn leave(&mut self) -> Message {
        self.phase = Phase::Out;
        self.has_left = true;
        self.excuses.left();
        Message::new(message::Kind::Disconnect, &self.namespace, "")
    }

    /// Asks the program for something.
    pub(super) fn ask_for(&self, event: &str) -> Message {
        Message::new(message::Kind::Event, &self.namespace, format!("[\"{event}\"]"))
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
            Kind::Who | Kind::Late => self.awaits(message, Awaited::LateWords(number)),
            Kind::Slow => self.awaits(message, Awaited::SlowWords(number)),
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

    /// A message has come. Gives the answer, if it is a question and `answers`.
    pub(super) fn take(&mut self, message: Message, answers: bool) -> Option<Message> {
        let (tag, phase) = (self.tag(), self.phase);
        match message.kind {
            message::Kind::Connect => self.joined(&message.value()),
            message::Kind::Event if phase == Phase::Joining => self.early.push(message),
            message::Kind::ConnectError => {
                assert!(!self.is_welcome && phase == Phase::Joining, "client {tag} is refused: {message:?}");
                self.phase = Phase::Out;
            }
            _ if phase != Phase::Joined && self.has_left => {}
            message::Kind::Disconnect => {
                assert!(self.excuses.allow("server namespace disconnect"), "client {tag} is let go: {message:?}");
                self.phase = Phase::Out;
            }
            message::Kind::Event if message.id.is_some() => {
                let Some(number) = message.list()[1].as_u64() else { panic!("a question {message:?}") };
                self.got.insert((number, tag), answers);
                return answers.then(|| self.answer(&message, number));
            }
            message::Kind::Event => self.take_event(&message),
            message::Kind::Ack => self.take_ack(&message),
        }
        None
    }

    /// Answers a question with its tag and the attachment that belongs to both.
    fn answer(&self, message: &Message, number: u64) -> Message {
        let tag = self.tag();
        // One argument: from another server no more would come.
        let list = json!([{ "tag": tag, "data": { "_placeholder": true, "num": 0 } }]).to_string();
        let attachments = vec![speech::attachment(tag, number, 0)];
        Message { id: message.id, attachments, ..Message::new(message::Kind::Ack, &self.namespace, list) }
    }

    /// The server has let it in, as what it was or as a new one.
    fn joined(&mut self, answer: &Value) {
        assert_eq!(self.phase, Phase::Joining, "client {} joins twice", self.tag());
        self.phase = Phase::Joined;
        let pid = answer["pid"].as_str().map(str::to_owned);
        if pid.is_some() && pid == self.pid {
            self.hearing.go_on();
        } else {
            let early = mem::take(&mut self.early);
            assert!(self.has_left || early.is_empty(), "client {} hears before it has joined: {early:?}", self.tag());
            self.tags.drain(..self.tags.len() - 1);
            (self.hearing, self.offset) = (self.hearing.anew(), None);
        }
        self.pid = pid;
        self.has_left = false;
        mem::take(&mut self.early).iter().for_each(|message| self.take_event(message));
    }

    fn take_ack(&mut self, message: &Message) {
        let tag = self.tag();
        let place = self.awaited.iter().position(|(id, _)| message.id == Some(*id));
        let Some(place) = place else { panic!("client {tag} asked nothing: {message:?}") };
        let Some((_, awaited)) = self.awaited.remove(place) else { unreachable!() };
        let is_late = |awaited: &Awaited| matches!(awaited, Awaited::LateWords(_) | Awaited::SlowWords(_));
        let is_in_order = is_late(&awaited) || self.awaited.range(..place).all(|(_, before)| is_late(before));
        assert!(is_in_order, "client {tag}: an answer out of order");
        match awaited {
            Awaited::SlowWords(_) if self.hearing.may_be_refused() && is_refusal(message) => {}
            Awaited::Words(number) | Awaited::LateWords(number) | Awaited::SlowWords(number) => {
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
        let kind = Kind::named(name);
        let is_own = self.tags.contains(&sender);
        assert!(!is_own || kind == Kind::Echo, "{number} of {sender} ({kind:?}) comes back to its sender");
        self.hearing.hear(kind, sender, number);
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

/// Whether an answer says that the server is busy.
fn is_refusal(answer: &Message) -> bool {
    answer.list() == [json!({ "error": "the server is busy: try again later" })]
}
