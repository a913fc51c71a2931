//! What comes to a session: packets by either transport, and what they mean.

use std::time::Duration;

use serde_json::Value;

use super::super::http;
use super::super::packet::Packet;
use super::super::polling::News;
use super::super::websocket::{self, Frame};
use super::{End, Open, Session, Suspicion, Transport};
use crate::shard::tests::simulation::network::Network;

impl Session {
    pub(super) fn fetch(&mut self) -> Vec<Packet> {
        let Transport::Polling(polling) = &mut self.transport else { return Vec::new() };
        match polling.posted() {
            News::Refused(status) => self.end = Some(End::Refused(status)),
            News::Lost => self.end = Some(End::Lost),
            News::Nothing | News::Packets(_) => {}
        }
        match polling.fetched() {
            News::Nothing => Vec::new(),
            News::Refused(status) => {
                self.end = Some(End::Refused(status));
                Vec::new()
            }
            News::Lost => {
                self.end = Some(End::Lost);
                Vec::new()
            }
            News::Packets(packets) => {
                let goes_on = !packets.contains(&Packet::text("1"));
                match self.suspicion {
                    Suspicion::Fetches if goes_on => self.suspicion = Suspicion::HasFetched,
                    Suspicion::HasFetched if goes_on => panic!("an upgrade failed for no reason: {}", self.describe()),
                    _ => {}
                }
                packets
            }
        }
    }

    pub(super) fn read(&mut self) -> Vec<Packet> {
        let Transport::WebSocket(link, is_granted) = &mut self.transport else { return Vec::new() };
        if !*is_granted {
            match http::take_head(&mut link.received) {
                Some(101) => *is_granted = true,
                Some(status) => self.end = Some(End::Refused(status)),
                None => {}
            }
        }
        let mut packets = Vec::new();
        while *is_granted && self.end.is_none() {
            match websocket::take_frame(&mut link.received) {
                Some(Frame::Packet(packet)) if self.is_old => packets.push(packet.without_type()),
                Some(Frame::Packet(packet)) => packets.push(packet),
                Some(Frame::Close) => self.end = Some(End::Closed),
                None => break,
            }
        }
        if self.end.is_none() && link.is_closed() {
            self.end = Some(End::Lost);
        }
        packets
    }

    /// Acts on a packet. Gives the message, if it is one.
    pub(super) fn packet(&mut self, packet: Packet, network: &mut Network<'_>) -> Option<Packet> {
        let Packet::Text(text) = packet else { return Some(packet) };
        match text.split_at(1) {
            ("0", open) => self.opened(open),
            ("1", _) => self.end = Some(End::Closed),
            ("2", _) if !self.is_old => self.heard_heartbeat(network),
            ("3", _) if self.is_old => self.heard_heartbeat(network),
            ("4", message) => return Some(Packet::text(message)),
            ("6", _) => {}
            other => panic!("a packet {other:?}"),
        }
        None
    }

    fn heard_heartbeat(&mut self, network: &mut Network<'_>) {
        let delay = self.delay_of_heartbeat(network);
        let interval = self.open.as_ref().map_or(Duration::ZERO, |open| open.ping_interval);
        self.heartbeat.hear(interval, delay);
    }

    /// How late its own heartbeat is: some are so late that the server may give up waiting, and some never come.
    fn delay_of_heartbeat(&mut self, network: &mut Network<'_>) -> Duration {
        let timeout = network.plan.ping_timeout;
        let delay = match network.random.below(8) {
            _ if !network.plan.late_pongs => 0,
            0 => timeout * 100,
            1 | 2 => network.random.below(2 * timeout),
            _ => 0,
        };
        if delay >= timeout / 3 {
            self.excuses.silent();
        }
        Duration::from_millis(delay)
    }

    fn opened(&mut self, open: &str) {
        let open: Value = serde_json::from_str(open).unwrap();
        let millis = |name: &str| Duration::from_millis(open[name].as_u64().unwrap());
        let ping_interval = millis("pingInterval");
        self.heartbeat.begin(ping_interval);
        self.open = Some(Open {
            sid: open["sid"].as_str().unwrap().to_owned(),
            ping_interval,
            ping_timeout: millis("pingTimeout"),
            max_payload: open["maxPayload"].as_u64().unwrap() as usize,
            offers_upgrade: open["upgrades"][0] == "websocket",
        });
    }
}
