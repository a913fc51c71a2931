//! Messages from other servers and emitters: recognised, decoded, and counted or dropped.

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use log::Level;

use super::adapter::{Adapter, Message};
use super::dropped::DropReason;
use super::membership::Membership;
use super::message::{Ask, Emission};
use super::peers::{Body, Instance, Peers};
use super::places::Place;
use super::redis::{Incoming, Topic};
use super::reply::Reply;
use super::source::Source;
use crate::log_line::{Excerpt, LineKind};

/// For each reason, a line a minute.
static DROPPED: [LineKind; DropReason::ALL.len()] =
    [const { LineKind::each_minute(Level::Warn, module_path!(), "messages of Redis that were dropped") };
        DropReason::ALL.len()];

static GAPS: LineKind = LineKind::each_minute(Level::Warn, module_path!(), "gaps in what other servers sent");

/// A message for the rest of the server.
pub(crate) enum Received<A: Adapter> {
    /// An event for sockets that this server may have.
    Emission { place: Arc<Place<A>>, emission: Emission, source: Source },
    /// A question of another server, which wants no answer if there is no reply.
    Ask { place: Arc<Place<A>>, ask: Ask, reply: Option<Reply<A>> },
    /// Another kinglet tells something about clients.
    Peer { from: Instance, body: Body },
    /// All that was under way with another kinglet is over: it has ended, or something of it is missing.
    PeerGone(Instance),
    /// All messages that arrived together have been received.
    Pause,
}

impl<A: Adapter> Membership<A> {
    /// Handles what the subscriber has received. `may_be_here`: whether a room of a namespace may have members here.
    pub(crate) fn receive(
        self: &Arc<Self>,
        incoming: Incoming,
        may_be_here: impl FnOnce(&str, &str) -> bool,
    ) -> Option<Received<A>> {
        let (topic, channel, message) = match incoming {
            Incoming::Message { topic, channel, payload } => (topic, channel, payload),
            Incoming::Skipped { channel } => {
                let error = A::too_long(self.longest());
                self.drop_message(&String::from_utf8_lossy(&channel), A::drop_reason(&error), &error);
                let topic = Topic::Channel(channel);
                self.peers().filter(|peers| peers.hears(&topic)).into_iter().for_each(Peers::missed);
                return None;
            }
            Incoming::Pause => return Some(Received::Pause),
            Incoming::Subscribed(topic) => {
                self.subscribed(&topic);
                return None;
            }
            Incoming::Up => {
                self.peers().into_iter().for_each(Peers::up);
                return None;
            }
            Incoming::Down(_) => return None,
        };
        if let Some(peers) = self.peers().filter(|peers| peers.hears(&topic)) {
            return self.hear_peer(peers, &channel, &message);
        }
        let channel = String::from_utf8_lossy(&channel);
        let (place, label) = self.recognise(&topic, &channel).or_else(|| self.recognise_left(&channel))?;
        self.read(place, label, &channel, &message, may_be_here).unwrap_or_else(|error| {
            self.drop_message(&channel, A::drop_reason(&error), &error);
            None
        })
    }

    /// Handles a message of another kinglet.
    fn hear_peer(&self, peers: &Peers, channel: &[u8], message: &Bytes) -> Option<Received<A>> {
        let heard = peers.receive(message).inspect_err(|error| {
            self.drop_message(&String::from_utf8_lossy(channel), error.drop_reason(), error);
        });
        let (from, body) = heard.ok()??;
        Some(Received::Peer { from, body })
    }

    /// Another kinglet with which all is over, if there is one that this has not told yet. It is to be asked before what was
    /// received is handled, because that may be from the same one.
    pub(crate) fn next_gone(&self) -> Option<Received<A>> {
        self.peers()?.next_gone().map(Received::PeerGone)
    }

    /// Decodes a message, unless it is for nobody here or came from here.
    fn read(
        self: &Arc<Self>,
        place: Arc<Place<A>>,
        label: A::Label<'_>,
        channel: &str,
        message: &Bytes,
        may_be_here: impl FnOnce(&str, &str) -> bool,
    ) -> Result<Option<Received<A>>, A::DecodeError> {
        if A::room(label).is_some_and(|room| !may_be_here(&place.namespace, room))
            || A::sender(label, message)?.is_some_and(|uid| self.is_own(&uid))
        {
            self.counters.passed_over.one();
            return Ok(None);
        }
        let is_own = |uid: &Option<Box<str>>| uid.as_deref().is_some_and(|uid| self.is_own(uid));
        Ok(match A::decode(label, &place.namespace, message)? {
            Message::Emission(emission) => {
                self.counters.broadcasts.one();
                self.look_for_gap(&place, &emission);
                let source = self.source(&emission, channel, message);
                Some(Received::Emission { place, emission, source })
            }
            Message::Ask { uid, .. } | Message::Goodbye { uid, .. } if is_own(&uid) => None,
            Message::Ask { uid, ask, to } => {
                self.counters.requests.one();
                let reply = to.map(|to| Reply::new(self, &place, uid, to));
                Some(Received::Ask { place, ask, reply })
            }
            Message::Goodbye { uid, stayed } => {
                self.counters.requests.one();
                uid.iter().for_each(|uid| place.goodbye(uid, stayed));
                None
            }
            Message::Answer { id, answer, extent, bytes } => {
                self.answered(&id, answer, extent, bytes);
                None
            }
        })
    }

