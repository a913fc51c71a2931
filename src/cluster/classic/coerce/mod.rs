//! What Node's adapter accepts in each place, in both encodings.
//!
//! JavaScript looks up members of any value, takes `1` for true and `2.0` for 2, and turns a text into the set of its
//! characters. Emitters of other languages rely on it: an empty map in one language is an empty array, an empty text or
//! `true` in another.
//!
//! | place | what is accepted |
//! |---|---|
//! | `opts`, `flags` | a map; other objects (arrays, binary data) have no members. `flags` may be anything |
//! | a flag, `close` | anything: 0, NaN, an empty text and nothing are false. Only `false` turns `compress` off |
//! | `rooms` and `except` of `opts` | a list; a text, which is the list of its characters; nothing |
//! | the name of a room | a text or a number; anything else is a room without members |
//! | `rooms` to join | a list, or one name of a room. To leave: a list |
//! | `type` | a whole number in any notation; for a packet also a text |
//! | `uid`, `requestId` | a text; anything else is nobody's |

pub mod json;
pub mod msgpack;

use super::opts::Opts;

/// Rooms that include or exclude sockets.
#[derive(Debug, Default)]
pub struct Names {
    names: Vec<Box<str>>,
    /// How many are listed, including items that are no names.
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

/// A number as a whole number from zero.
fn whole(number: f64) -> Option<u64> {
    (number >= 0.0 && number.fract() == 0.0 && number <= u64::MAX as f64).then_some(number as u64)
}

/// The type of a packet written as a text: clients read its first digit.
fn packet_type(text: &[u8]) -> Option<u64> {
    match text {
        [digit @ b'0'..=b'9'] => Some(u64::from(digit - b'0')),
        _ => None,
    }
}
