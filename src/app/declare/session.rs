//! A bare Engine.IO session, for programs that speak a protocol of their own over it.

use std::fmt;
use std::rc::Rc;

use crate::engineio::{Frames, FramesBuilder, Message, SidText};
use crate::shard::{SessionRef, Shard, Urgency};

/// A bare Engine.IO session: messages without Socket.IO on top ([`Server::on_message`](crate::Server::on_message)).
#[derive(Clone)]
pub struct Session {
    shard: Rc<Shard>,
    session: SessionRef,
}

impl Session {
    pub(in crate::app) fn new(shard: &Rc<Shard>, session: SessionRef) -> Self {
        Self { shard: Rc::clone(shard), session }
    }

    /// The session's id. It is a secret of its client.
    pub fn id(&self) -> SidText {
        self.shard.with(|core| core.session_sid(self.session)).to_text()
    }

    /// Sends a message to the client. A client that has left gets nothing.
    pub fn send(&self, message: &Message) {
        let frames = match message {
            Message::Text(text) => Frames::text(format!("4{text}").as_bytes()),
            Message::Binary(data) => {
                let mut frames = FramesBuilder::with_capacity(data.len() + 10);
                frames.binary(data);
                frames.finish()
            }
        };
        self.shard.with(|core| {
            if core.session_ref(self.session.key) == Some(self.session) {
                core.send_to_session(self.session.key, &frames, Urgency::Reliable);
            }
        });
    }

    /// Closes the session.
    pub fn close(&self) {
        self.shard.with(|core| {
            if core.session_ref(self.session.key) == Some(self.session) {
                core.session(self.session.key, |session, now, settings, effects| session.close(now, settings, effects));
            }
        });
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("key", &self.session.key.0).finish_non_exhaustive()
    }
}