    /// What an event is known by. Without recovery nobody asks.
    fn source(&self, emission: &Emission, channel: &str, message: &[u8]) -> Source {
        let is_asked = self.is_numbered() && !emission.manner.volatile;
        if is_asked { Source::of(emission.serial, channel, message) } else { Source::Here }
    }

    /// Counts and logs events of another server that did not come, as the number of this one tells.
    fn look_for_gap(&self, place: &Place<A>, emission: &Emission) {
        let Some(serial) = emission.serial.filter(|_| self.is_numbered()) else { return };
        let missing = place.note(serial);
        if missing > 0 {
            self.counters.gaps.one();
            GAPS.write(|| {
                format!("{missing} event(s) of another server in {:?} did not come: Redis, or a connection to it, was away or overburdened", Excerpt(&place.namespace))
            });
        }
    }

    /// Counts and logs a dropped message. Its publisher, perhaps in another language, does not notice.
    fn drop_message(&self, channel: &str, reason: DropReason, error: &dyn Error) {
        self.counters.dropped(reason);
        if let Some(kind) = DROPPED.get(reason as usize) {
            kind.write(|| {
                format!("a message on {:?} was dropped ({}): {}", Excerpt(channel), reason.as_str(), Excerpt(error))
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::classic::Classic;
    use crate::cluster::peers::OwnInstance;
    use crate::cluster::redis::Topic;
    use crate::config::{Config, RedisSecurity, RedisServer};

    /// A member of `/` whose Redis is not there.
    fn member() -> Arc<Membership<Classic>> {
        let redis = Some(RedisServer::new("127.0.0.1", 9, RedisSecurity::Plain));
        let config = Config { redis, ..Config::default() };
        let own = Arc::new(OwnInstance::draw().unwrap());
        Membership::start(&config, &own, ["/"], |_| (), |_| ()).unwrap().unwrap()
    }

    /// Receives a message on a channel of `/`, where only the room `here` may have members.
    fn hear(member: &Arc<Membership<Classic>>, channel: &str, message: &[u8]) -> Option<Received<Classic>> {
        let topic = match channel.contains("-request") {
            true => Topic::channel(channel.to_owned()),
            false => Topic::pattern("socket.io#/#*"),
        };
        let (channel, payload) = (channel.to_owned().into(), Bytes::copy_from_slice(message));
        member.receive(Incoming::Message { topic, channel, payload }, |_, room| room == "here")
    }

    fn counted(member: &Membership<Classic>) -> [u64; 4] {
        let metrics = member.metrics();
        let dropped = metrics.dropped.iter().map(|(_, count)| count).sum();
        [metrics.broadcasts, metrics.requests, metrics.passed_over, dropped]
    }

    #[test]
    fn a_message_for_nobody_here_or_from_here_is_not_decoded() {
        let member = member();
        let own = member.member_place("/").unwrap().uid.clone();
        let unreadable = |uid: &str| [&[0x93, 0xa0 + uid.len() as u8], uid.as_bytes(), b"no packet"].concat();
        assert!(hear(&member, "socket.io#/#elsewhere#", b"anything").is_none());
        assert!(hear(&member, "socket.io#/#here#", &unreadable(&own)).is_none());
        assert_eq!(counted(&member), [0, 0, 2, 0]);
        assert!(hear(&member, "socket.io#/#here#", &unreadable("9y1JGY")).is_none());
        assert_eq!(counted(&member), [0, 0, 2, 1]);
    }

    #[test]
    fn an_event_belongs_to_the_namespace_of_its_channel() {
        let member = member();
        let event = |namespace: &str| {
            let namespace = [&[0xa0 + namespace.len() as u8], namespace.as_bytes()].concat();
            [b"\x93\xa39y1\x83\xa4type\x02\xa4data\x91\xa1x\xa3nsp", &*namespace, b"\x80"].concat()
        };
        let Some(Received::Emission { place, emission, .. }) = hear(&member, "socket.io#/#", &event("/")) else {
            panic!("an event")
        };
        assert_eq!((&*place.namespace, &*emission.event.name), ("/", "x"));
        assert!(hear(&member, "socket.io#/#", &event("/chat")).is_none());
        assert_eq!(counted(&member), [1, 0, 0, 1]);
    }

    #[test]
    fn a_question_of_this_server_itself_is_ignored() {
        let member = member();
        let own = member.member_place("/").unwrap().uid.clone();
        let rooms = |uid: &str| format!(r#"{{"uid":"{uid}","requestId":"r","type":1}}"#);
        assert!(hear(&member, "socket.io-request#/#", rooms(&own).as_bytes()).is_none());
        assert_eq!(counted(&member), [0, 0, 0, 0]);
        let heard = hear(&member, "socket.io-request#/#", rooms("9y1JGY").as_bytes());
        assert!(matches!(heard, Some(Received::Ask { ask: Ask::Rooms, reply: Some(_), .. })));
        assert_eq!(counted(&member), [0, 1, 0, 0]);
        // A question that comes after this server has left the namespace is answered, too.
        drop(member.leave("/"));
        let heard = hear(&member, "socket.io-request#/#", rooms("9y1JGY").as_bytes());
        assert!(matches!(heard, Some(Received::Ask { reply: Some(_), .. })));
        assert!(hear(&member, "socket.io#/#", b"anything").is_none());
        assert_eq!(counted(&member), [0, 2, 0, 0]);
    }
}
