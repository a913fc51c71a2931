//! From the classic format's requests to neutral questions, and back. The old forms of requests end here: each becomes
//! the question that it means.

use std::time::Duration;

use super::{Answer, Broadcast, Flags, Operation, Opts, Request};
use crate::cluster::adapter::{Adapter, Message};
use crate::cluster::message::{Ask, Change, Chosen, Emission, Manner, Whom};

/// The reference of a response to its request.
pub(crate) struct ReplyTo {
    pub(super) request_id: Box<str>,
    pub(super) form: Form,
}

/// The kind of answer that a type of request expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Ids,
    Rooms,
    Sockets,
    Done,
    Value,
    Acks,
}

impl Form {
    /// An empty answer. `None` if only one server answers.
    pub(super) fn nothing(self) -> Option<Answer> {
        Some(match self {
            Self::Ids => Answer::SocketIds(Vec::new()),
            Self::Rooms => Answer::Rooms(Vec::new()),
            Self::Sockets => Answer::Sockets(Vec::new()),
            Self::Done => return None,
            Self::Value => Answer::ServerSideEmit(None),
            Self::Acks => Answer::ClientCount(0),
        })
    }
}

/// The question of a request.
pub(super) fn read<A: Adapter<ReplyTo = ReplyTo>>(request: Request) -> Message<A> {
    let Request { uid, operation } = request;
    let (ask, to) = match operation {
        Operation::Goodbye { stayed } => return Message::Goodbye { uid, stayed },
        Operation::Sockets { request_id, rooms } => {
            (Ask::Describe(Chosen { rooms, except: Vec::new() }), Some((request_id, Form::Ids)))
        }
        Operation::AllRooms { request_id } => (Ask::Rooms, Some((request_id, Form::Rooms))),
        Operation::Fetch { request_id, opts } => (Ask::Describe(opts.into()), Some((request_id, Form::Sockets))),
        Operation::Join { opts, rooms } => (of_chosen(opts, Change::Join(rooms)), None),
        Operation::Leave { opts, rooms } => (of_chosen(opts, Change::Leave(rooms)), None),
        Operation::Disconnect { opts, close } => (of_chosen(opts, Change::Disconnect { close }), None),
        Operation::JoinOne { request_id, sid, room } => of_one(request_id, sid, Change::Join(vec![room])),
        Operation::LeaveOne { request_id, sid, room } => of_one(request_id, sid, Change::Leave(vec![room])),
        Operation::DisconnectOne { request_id, sid, close } => of_one(request_id, sid, Change::Disconnect { close }),
        Operation::ServerSideEmit { request_id, event } => {
            (Ask::Event(event), request_id.map(|request_id| (request_id, Form::Value)))
        }
        Operation::Broadcast { request_id, broadcast } => {
            let timeout = broadcast.flags.timeout;
            (Ask::Emit { emission: broadcast.into(), timeout }, Some((request_id, Form::Acks)))
        }
    };
    Message::Ask { uid, ask, to: to.map(|(request_id, form)| ReplyTo { request_id, form }) }
}

fn of_chosen(opts: Opts, change: Change) -> Ask {
    Ask::Change { whom: Whom::Chosen(opts.into()), change }
}

fn of_one(request_id: Box<str>, sid: Box<str>, change: Change) -> (Ask, Option<(Box<str>, Form)>) {
    (Ask::Change { whom: Whom::One(sid), change }, Some((request_id, Form::Done)))
}

/// The operation of a question, in the new form.
pub(super) fn operation(namespace: &str, id: Option<Box<str>>, ask: Ask) -> Operation {
    let id_or_none = |id: Option<Box<str>>| id.unwrap_or_default();
    match ask {
        Ask::Rooms => Operation::AllRooms { request_id: id_or_none(id) },
        Ask::Describe(chosen) => Operation::Fetch { request_id: id_or_none(id), opts: chosen.into() },
        Ask::Change { whom, change } => {
            let opts = match whom {
                Whom::Chosen(chosen) => chosen.into(),
                // A socket's id is also a room.
                Whom::One(id) => Opts { rooms: vec![id], except: Vec::new() },
            };
            match change {
                Change::Join(rooms) => Operation::Join { opts, rooms },
                Change::Leave(rooms) => Operation::Leave { opts, rooms },
                Change::Disconnect { close } => Operation::Disconnect { opts, close },
            }
        }
        Ask::Event(event) => Operation::ServerSideEmit { request_id: id, event },
        Ask::Emit { emission: Emission { event, chosen, manner, serial: _ }, timeout } => {
            let (opts, flags) = (chosen.into(), flags(manner, timeout));
            let broadcast = Broadcast { namespace: namespace.into(), event, opts, flags };
            Operation::Broadcast { request_id: id_or_none(id), broadcast }
        }
    }
}

