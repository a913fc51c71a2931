//! The text of a socket's id.

use std::fmt;
use std::ops::Deref;

use serde::{Serialize, Serializer};

use crate::engineio::SidText;

/// A socket's id, which is also the name of a room.
///
/// For clients of protocol 5 it has 20 characters. For 2.x clients it derives from the session's id: it is that id in
/// the namespace `/`, and elsewhere the namespace, `#`, and that id.
///
/// It can be an argument of an event, the name of a room, and the key of a map:
///
/// ```no_run
/// # fn handler(socket: &kinglet::Socket) -> Result<(), kinglet::EmitError> {
/// socket.broadcast().emit("joined", socket.id())?;
/// socket.server().to(socket.id()).emit("welcome", ())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SocketId(Text);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Text {
    Sid(SidText),
    Other(Box<str>),
}

impl SocketId {
    /// The id of a 2.x client's socket in a namespace.
    pub fn of_session(namespace: &str, session: SidText) -> Self {
        match namespace {
            "/" => Self(Text::Sid(session)),
            _ => Self(Text::Other(format!("{namespace}#{session}").into_boxed_str())),
        }
    }
}

impl From<SidText> for SocketId {
    fn from(sid: SidText) -> Self {
        Self(Text::Sid(sid))
    }
}

impl From<Box<str>> for SocketId {
    /// The id of another server's socket, which may be any text.
    fn from(id: Box<str>) -> Self {
        Self(Text::Other(id))
    }
}

impl From<SocketId> for String {
    fn from(id: SocketId) -> Self {
        (*id).to_owned()
    }
}

impl Serialize for SocketId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl Deref for SocketId {
    type Target = str;

    fn deref(&self) -> &str {
        match &self.0 {
            Text::Sid(sid) => sid,
            Text::Other(id) => id,
        }
    }
}

impl fmt::Display for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engineio::Sid;

    #[test]
    fn a_session_s_id_has_the_namespace_in_front_unless_it_is_the_main_one() {
        let sid = Sid { instance: [0; 3], shard: 0, slot: 0, random: 0 }.to_text();
        assert_eq!(&*SocketId::of_session("/", sid), "AAAAAAAAAAAAAAAAAAAA");
        assert_eq!(SocketId::of_session("/chat", sid).to_string(), "/chat#AAAAAAAAAAAAAAAAAAAA");
    }
}
