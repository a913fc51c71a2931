//! The seam between the membership and the format of messages between servers. `mod.rs` chooses the format.
//!
//! A message comes on a channel of a namespace. The format decides whether the channel or the message says what it is:
//! a channel's name becomes the format's own [`Label`](Adapter::Label), which it gets back to decode the message. Messages
//! travel by PUBLISH, and members are counted by their subscriptions to one channel.

use std::borrow::Cow;
use std::error::Error;
use std::time::Duration;

use bytes::Bytes;

use super::data::Data;
use super::dropped::DropReason;
use super::message::{Answer, Ask, Chosen, Emission, Extent, Manner};
use super::redis::Topic;
use super::serial::Serial;
use crate::config::Config;

/// A format of messages between servers, and the names of the channels that carry them.
pub(crate) trait Adapter: Sized + Send + Sync + 'static {
    /// The names of one namespace's channels, for one server.
    type Names: Send + Sync;
    /// What a channel says about its messages.
    type Label<'a>: Copy;
    /// The reference that an answer needs, and the form that its receiver expects.
    type ReplyTo: Send + Sync;
    /// Why a message cannot be read.
    type DecodeError: Error;
    /// Why a message cannot be written.
    type EncodeError: Error;

    /// The format with these settings.
    fn new(config: &Config) -> Self;

    /// A new uid for this server.
    ///
    /// # Errors
    /// If the system has no random numbers.
    fn uid() -> Result<Box<str>, getrandom::Error>;

    /// Whether a name is reserved among events for servers.
    fn is_reserved(event: &str) -> bool;

    /// The names of a namespace's channels for the server `uid`.
    fn names(&self, namespace: &str, uid: &str) -> Self::Names;

    /// The subscriptions of a member. Redis confirms them in this order.
    fn member_topics(names: &Self::Names) -> Vec<Topic>;

    /// The subscriptions of a guest: to answers only.
    fn guest_topics(names: &Self::Names) -> Vec<Topic>;

    /// A channel to which each member subscribes once, by name, so that Redis can count them.
    fn counted(names: &Self::Names) -> Bytes;

    /// A channel to which only the member `uid` subscribes, for exactly as long as to the counted channel.
    fn mark(names: &Self::Names, uid: &str) -> Bytes;

    /// What a channel says about its messages. `None` if the channel is not one of these: a pattern may match too much.
    fn recognise<'a>(names: &Self::Names, channel: &'a str) -> Option<Self::Label<'a>>;

    /// The same, with the namespace, for a channel of questions to a namespace that this server has left: others may
    /// still count it there.
    fn recognise_left<'a>(&self, channel: &'a str) -> Option<(&'a str, Self::Label<'a>)>;

    /// The target room, if the channel is for one room.
    fn room<'a>(label: Self::Label<'a>) -> Option<&'a str>;

    /// The uid of a message's sender, if it can be read without the rest.
    ///
    /// # Errors
    /// If the message does not begin as expected.
    fn sender<'a>(label: Self::Label<'_>, message: &'a [u8]) -> Result<Option<Cow<'a, str>>, Self::DecodeError>;

    /// Decodes a message for a namespace. Attachments share its buffer.
    ///
    /// # Errors
    /// If it is not exactly one message with a meaning there.
    fn decode(label: Self::Label<'_>, namespace: &str, message: &Bytes) -> Result<Message<Self>, Self::DecodeError>;

    /// The reason for the counter of dropped messages.
    fn drop_reason(error: &Self::DecodeError) -> DropReason;

    /// The error for a message of more than `most` bytes, which was skipped.
    fn too_long(most: usize) -> Self::DecodeError;

    /// An event for sockets of other servers.
    fn emission<'a>(
        names: &'a Self::Names,
        from: Sender<'_>,
        data: Data<'_>,
        chosen: Chosen,
        manner: Manner,
        serial: Option<Serial>,
    ) -> Outgoing<'a, Self>;

    /// Writes the number into an encoded event that has a serial.
    fn number(emission: &mut [u8], number: u64);

    /// A question, or something to do. Without an id it has no answer.
    fn ask<'a>(names: &'a Self::Names, from: Sender<'_>, id: Option<Box<str>>, ask: Ask) -> Outgoing<'a, Self>;

    /// An answer to the server `uid`, or to all servers if the asker gave no uid.
    fn answer<'a>(
        &self,
        names: &'a Self::Names,
        uid: Option<&str>,
        to: &Self::ReplyTo,
        answer: Answer,
    ) -> Outgoing<'a, Self>;

    /// Tells the server `uid` that this server's answer is incomplete. `None` if that server would not understand it.
    fn lacking<'a>(&self, names: &'a Self::Names, uid: Option<&str>, to: &Self::ReplyTo) -> Option<Outgoing<'a, Self>>;

    /// Bytes of a reference on the heap.
    fn bytes(to: &Self::ReplyTo) -> usize;

    /// This server has left for good; before that it was counted without a break for this long.
    fn goodbye<'a>(names: &'a Self::Names, from: Sender<'_>, stayed: Duration) -> Outgoing<'a, Self>;
}

/// This server in a namespace, as the sender of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sender<'a> {
    pub(crate) uid: &'a str,
    pub(crate) namespace: &'a str,
}

/// A message to publish.
pub(crate) struct Outgoing<'a, A: Adapter> {
    pub(crate) channel: Cow<'a, str>,
    pub(crate) message: Result<Vec<u8>, A::EncodeError>,
}

/// A decoded message.
pub(crate) enum Message<A: Adapter> {
    Emission(Emission),
    Ask {
        /// The asker's uid. Emitters have none.
        uid: Option<Box<str>>,
        ask: Ask,
        /// `None` if the asker wants no answer.
        to: Option<A::ReplyTo>,
    },
    Answer {
        /// The id of the question. If it is unknown here, the answer is for another server.
        id: Box<str>,
        answer: Answer,
        extent: Extent,
        /// Estimated bytes in memory, without those of an acknowledgement.
        bytes: usize,
    },
    Goodbye {
        uid: Option<Box<str>>,
        stayed: Duration,
    },
}
