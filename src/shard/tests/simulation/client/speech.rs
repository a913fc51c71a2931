//! What clients say to each other, and how they know that it has come as it was said.

use serde_json::Value;

/// What a client says, by who is to hear it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Kind {
    /// Everybody else.
    All,
    /// Everybody else, unless the way is not free.
    Volatile,
    /// The others in a room.
    Room,
    /// The others who are not in that room.
    Except,
    /// The client itself.
    Echo,
    /// The server: a question, which it answers with the same words.
    Ask,
    /// The server: who is here? It answers with the same words, once it knows.
    Who,
    /// The server: a question, which it answers with the same words some time, from elsewhere.
    Late,
    /// A handler of the server that blocks: it answers with the same words, and may say them to everybody else.
    Slow,
}

impl Kind {
    pub(in super::super) const ALL: [Self; 9] =
        [Self::All, Self::Volatile, Self::Room, Self::Except, Self::Echo, Self::Ask, Self::Who, Self::Late, Self::Slow];

    pub(in super::super) const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Volatile => "volatile",
            Self::Room => "room",
            Self::Except => "except",
            Self::Echo => "echo",
            Self::Ask => "ask",
            Self::Who => "who",
            Self::Late => "late",
            Self::Slow => "slow",
        }
    }

    pub(super) fn named(name: &str) -> Self {
        let kind = Self::ALL.into_iter().find(|kind| kind.name() == name);
        kind.unwrap_or_else(|| panic!("an event {name:?}"))
    }
}

/// What a saying carries besides its number.
#[derive(Debug, Clone, Copy, Default)]
pub(in super::super) struct Bulk {
    /// Bytes of text.
    pub(in super::super) text: usize,
    pub(in super::super) attachments: u64,
}

/// The list and the attachments of a saying: its kind, who says it, and the how manieth of the kind it is, from 0.
pub(super) fn saying(kind: Kind, tag: u64, number: u64, bulk: Bulk) -> (String, Vec<Vec<u8>>) {
    let mut list = format!("[\"{}\",{tag},{number},{{\"text\":\"{}\"}}", kind.name(), "x".repeat(bulk.text));
    for place in 0..bulk.attachments {
        list.push_str(&format!(",{{\"_placeholder\":true,\"num\":{place}}}"));
    }
    list.push(']');
    (list, (0..bulk.attachments).map(|place| attachment(tag, number, place)).collect())
}

/// Checks that the attachments of a saying are those it was said with, each in its place. Gives who said it, and its number.
pub(super) fn heard(arguments: &[Value], attachments: &[Vec<u8>]) -> (u64, u64) {
    let number = |place: usize| arguments.get(place).and_then(Value::as_u64);
    let (Some(tag), Some(number)) = (number(0), number(1)) else { panic!("a saying {arguments:?}") };
    let places = arguments.iter().filter(|argument| argument["_placeholder"] == true);
    let places: Vec<_> = places.map(|argument| argument["num"].as_u64()).collect();
    let all: Vec<_> = (0..attachments.len() as u64).map(Some).collect();
    assert_eq!(places, all, "the attachments of {number} of {tag}");
    for (place, data) in attachments.iter().enumerate() {
        assert!(*data == attachment(tag, number, place as u64), "attachment {place} of {number} of {tag}: {data:?}");
    }
    (tag, number)
}

/// The attachment in a place of a saying. No two are alike.
pub(in super::super) fn attachment(tag: u64, number: u64, place: u64) -> Vec<u8> {
    let seed = tag.wrapping_mul(31).wrapping_add(number).wrapping_mul(31).wrapping_add(place);
    let begin = [tag, number, place].into_iter().flat_map(u64::to_be_bytes);
    begin.chain((0..seed % 90).map(|byte| (seed.wrapping_mul(byte + 7) >> 3) as u8)).collect()
}