/// The flags of an event.
pub(super) fn flags(manner: Manner, timeout: Option<Duration>) -> Flags {
    Flags {
        expect_single_response: manner.to_one,
        volatile: manner.volatile,
        compress: (!manner.compress).then_some(false),
        timeout,
        serial: None,
    }
}

impl From<Broadcast> for Emission {
    fn from(Broadcast { event, opts, flags, .. }: Broadcast) -> Self {
        let manner = Manner {
            volatile: flags.volatile,
            compress: flags.compress.unwrap_or(true),
            to_one: flags.expect_single_response,
        };
        Self { event, chosen: opts.into(), manner, serial: flags.serial }
    }
}

impl From<Opts> for Chosen {
    fn from(Opts { rooms, except }: Opts) -> Self {
        Self { rooms, except }
    }
}

impl From<Chosen> for Opts {
    fn from(Chosen { rooms, except }: Chosen) -> Self {
        Self { rooms, except }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::cluster::classic::Classic;

    /// The question of a request, and the kind of answer that it expects.
    fn asked(json: &'static str) -> (Ask, Option<Form>) {
        let request = Request::decode(&Bytes::from_static(json.as_bytes())).unwrap();
        let Message::<Classic>::Ask { uid, ask, to } = read(request) else { panic!("{json}") };
        assert_eq!(uid.as_deref(), Some("9y1JGY"));
        assert!(to.iter().all(|to| &*to.request_id == "r"));
        (ask, to.map(|to| to.form))
    }

    fn one(change: Change) -> (Ask, Option<Form>) {
        (Ask::Change { whom: Whom::One("s".into()), change }, Some(Form::Done))
    }

    fn chosen() -> Chosen {
        Chosen { rooms: vec!["a".into()], except: Vec::new() }
    }

    #[test]
    fn an_old_form_becomes_the_question_that_it_means() {
        let ids = asked(r#"{"uid":"9y1JGY","requestId":"r","type":0,"rooms":["a"]}"#);
        assert_eq!(ids, (Ask::Describe(chosen()), Some(Form::Ids)));
        let described = asked(r#"{"uid":"9y1JGY","requestId":"r","type":5,"opts":{"rooms":["a"]}}"#);
        assert_eq!(described, (Ask::Describe(chosen()), Some(Form::Sockets)));
        let join = asked(r#"{"uid":"9y1JGY","requestId":"r","type":2,"sid":"s","room":"b"}"#);
        assert_eq!(join, one(Change::Join(vec!["b".into()])));
        let leave = asked(r#"{"uid":"9y1JGY","requestId":"r","type":3,"sid":"s","room":"b"}"#);
        assert_eq!(leave, one(Change::Leave(vec!["b".into()])));
        let disconnect = asked(r#"{"uid":"9y1JGY","requestId":"r","type":4,"sid":"s","close":true}"#);
        assert_eq!(disconnect, one(Change::Disconnect { close: true }));
        let many = asked(r#"{"uid":"9y1JGY","type":2,"opts":{"rooms":["a"]},"rooms":["b"]}"#);
        let change = Change::Join(vec!["b".into()]);
        assert_eq!(many, (Ask::Change { whom: Whom::Chosen(chosen()), change }, None));
    }

    #[test]
    fn a_question_survives_its_request() {
        let event = |json: &str| {
            let request = Request::decode(&Bytes::copy_from_slice(json.as_bytes())).unwrap();
            let Operation::ServerSideEmit { event, .. } = request.operation else { panic!("{json}") };
            event
        };
        let event = event(r#"{"type":6,"data":["x",1]}"#);
        let manner = Manner { volatile: true, compress: false, to_one: true };
        let emission = Emission { event: event.clone(), chosen: chosen(), manner, serial: None };
        for ask in [
            Ask::Rooms,
            Ask::Describe(chosen()),
            Ask::Change { whom: Whom::Chosen(chosen()), change: Change::Leave(vec!["b".into()]) },
            Ask::Change { whom: Whom::Chosen(chosen()), change: Change::Disconnect { close: false } },
            Ask::Event(event),
            Ask::Emit { emission, timeout: Some(Duration::from_millis(1500)) },
        ] {
            let operation = operation("/", Some("r".into()), ask.clone());
            let message = Request { uid: Some("uid".into()), operation }.encode().unwrap();
            let read = read::<Classic>(Request::decode(&message.into()).unwrap());
            assert!(matches!(&read, Message::Ask { ask: read, .. } if *read == ask), "{ask:?}");
        }
    }
}
