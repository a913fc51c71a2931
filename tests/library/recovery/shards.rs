//! Clients that come back to another shard, at any time.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use kinglet::engineio::Sid;
use kinglet::{Config, Limits};

use super::{Answer, enter, event, on, start};
use crate::support::{Handled, Server, WebSocket, receive};

pub(super) fn shard(sid: &str) -> u8 {
    Sid::parse(sid).expect("a sid").shard
}

/// A server of two shards that a test can block.
pub(super) struct Busy {
    pub(super) server: Server,
    /// Reports that a shard is blocked.
    held: Receiver<()>,
    /// Lets the blocked shard go on.
    go_on: Sender<()>,
}

impl Busy {
    pub(super) fn start() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        let ((hold, held), (go_on, wait)) = (channel(), channel());
        let wait = Mutex::new(wait);
        let server = Server::start(Config { limits, ..on(2) }, |server| {
            let namespace = server.of("/");
            namespace.on_connect(|socket| socket.emit("welcome", socket.recovered()));
            namespace.on("hold", move |_, _| -> Handled {
                hold.send(())?;
                Ok(wait.lock().expect("one at a time").recv()?)
            });
        });
        Self { server, held, go_on }
    }

    /// A session of that shard that has not joined a namespace yet.
    pub(super) fn open(&self, on: u8) -> WebSocket {
        loop {
            // The kernel chooses the shard by the ports.
            let (ws, sid) = WebSocket::open(&self.server);
            if shard(&sid) == on {
                return ws;
            }
        }
    }

    /// A client of that shard; its ids, and the offset of its welcome.
    pub(super) fn connect(&self, on: u8) -> (WebSocket, Answer, String) {
        let mut ws = self.open(on);
        ws.send_text("40");
        let answer = Answer::parse(&ws.text());
        let offset = event(&mut ws, r#"42["welcome",false]"#);
        (ws, answer, offset)
    }

    /// Blocks the shard of that client.
    pub(super) fn hold(&self, client: &mut WebSocket) {
        client.send_text(r#"42["hold"]"#);
        receive(&self.held);
    }

    pub(super) fn let_go(&self) {
        self.go_on.send(()).expect("a shard that waits");
    }
}

/// A client of shard 0 is lost. Shard 1 is held up, and has yet to hear what was sent since.
pub(super) struct Behind {
    pub(super) busy: Busy,
    /// The ids of the lost client, and the offset of its welcome.
    pub(super) first: Answer,
    pub(super) offset: String,
    /// How many sessions there were with it.
    pub(super) sessions: u64,
    /// A client of shard 0, and the one that holds shard 1 up.
    pub(super) witness: WebSocket,
    pub(super) holder: WebSocket,
    /// Sessions of shard 1 that have not joined a namespace yet.
    pub(super) unjoined: [WebSocket; 2],
}

impl Behind {
    pub(super) fn start() -> Self {
        let busy = Busy::start();
        let (lost, first, offset) = busy.connect(0);
        let (mut witness, ..) = busy.connect(0);
        let (mut holder, ..) = busy.connect(1);
        let unjoined = [busy.open(1), busy.open(1)];
        let sessions = busy.server.metrics().sessions;
        drop(lost);
        busy.server.wait_until("lost", |metrics| metrics.sessions < sessions);
        busy.hold(&mut holder);
        busy.server.handle().emit("while held up", ()).expect("an event");
        event(&mut witness, r#"42["while held up"]"#);
        Self { busy, first, offset, sessions, witness, holder, unjoined }
    }
}

#[test]
fn a_client_may_be_back_before_its_shard_notices_the_loss() {
    let busy = Busy::start();
    let (lost, first, offset) = busy.connect(0);
    let (mut holder, ..) = busy.connect(0);
    let mut back = busy.open(1);
    busy.hold(&mut holder);
    drop(lost);
    let before = busy.server.metrics().received;
    back.send_text(&first.claim(&offset));
    busy.server.wait_until("asked", |metrics| metrics.received > before);
    busy.let_go();
    assert_eq!(Answer::parse(&back.text()).sid, first.sid);
    event(&mut back, r#"42["welcome",true]"#);
}

#[test]
fn a_shard_that_is_behind_catches_up_before_a_client_is_back() {
    let Behind { busy, first, offset, sessions, mut witness, mut holder, unjoined } = Behind::start();
    let [mut gone_again, mut back] = unjoined;
    // A client that comes back leaves again while it waits. Its lost socket stays for its next return.
    gone_again.send_text(&first.claim(&offset));
    drop(gone_again);
    busy.let_go();
    event(&mut holder, r#"42["while held up"]"#);
    busy.server.wait_until("gone again", |metrics| metrics.sessions < sessions - 1);
    busy.hold(&mut holder);
    busy.server.handle().emit("again", ()).expect("an event");
    event(&mut witness, r#"42["again"]"#);
    back.send_text(&first.claim(&offset));
    busy.let_go();
    let mut packets = Vec::new();
    while !packets.last().is_some_and(|packet: &String| packet.starts_with("42[\"welcome\"")) {
        packets.push(back.text());
    }
    let of = |name: &str| packets.iter().filter(|packet| packet.starts_with(&format!("42[\"{name}\""))).count();
    assert_eq!((of("while held up"), of("again"), packets.len()), (1, 1, 4), "{packets:?}");
    assert_eq!(Answer::parse(&packets[2]).sid, first.sid);
}

#[test]
fn a_shard_does_not_wait_for_a_thread_that_waits_for_another_server() {
    let busy = Busy::with(Limits { inbox: 1, ..Limits::default() });
    let (mut holder, ..) = busy.connect(0);
    let passed_on = busy.server.handle().of("/");
    let other = Server::start(on(1), |server| {
        server.of("/").on("pass on", move |_, event| -> Handled {
            passed_on.emit("passed on", ())?;
            Ok(event.ack(())?)
        });
    });
    busy.hold(&mut holder);
    let everybody = busy.server.handle().of("/");
    let (first, sent) = channel();
    let thread = std::thread::spawn(move || {
        everybody.emit("first", ()).expect("an event");
        first.send(()).expect("a test that waits");
        everybody.emit("when there is room", ()).expect("an event");
    });
    receive(&sent);
    let (mut client, _) = WebSocket::open(&other);
    client.send_text("40");
    Answer::parse(&client.text());
    for id in 0..100 {
        client.send_text(&format!(r#"42{id}["pass on"]"#));
        client.expect_text(&format!("43{id}[]"));
    }
    busy.let_go();
    thread.join().expect("there is room");
}

#[test]
fn a_socket_that_came_back_is_reached_as_before() {
    let (server, heard) = start(on(2));
    let shard = |sid: &str| Sid::parse(sid).expect("a sid").shard;
    let mut ws = enter(&server, "40");
    let first = Answer::parse(&ws.text());
    ws.send_text(r#"42["direct",0]"#);
    let mut offset = event(&mut ws, r#"42["direct",0]"#);
    drop(ws);
    receive(&heard);
    let mut places = HashSet::new();
    for round in 1.. {
        assert_eq!(receive(&heard), "transport close");
        server.handle().to(&first.sid).emit("while away", round).expect("an event");
        let (mut ws, session) = WebSocket::open(&server);
        ws.send_text(&first.claim(&offset));
        event(&mut ws, &format!(r#"42["while away",{round}]"#));
        assert_eq!(Answer::parse(&ws.text()).sid, first.sid);
        assert_eq!(receive(&heard), r#"true 2 {"n":1}"#);
        // An acknowledgement finds it; it is in its rooms; its broadcasts leave it out.
        ws.send_text(r#"427["ask"]"#);
        ws.expect_text(&format!(r#"437[["{}","room1"]]"#, first.sid));
        server.handle().to(&first.sid).emit("to its id", ()).expect("an event");
        event(&mut ws, r#"42["to its id"]"#);
        server.handle().of("/").except(&first.sid).emit("not to it", ()).expect("an event");
        server.handle().to("room1").emit("to its room", ()).expect("an event");
        event(&mut ws, r#"42["to its room"]"#);
        let rooms = server.all_rooms("/");
        assert_eq!(rooms.iter().filter(|room| **room == first.sid).count(), 1, "{rooms:?}");
        assert_eq!(rooms.len(), 2, "{rooms:?}");
        ws.send_text(r#"42["direct",5]"#);
        offset = event(&mut ws, r#"42["direct",5]"#);
        // The last broadcast is its own, so it did not miss that.
        ws.send_text(r#"428["ask"]"#);
        ws.expect_text(&format!(r#"438[["{}","room1"]]"#, first.sid));
        drop(ws);
        // The kernel chooses the shard: a few rounds see both, and changes between them.
        places.insert(shard(&session));
        if places.len() == 2 && round > 5 {
            break;
        }
    }
}

#[test]
fn broadcasts_of_several_threads_go_on_while_a_client_comes_and_goes() {
    const ROUNDS: u32 = 40;
    const EACH: u32 = 50;
    // The client reads so little that its missed events exceed the default share of one socket.
    let limits = Limits { recovery_packets: 256 * 1024 * 1024, ..Limits::default() };
    let (server, heard) = start(Config { limits, ..on(4) });
    let senders = ["a", "b"].map(|name| {
        let (go, rounds) = channel::<u32>();
        let everybody = server.handle().of("/");
        let thread = std::thread::spawn(move || {
            for round in rounds {
                for number in 0..EACH {
                    everybody.emit(name, round * EACH + number).expect("an event");
                }
            }
        });
        (go, thread)
    });
    let mut ws = enter(&server, "40");
    let first = Answer::parse(&ws.text());
    receive(&heard);
    ws.send_text(r#"42["direct",1]"#);
    let mut offset = event(&mut ws, r#"42["direct",1]"#);
    let mut received = [0, 0];
    // Everything that is read counts as received. The answer to the CONNECT comes in between.
    let mut read = |ws: &mut WebSocket, offset: &mut String| {
        let packet = ws.text();
        let Some(json) = packet.strip_prefix("42") else {
            assert_eq!(Answer::parse(&packet).sid, first.sid);
            return received;
        };
        let (name, number, at): (String, u32, String) = serde_json::from_str(json).expect("an event");
        let count = &mut received[usize::from(name == "b")];
        assert_eq!(*count, number, "the next of {name}");
        *count += 1;
        *offset = at;
        received
    };
    for round in 0..ROUNDS {
        senders.iter().for_each(|(go, _)| go.send(round).expect("a sender"));
        for _ in 0..=round {
            read(&mut ws, &mut offset);
        }
        drop(ws);
        assert!(receive(&heard).starts_with("transport "));
        ws = WebSocket::open(&server).0;
        ws.send_text(&first.claim(&offset));
        assert_eq!(receive(&heard), r#"true 2 {"n":1}"#);
    }
    while read(&mut ws, &mut offset) != [ROUNDS * EACH; 2] {}
    for (go, thread) in senders {
        drop(go);
        thread.join().expect("a sender");
    }
}
