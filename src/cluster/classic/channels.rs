//! The names of one namespace's channels. All end in `#`; rooms and uids are in them unchanged.

use std::borrow::Cow;

/// The channels of one namespace, for one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channels {
    broadcast: Box<str>,
    request: Box<str>,
    response: Box<str>,
    own_response: Box<str>,
}

/// The kind of a channel's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A [`Broadcast`](super::Broadcast).
    Broadcast {
        /// The room, if the channel is for one room; a server without members there need not decode the message.
        room: Option<&'a str>,
    },
    /// A [`Request`](super::Request).
    Request,
    /// A [`Response`](super::Response).
    Response,
}

impl Channels {
    /// The channels of `namespace` (which begins with a slash) under `prefix` (Node's option `key`, `socket.io` by
    /// default) for the server `uid`.
    pub fn new(prefix: &str, namespace: &str, uid: &str) -> Self {
        let response = format!("{prefix}-response#{namespace}#").into_boxed_str();
        Self {
            broadcast: format!("{prefix}#{namespace}#").into_boxed_str(),
            request: format!("{prefix}-request#{namespace}#").into_boxed_str(),
            own_response: format!("{response}{uid}#").into_boxed_str(),
            response,
        }
    }

    /// Where broadcasts to everybody or to several rooms are published.
    pub const fn broadcast(&self) -> &str {
        &self.broadcast
    }

    /// The pattern to subscribe to for broadcasts, including those to single rooms. Special characters of patterns are
    /// escaped.
    pub fn pattern(&self) -> String {
        let mut pattern = String::with_capacity(self.broadcast.len() + 1);
        for character in self.broadcast.chars() {
            if matches!(character, '*' | '?' | '[' | ']' | '\\') {
                pattern.push('\\');
            }
            pattern.push(character);
        }
        pattern.push('*');
        pattern
    }

    /// Where a broadcast to these rooms is published: if there is just one, on that room's channel.
    pub fn broadcast_to(&self, rooms: &[impl AsRef<str>]) -> Cow<'_, str> {
        match rooms {
            [room] => Cow::Owned(format!("{}{}#", self.broadcast, room.as_ref())),
            _ => Cow::Borrowed(&self.broadcast),
        }
    }

    /// Where requests are published. Subscriptions to it count the servers, so each process subscribes by name, once.
    pub const fn request(&self) -> &str {
        &self.request
    }

    /// Where responses to everybody are published.
    pub const fn response(&self) -> &str {
        &self.response
    }

    /// Where responses for this server alone are published.
    pub const fn own_response(&self) -> &str {
        &self.own_response
    }

    /// Where responses for the server `uid` only are published.
    pub fn response_to(&self, uid: &str) -> String {
        format!("{}{uid}#", self.response)
    }

    /// The kind of a channel's messages. `None` if the channel is not one of these: a pattern may match too much.
    pub fn recognise<'a>(&self, channel: &'a str) -> Option<Incoming<'a>> {
        if let Some(rest) = channel.strip_prefix(&*self.broadcast) {
            // The room is all but the last character, whatever that is.
            let mut characters = rest.chars();
            characters.next_back();
            let room = Some(characters.as_str()).filter(|room| !room.is_empty());
            return Some(Incoming::Broadcast { room });
        }
        if channel == &*self.request {
            return Some(Incoming::Request);
        }
        (channel == &*self.response || channel == &*self.own_response).then_some(Incoming::Response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_node() {
        let channels = Channels::new("socket.io", "/custom", "9y1JGY");
        assert_eq!(channels.broadcast(), "socket.io#/custom#");
        assert_eq!(channels.pattern(), "socket.io#/custom#*");
        assert_eq!(channels.request(), "socket.io-request#/custom#");
        assert_eq!(channels.response(), "socket.io-response#/custom#");
        assert_eq!(channels.own_response(), "socket.io-response#/custom#9y1JGY#");
        assert_eq!(channels.response_to("other"), "socket.io-response#/custom#other#");
    }

    #[test]
    fn one_room_has_a_channel_of_its_own() {
        let channels = Channels::new("socket.io", "/", "uid");
        assert_eq!(channels.broadcast_to(&["a#b*c é"]), "socket.io#/#a#b*c é#");
        assert_eq!(channels.broadcast_to(&["a", "b"]), "socket.io#/#");
        assert_eq!(channels.broadcast_to(&[] as &[&str]), "socket.io#/#");
    }

    #[test]
    fn channels_are_recognised_by_their_beginning() {
        let channels = Channels::new("socket.io", "/", "uid");
        for (channel, expected) in [
            ("socket.io#/#", Some(Incoming::Broadcast { room: None })),
            ("socket.io#/#room1#", Some(Incoming::Broadcast { room: Some("room1") })),
            ("socket.io#/#a#b*c é#", Some(Incoming::Broadcast { room: Some("a#b*c é") })),
            ("socket.io#/##", Some(Incoming::Broadcast { room: None })),
            ("socket.io#/#é", Some(Incoming::Broadcast { room: None })),
            ("socket.io#/custom#", None),
            ("socket.io#/", None),
            ("socket.io-request#/#", Some(Incoming::Request)),
            ("socket.io-request#/#x", None),
            ("socket.io-response#/#", Some(Incoming::Response)),
            ("socket.io-response#/#uid#", Some(Incoming::Response)),
            ("socket.io-response#/#other#", None),
            ("", None),
        ] {
            assert_eq!(channels.recognise(channel), expected, "{channel}");
        }
    }

    #[test]
    fn what_a_pattern_gives_a_meaning_to_is_escaped() {
        assert_eq!(Channels::new("a*", "/[b]?\\", "uid").pattern(), r"a\*#/\[b\]\?\\#*");
    }
}
