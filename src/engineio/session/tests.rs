//! A session on a bench: a fake clock, named transports, the effects laid out to look at.

use super::*;
use Effect::{Accept, Answer, Beat, Closed, Cut, Left, Refuse, Send, Shut};

mod closing;
mod frozen;
mod heartbeat;
mod interleavings;
mod polling;
mod protocol_3;
mod upgrade;

const GET: u32 = 1;
const GET_2: u32 = 2;
const POST: u32 = 3;
const POST_2: u32 = 4;
const WEBSOCKET: u32 = 5;
const WEBSOCKET_2: u32 = 6;

struct Bench {
    session: Session<u32>,
    settings: Settings,
    now: Millis,
    effects: Vec<Effect<u32>>,
}

impl Bench {
    /// A session that began on polling at instant 0 and has joined a namespace.
    fn polling() -> Self {
        let settings = Settings::default();
        Self::joined(Session::polling(Millis(0), Encoding::V4, &settings), settings)
    }

    /// A session that began on `WEBSOCKET` at instant 0 and has joined a namespace.
    fn websocket() -> Self {
        let settings = Settings::default();
        Self::joined(Session::websocket(Millis(0), WEBSOCKET, Encoding::V4, &settings), settings)
    }

    fn joined(mut session: Session<u32>, settings: Settings) -> Self {
        session.joined();
        Self { session, settings, now: Millis(0), effects: Vec::new() }
    }

    /// A polling session that `WEBSOCKET` is probing since instant 0.
    fn probing() -> Self {
        let mut bench = Self::polling();
        bench.open(WEBSOCKET);
        assert_eq!(bench.receive(WEBSOCKET, Packet::Ping("probe")), None);
        assert_eq!(bench.take(), [Send(WEBSOCKET, Frames::PROBE)]);
        bench
    }

    /// The effects since the last look.
    fn take(&mut self) -> Vec<Effect<u32>> {
        std::mem::take(&mut self.effects)
    }

    fn poll(&mut self, get: u32) {
        self.session.poll(self.now, get, &self.settings, &mut self.effects);
    }

    fn post(&mut self, post: u32, packets: impl IntoIterator<Item = Packet<'static>>) {
        self.session.post_begin(post, &mut self.effects);
        self.session.post_read(post);
        for packet in packets {
            self.receive(post, packet);
        }
        self.session.post_accept(post, &mut self.effects);
    }

    fn open(&mut self, websocket: u32) {
        self.session.websocket_opened(self.now, websocket, &self.settings, &mut self.effects);
    }

    fn receive(&mut self, from: u32, packet: Packet<'static>) -> Option<Inbound<'static>> {
        self.session.receive(self.now, from, packet, &self.settings, &mut self.effects)
    }

    /// A message from the layer above, and the end of the turn.
    fn emit(&mut self, message: &str) {
        match self.session.route() {
            Route::WebSocket(websocket) => self.effects.push(Send(websocket, text(message))),
            Route::Translated(websocket, encoding) => {
                self.effects.push(Send(websocket, encoding.frames(&text(message))));
            }
            Route::Queue => self.enqueue(text(message)),
            Route::Gone => {}
        }
        self.flush();
    }

    fn enqueue(&mut self, frames: Frames) {
        self.session.enqueue(self.now, frames, &self.settings);
    }

    fn flush(&mut self) {
        self.session.flush(self.now, &self.settings, &mut self.effects);
    }

    fn close(&mut self) {
        self.session.close(self.now, &self.settings, &mut self.effects);
    }

    /// Lets time pass up to `instant`, waking the session exactly when it asked for it.
    /// The client's heartbeat is missing at that instant, and it shows life otherwise.
    fn shows_life(&mut self, instant: u64) {
        self.now = Millis(instant);
        assert!(self.session.is_missed(self.now));
        self.session.sign_of_life(self.now, &self.settings, &mut self.effects);
        self.wait_until(instant);
    }

    fn wait_until(&mut self, instant: u64) {
        while let Some(deadline) = self.session.deadline().filter(|deadline| deadline.0 <= instant) {
            self.now = self.now.max(deadline);
            self.session.tick(self.now, &self.settings, &mut self.effects);
            assert!(self.session.deadline().is_none_or(|next| next > self.now));
        }
        self.now = Millis(instant);
    }

    fn is_open(&self) -> bool {
        self.session.route() != Route::Gone
    }
}

impl Default for Bench {
    fn default() -> Self {
        Self::polling()
    }
}

fn text(packet: &str) -> Frames {
    Frames::text(packet.as_bytes())
}

fn answer(get: u32, packets: &[&str]) -> Effect<u32> {
    Answer(get, packets.iter().map(|packet| text(packet)).collect())
}

#[test]
fn a_settled_session_is_small() {
    assert!(size_of::<Session<u32>>() <= 72, "{}", size_of::<Session<u32>>());
}

#[test]
fn messages_reach_the_layer_above() {
    let mut bench = Bench::websocket();
    assert_eq!(bench.receive(WEBSOCKET, Packet::Text("2[]")), Some(Inbound::Text("2[]")));
    assert_eq!(bench.receive(WEBSOCKET, Packet::Binary("1".into())), Some(Inbound::Binary("1".into())));
    assert_eq!(bench.receive(WEBSOCKET_2, Packet::Text("2[]")), None);
    assert_eq!(bench.take(), []);
}

#[test]
fn the_queue_counts_its_bytes() {
    let mut bench = Bench::polling();
    bench.emit("4a");
    bench.emit("4bc");
    assert_eq!(bench.session.queued_bytes(), 4 + 5 + 2 * 64);
    bench.poll(GET);
    assert_eq!(bench.session.queued_bytes(), 0);
}

#[test]
fn polling_is_writable_while_a_get_is_held_and_nothing_waits() {
    let mut bench = Bench::polling();
    assert!(!bench.session.is_writable());
    bench.poll(GET);
    assert!(bench.session.is_writable());
    bench.enqueue(text("4a"));
    assert!(!bench.session.is_writable());
}
