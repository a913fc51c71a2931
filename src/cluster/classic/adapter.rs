//! The classic format as an [`Adapter`]: from neutral messages to the messages of Node, and back.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;

use super::questions::{self, Form, ReplyTo};
use super::uid::{is_kinglet_uid, kinglet_uid};
use super::{
    Answer, Broadcast, Channels, DecodeError, EncodeError, Flags, Incoming, Operation, Request, Response,
    is_reserved_server_side,
};
use super::{described, opts};
use crate::cluster::adapter::{Adapter, Message, Outgoing, Sender};
use crate::cluster::data::Data;
use crate::cluster::dropped::DropReason;
use crate::cluster::message::{self, Ask, Chosen, Extent, Manner};
use crate::cluster::redis::Topic;
use crate::cluster::serial::Serial;
use crate::config::{Config, ResponseChannel};

/// The format of Node's classic adapter.
pub(crate) struct Classic {
    /// The prefix of all channels.
    key: String,
    responses: ResponseChannel,
}

impl Adapter for Classic {
    type Names = Channels;
    type Label<'a> = Incoming<'a>;
    type ReplyTo = ReplyTo;
    type DecodeError = DecodeError;
    type EncodeError = EncodeError;

    fn new(config: &Config) -> Self {
        Self { key: config.redis_key.clone(), responses: config.response_channel }
    }

    fn uid() -> Result<Box<str>, getrandom::Error> {
        kinglet_uid()
    }

    fn is_reserved(event: &str) -> bool {
        is_reserved_server_side(event)
    }

    fn names(&self, namespace: &str, uid: &str) -> Channels {
        Channels::new(&self.key, namespace, uid)
    }

    fn member_topics(channels: &Channels) -> Vec<Topic> {
        let mut topics = vec![Topic::pattern(channels.pattern()), topic(channels.request())];
        topics.extend(Self::guest_topics(channels));
        topics
    }

    fn guest_topics(channels: &Channels) -> Vec<Topic> {
        vec![topic(channels.response()), topic(channels.own_response())]
    }

    fn counted(channels: &Channels) -> Bytes {
        Bytes::copy_from_slice(channels.request().as_bytes())
    }

    fn mark(channels: &Channels, uid: &str) -> Bytes {
        channels.response_to(uid).into()
    }

    fn recognise<'a>(channels: &Channels, channel: &'a str) -> Option<Incoming<'a>> {
        channels.recognise(channel)
    }

    fn recognise_left<'a>(&self, channel: &'a str) -> Option<(&'a str, Incoming<'a>)> {
        let namespace = channel.strip_prefix(&*self.key)?.strip_prefix("-request#")?.strip_suffix('#')?;
        Some((namespace, Incoming::Request))
    }

    fn room<'a>(label: Self::Label<'a>) -> Option<&'a str> {
        if let Incoming::Broadcast { room } = label { room } else { None }
    }

    fn sender<'a>(label: Incoming<'_>, message: &'a [u8]) -> Result<Option<Cow<'a, str>>, DecodeError> {
        match label {
            Incoming::Broadcast { .. } => Broadcast::sender(message).map(Some),
            Incoming::Request | Incoming::Response => Ok(None),
        }
    }

    fn decode(label: Incoming<'_>, namespace: &str, message: &Bytes) -> Result<Message<Self>, DecodeError> {
        Ok(match label {
            Incoming::Broadcast { .. } => {
                let broadcast = Broadcast::decode(message)?;
                if *broadcast.namespace != *namespace {
                    return Err(DecodeError::Namespace(broadcast.namespace));
                }
                Message::Emission(broadcast.into())
            }
            Incoming::Request => questions::read(Request::decode(message)?),
            Incoming::Response => {
                let Response { request_id: id, answer, extent } = Response::decode(message)?;
                let bytes = answer.bytes();
                Message::Answer { id, answer: neutral(answer), extent, bytes }
            }
        })
    }

    fn drop_reason(error: &DecodeError) -> DropReason {
        error.into()
    }

    fn too_long(most: usize) -> DecodeError {
        DecodeError::TooLong { most }
    }

    fn emission<'a>(
        channels: &'a Channels,
        from: Sender<'_>,
        data: Data<'_>,
        chosen: Chosen,
        manner: Manner,
        serial: Option<Serial>,
    ) -> Outgoing<'a, Self> {
        let (opts, flags) = (chosen.into(), Flags { serial, ..questions::flags(manner, None) });
        let message = Broadcast::encode(from.uid, from.namespace, data, &opts, &flags);
        Outgoing { channel: channels.broadcast_to(&opts.rooms), message }
    }

    fn number(emission: &mut [u8], number: u64) {
        opts::number(emission, number);
    }

    fn ask<'a>(channels: &'a Channels, from: Sender<'_>, id: Option<Box<str>>, ask: Ask) -> Outgoing<'a, Self> {
        request(channels, from, questions::operation(from.namespace, id, ask))
    }

    fn answer<'a>(
        &self,
        channels: &'a Channels,
        uid: Option<&str>,
        to: &ReplyTo,
        answer: message::Answer,
    ) -> Outgoing<'a, Self> {
        self.respond(channels, uid, to, classic(answer, to.form), Extent::Whole)
    }

    /// Only kinglets are told. A Node server would take the answer for complete; without one, its timeout tells the truth.
    fn lacking<'a>(&self, channels: &'a Channels, uid: Option<&str>, to: &ReplyTo) -> Option<Outgoing<'a, Self>> {
        let uid = uid.filter(|uid| is_kinglet_uid(uid))?;
        Some(self.respond(channels, Some(uid), to, to.form.nothing()?, Extent::Part))
    }

    fn bytes(to: &ReplyTo) -> usize {
        to.request_id.len()
    }

    fn goodbye<'a>(channels: &'a Channels, from: Sender<'_>, stayed: Duration) -> Outgoing<'a, Self> {
        request(channels, from, Operation::Goodbye { stayed })
    }
}

