//! What Node's adapter takes for what it needs, in both encodings.
//!
//! JavaScript asks values of any kind for their members, takes `1` for true and `2.0` for 2, and makes a set of a text by its
//! characters. Emitters of other languages have come to rely on it: what is an empty map in one is an empty array, an empty
//! text or `true` in the other.
//!
//! | place | what is taken for it |
//! |---|---|
//! | `opts`, `flags` | a map; of other objects (arrays, binary data) no member is known. `flags` may be anything |
//! | a flag, `close` | anything: 0, NaN, an empty text and what is nothing are false. `compress` is off by `false` alone |
//! | `rooms` and `except` of `opts` | a list; a text, which is the list of its characters; nothing |
//! | the name of a room | a text or a number; what is neither stands for a room that nobody is in |
//! | `rooms` to join | a list, or one name of a room. To leave: a list |
//! | `type` | a number that is whole, however it is written; of a packet a text, too |
//! | `uid`, `requestId` | a text; others are nobody's |

pub mod json;
pub mod msgpack;

use super::opts::Opts;

/// Rooms that select sockets, or keep them from being selected.
#[derive(Debug, Default)]
pub struct Names {
    names: Vec<Box<str>>,
    /// How many are listed, with those that are no names.
    listed: usize,
}

impl Names {
    fn with_capacity(listed: usize) -> Self {
        Self { names: Vec::with_capacity(listed), listed: 0 }
    }

    fn push(&mut self, name: Option<Box<str>>) {
        self.names.extend(name);
        self.listed += 1;
    }
}

/// The sockets that are in `rooms` and not in `except`.
fn selection(rooms: Names, except: Names) -> Opts {
    let nobody = rooms.names.is_empty() && rooms.listed > 0;
    let mut opts = Opts { rooms: rooms.names, except: except.names };
    if nobody {
        // No rooms at all would mean everybody.
        opts.rooms.push(Box::default());
        opts.except.push(Box::default());
    }
    opts
}

/// The whole number from zero that a number means.
fn whole(number: f64) -> Option<u64> {
    (number >= 0.0 && number.fract() == 0.0 && number <= u64::MAX as f64).then_some(number as u64)
}

/// The type of a packet that is written as a text: clients read its first digit.
fn packet_type(text: &[u8]) -> Option<u64> {
    match text {
        [digit @ b'0'..=b'9'] => Some(u64::from(digit - b'0')),
        _ => None,
    }
}
