//! POSTs that were read whole: their packets are handled, and they are answered, at once or later.

use std::rc::Rc;

use bytestring::ByteString;

use super::Shard;
use super::allowance::Verdict;
use super::application::SessionRef;
use super::connection::{Connection, HttpState, NEVER, Waiting};
use super::core::Core;
use super::keys::ConnectionKey;
use crate::engineio::{Encoding, Packet, ParseError, PayloadKind, Reason, payload, v3};

impl Shard {
    /// Handles the body of a POST.
    pub(crate) fn post_body(self: &Rc<Self>, key: ConnectionKey, body: &[u8]) {
        let Some((session, kind)) = self.core.borrow_mut().post_being_read(key) else { return };
        let mut core = self.core.borrow_mut();
        core.session(session, |session, _, _, _| session.post_read(key));
        core.charge(session, 0, body.len());
        let (encoding, session) = (core.encoding(session), core.session_ref(session));
        drop(core);
        let Some(session) = session else { return self.core.borrow_mut().answer_post(key) };
        let text = || ByteString::from(&*String::from_utf8_lossy(body));
        match (encoding, kind) {
            (Encoding::V4, _) => self.post_packets(key, session, Some(text())),
            (Encoding::V3 | Encoding::V3Base64, PayloadKind::Text) => {
                let text = text();
                self.old_packets(key, session, v3::decode_text_payload(&text), Some(&text));
            }
            (Encoding::V3 | Encoding::V3Base64, PayloadKind::Binary) => {
                self.old_packets(key, session, v3::decode_binary_payload(body), None);
            }
        }
    }

    /// Handles as many packets of a payload as its client may send now; the rest, and the answer, wait.
    fn post_packets(self: &Rc<Self>, key: ConnectionKey, session: SessionRef, body: Option<ByteString>) {
        let Some(body) = body else { return self.core.borrow_mut().accept_post(key, session) };
        let mut packets = payload::decode(&body);
        let mut verdict = Verdict::GoOn;
        while verdict == Verdict::GoOn
            && let Some(packet) = packets.next()
        {
            self.post_packet(session.key, key, packet, Some(&body));
            verdict = self.core.borrow_mut().charge(session.key, 1, 0);
        }
        let rest = packets.rest().map(|rest| body.slice_ref(rest));
        self.core.borrow_mut().post_judged(key, session, verdict, rest);
    }

    /// Handles the packets of a payload of protocol 3; only the answer may have to wait.
    fn old_packets<'a>(
        self: &Rc<Self>,
        key: ConnectionKey,
        session: SessionRef,
        packets: impl Iterator<Item = Result<Packet<'a>, ParseError>>,
        whole: Option<&ByteString>,
    ) {
        let mut count = 0;
        for packet in packets {
            self.post_packet(session.key, key, packet, whole);
            count += 1;
        }
        let mut core = self.core.borrow_mut();
        let verdict = core.charge(session.key, count, 0);
        core.post_judged(key, session, verdict, None);
    }

    /// Goes on with a POST whose client was held up, unless the session has ended, which answers it.
    fn resume_post(self: &Rc<Self>, key: ConnectionKey, session: SessionRef) {
        let Some(rest) = self.core.borrow_mut().take_waiting(key, session) else { return };
        self.served(key, |shard| shard.post_packets(key, session, rest));
        self.run_calls();
    }
}

impl Core {
    fn post_judged(&mut self, key: ConnectionKey, session: SessionRef, verdict: Verdict, rest: Option<ByteString>) {
        match verdict {
            Verdict::GoOn => self.accept_post(key, session),
            Verdict::HoldUp(until, _) => {
                self.kept += rest.as_ref().map_or(0, |rest| rest.len());
                self.wait_with_post(key, session, rest);
                self.arm_alarm(until, move |shard| shard.resume_post(key, session));
            }
            Verdict::Close(limit) => {
                log::debug!("session {}: closed, as it was held up too long ({limit})", session.key.0);
                self.session(session.key, |session, _, _, effects| session.abort(Reason::TransportError, effects));
                self.answer_post(key);
            }
        }
    }

    /// All packets are handled: the POST is answered, or its session does so later.
    fn accept_post(&mut self, key: ConnectionKey, session: SessionRef) {
        let later = self.session(session.key, |session, _, _, effects| session.post_accept(key, effects));
        if later == Some(true) {
            self.wait_with_post(key, session, None);
        } else {
            self.answer_post(key);
        }
    }

    fn wait_with_post(&mut self, key: ConnectionKey, session: SessionRef, rest: Option<ByteString>) {
        let Some(http) = self.connections.get_mut(key.0).and_then(Connection::http) else { return };
        // What the packets led to may have ended the session, which has answered then.
        if matches!(http.state, HttpState::Post(_) | HttpState::Waiting(_)) {
            http.state = HttpState::Waiting(Box::new(Waiting { session, rest }));
            self.set_deadline(key, NEVER);
        }
    }

    /// The packets that are still to be handled of a POST that waits: of this session's, on this connection.
    fn take_waiting(&mut self, key: ConnectionKey, session: SessionRef) -> Option<Option<ByteString>> {
        match &mut self.connections.get_mut(key.0).and_then(Connection::http)?.state {
            HttpState::Waiting(waiting) if waiting.session == session => Some(waiting.rest.take()),
            _ => None,
        }
    }
}
