//! What runs inside a shard: frames in, events to their handlers, answers, fan-out.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use kinglet::{Config, Running, Server, socketio};

use crate::clients::{Client, masked};
use crate::codecs::{JSON, MESSAGE};
use crate::{Case, Step, Thread};

/// Frames in one write, where a read is shared.
const TOGETHER: usize = 64;
/// Sockets that hear a broadcast.
const RECEIVERS: usize = 1000;
/// Messages that are due at once.
const BURST: usize = 10;

pub const CASES: &[Case] = &[
    case("a frame in, alone", 1, 400, || frames_in(1)),
    case("a frame in, of 64 in a read", TOGETHER, 20, || frames_in(TOGETHER)),
    case("an event to its handler, alone", 1, 400, || events_in(1)),
    case("an event to its handler, of 64 in a read", TOGETHER, 20, || events_in(TOGETHER)),
    case("an event and its acknowledgement", 1, 400, round_trip),
    case("a delivery, of a message to 1,000", RECEIVERS, 5, || fan_out(1)),
    case("a delivery, of ten due at once to 1,000", RECEIVERS * BURST, 5, || fan_out(BURST)),
];

const fn case(name: &'static str, operations: usize, steps: u64, prepare: fn() -> io::Result<Step>) -> Case {
    Case { name, thread: Thread::Shard, operations: operations as u64, steps, prepare }
}

/// A running server, which stops with its case.
struct Started(Option<Running>);

impl Started {
    fn new(declare: impl FnOnce(&mut Server)) -> kinglet::Result<Self> {
        // No ping falls into a measurement.
        let ping_interval = Duration::from_secs(24 * 60 * 60);
        let address = Ipv4Addr::LOCALHOST.into();
        let config = Config { address, port: 0, shards: Some(1), ping_interval, ..Config::default() };
        let mut server = Server::new(config)?;
        declare(&mut server);
        Ok(Self(Some(server.start()?)))
    }

    fn client(&self, open: impl Fn(std::net::SocketAddr) -> io::Result<Client>) -> io::Result<Client> {
        let running = self.0.as_ref().ok_or_else(|| io::Error::other("the server has stopped"))?;
        open(running.address())
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(running) = self.0.take() {
            running.handle().close();
            let _ = running.join();
        }
    }
}

/// Counts what handlers have yet to hear, so that no answer need be sent. It costs a subtraction, and a wake-up with the
/// last of the messages sent together.
struct Awaited {
    messages: AtomicUsize,
    waiting: thread::Thread,
}

impl Awaited {
    fn new() -> Arc<Self> {
        Arc::new(Self { messages: AtomicUsize::new(0), waiting: thread::current() })
    }

    fn heard(&self) {
        if self.messages.fetch_sub(1, Ordering::Release) == 1 {
            self.waiting.unpark();
        }
    }

    /// Has so many messages sent at once, and waits until they have been heard.
    fn send(&self, client: &mut Client, frames: &[u8], messages: usize) -> io::Result<()> {
        self.messages.store(messages, Ordering::Relaxed);
        client.send(frames)?;
        while self.messages.load(Ordering::Acquire) > 0 {
            thread::park();
        }
        Ok(())
    }
}

/// Messages to the handler of a bare Engine.IO server: frames, and nothing of Socket.IO.
fn frames_in(together: usize) -> io::Result<Step> {
    let awaited = Awaited::new();
    let heard = Arc::clone(&awaited);
    let server = Started::new(|server| {
        server.on_message(move |_, _| heard.heard());
    });
    let server = server.map_err(io::Error::other)?;
    let mut client = server.client(Client::open)?;
    let frames = masked(MESSAGE).repeat(together);
    Ok(Box::new(move || {
        let _running = &server;
        awaited.send(&mut client, &frames, together)
    }))
}

fn events_in(together: usize) -> io::Result<Step> {
    let awaited = Awaited::new();
    let heard = Arc::clone(&awaited);
    let server = Started::new(|server| {
        server.of("/").on("message-from-client", move |_, _| heard.heard());
    });
    let server = server.map_err(io::Error::other)?;
    let mut client = server.client(Client::join)?;
    let frames = masked(MESSAGE).repeat(together);
    Ok(Box::new(move || {
        let _running = &server;
        awaited.send(&mut client, &frames, together)
    }))
}

fn round_trip() -> io::Result<Step> {
    let server = Started::new(|server| {
        server.of("/").on("message-from-client", |_, event| event.ack("ok"));
    });
    let server = server.map_err(io::Error::other)?;
    let mut client = server.client(Client::join)?;
    let question = masked(&format!("427{JSON}"));
    let answer = socketio::ack("/", 7, "[\"ok\"]", &[]);
    let mut room = vec![0; answer.len()];
    Ok(Box::new(move || {
        let _running = &server;
        client.send(&question)?;
        client.expect(answer.bytes(), &mut room)
    }))
}

/// One client sends, all others hear it.
fn fan_out(burst: usize) -> io::Result<Step> {
    let server = Started::new(|server| {
        server.of("/").on("message-from-client", |socket, event| socket.broadcast().relay(event));
    });
    let server = server.map_err(io::Error::other)?;
    let mut sender = server.client(Client::join)?;
    let receivers: io::Result<Vec<_>> = (0..RECEIVERS).map(|_| server.client(Client::join)).collect();
    let mut receivers = receivers?;
    let frames = masked(MESSAGE).repeat(burst);
    let deliveries = socketio::event("/", None, JSON, &[]).bytes().repeat(burst);
    let mut room = vec![0; deliveries.len()];
    Ok(Box::new(move || {
        let _running = &server;
        sender.send(&frames)?;
        receivers.iter_mut().try_for_each(|receiver| receiver.expect(&deliveries, &mut room))
    }))
}