impl Classic {
    fn respond<'a>(
        &self,
        channels: &'a Channels,
        uid: Option<&str>,
        to: &ReplyTo,
        answer: Answer,
        extent: Extent,
    ) -> Outgoing<'a, Self> {
        // Acknowledgements of events for servers always go to all servers.
        let own = uid.filter(|_| self.responses == ResponseChannel::Specific && to.form != Form::Value);
        let channel = own.map_or(Cow::Borrowed(channels.response()), |uid| channels.response_to(uid).into());
        let response = Response { request_id: to.request_id.clone(), answer, extent };
        Outgoing { channel, message: response.encode() }
    }
}

fn topic(channel: &str) -> Topic {
    Topic::channel(channel.to_owned())
}

fn request<'a>(channels: &'a Channels, from: Sender<'_>, operation: Operation) -> Outgoing<'a, Classic> {
    let request = Request { uid: Some(from.uid.into()), operation };
    Outgoing { channel: channels.request().into(), message: request.encode() }
}

/// An answer in the expected form.
fn classic(answer: message::Answer, form: Form) -> Answer {
    match answer {
        message::Answer::Rooms(rooms) => Answer::Rooms(rooms),
        message::Answer::Sockets(sockets) if form == Form::Ids => {
            Answer::SocketIds(sockets.into_iter().map(|socket| socket.id).collect())
        }
        message::Answer::Sockets(sockets) => Answer::Sockets(sockets.into_iter().map(described::written).collect()),
        message::Answer::Done => Answer::Done,
        message::Answer::Value(value) => Answer::ServerSideEmit(value),
        message::Answer::ClientCount(count) => Answer::ClientCount(count),
        message::Answer::Ack(arguments) => Answer::Ack(arguments),
    }
}

fn neutral(answer: Answer) -> message::Answer {
    match answer {
        Answer::Rooms(rooms) => message::Answer::Rooms(rooms),
        Answer::Sockets(sockets) => message::Answer::Sockets(sockets.into_iter().map(described::read).collect()),
        // Kinglets never ask for ids alone.
        Answer::Done | Answer::SocketIds(_) => message::Answer::Done,
        Answer::ServerSideEmit(value) => message::Answer::Value(value),
        Answer::ClientCount(count) => message::Answer::ClientCount(count),
        Answer::Ack(arguments) => message::Answer::Ack(arguments),
    }
}
