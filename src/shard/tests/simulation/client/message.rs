//! Socket.IO messages, and how they become packets and come out of them.

use serde_json::Value;

use super::packet::Packet;

/// What a message is, whether it has attachments or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Connect,
    Disconnect,
    Event,
    Ack,
    ConnectError,
}

/// One message.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) kind: Kind,
    pub(super) namespace: String,
    pub(super) id: Option<u64>,
    /// JSON, or nothing.
    pub(super) data: String,
    pub(super) attachments: Vec<Vec<u8>>,
}

impl Message {
    pub(super) fn new(kind: Kind, namespace: &str, data: impl Into<String>) -> Self {
        Self { kind, namespace: namespace.to_owned(), id: None, data: data.into(), attachments: Vec::new() }
    }

    /// Its packets: one, and one more for each attachment.
    pub(super) fn packets(self) -> Vec<Packet> {
        let count = self.attachments.len();
        let mut text = String::from("4");
        text.push_str(match (self.kind, count) {
            (Kind::Connect, _) => "0",
            (Kind::Disconnect, _) => "1",
            (Kind::Event, 0) => "2",
            (Kind::Ack, 0) => "3",
            (Kind::Event, _) => "5",
            (Kind::Ack, _) => "6",
            (Kind::ConnectError, _) => unreachable!("clients refuse nothing"),
        });
        if count > 0 {
            text.push_str(&format!("{count}-"));
        }
        if self.namespace != "/" {
            text.push_str(&format!("{},", self.namespace));
        }
        if let Some(id) = self.id {
            text.push_str(&id.to_string());
        }
        text.push_str(&self.data);
        [Packet::Text(text)].into_iter().chain(self.attachments.into_iter().map(Packet::Binary)).collect()
    }

    /// Reads the text of a message, and how many attachments follow it.
    fn parse(text: &str) -> (Self, usize) {
        let (kind, rest) = text.split_at(1);
        let (kind, is_binary) = match kind {
            "0" => (Kind::Connect, false),
            "1" => (Kind::Disconnect, false),
            "2" => (Kind::Event, false),
            "3" => (Kind::Ack, false),
            "4" => (Kind::ConnectError, false),
            "5" => (Kind::Event, true),
            "6" => (Kind::Ack, true),
            _ => panic!("a message {text:?}"),
        };
        let (count, rest) = if is_binary { rest.split_once('-').expect("a count") } else { ("0", rest) };
        let (namespace, rest) = match rest.split_once(',') {
            Some((namespace, rest)) if namespace.starts_with('/') => (namespace, rest),
            _ if rest.starts_with('/') => (rest, ""),
            _ => ("/", rest),
        };
        let digits = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
        let (id, data) = rest.split_at(digits);
        let mut message = Self::new(kind, namespace, data);
        message.id = id.parse().ok();
        (message, count.parse().expect("a count"))
    }

    pub(super) fn value(&self) -> Value {
        if self.data.is_empty() {
            return Value::Null;
        }
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{self:?}: {error}"))
    }

    /// The list that an event or an acknowledgement carries.
    pub(super) fn list(&self) -> Vec<Value> {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{self:?}: {error}"))
    }
}

/// A message whose attachments are still to come.
#[derive(Debug, Default)]
pub(super) struct Assembly(Option<(Message, usize)>);

impl Assembly {
    /// Takes what a packet carries, and gives the message that is whole with it.
    pub(super) fn take(&mut self, packet: Packet) -> Option<Message> {
        let (message, missing) = match (self.0.take(), packet) {
            (None, Packet::Text(text)) => Message::parse(&text),
            (Some((mut message, missing)), Packet::Binary(data)) => {
                message.attachments.push(data);
                (message, missing - 1)
            }
            (begun, packet) => panic!("{packet:?} while this is assembled: {begun:?}"),
        };
        if missing == 0 {
            return Some(message);
        }
        self.0 = Some((message, missing));
        None
    }
}
