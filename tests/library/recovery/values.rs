//! What a program keeps with a socket, while its client is away and when it is back.

use std::collections::HashSet;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use kinglet::engineio::Sid;
use kinglet::{Config, Limits, Recovery};

use super::{Answer, enter, event, on};
use crate::support::{Handled, Server, WebSocket, receive};

/// A value that tells when it is dropped.
struct Guard(Sender<&'static str>);

impl Drop for Guard {
    fn drop(&mut self) {
        // At the end of the test, nobody hears it.
        let _ = self.0.send("dropped");
    }
}

/// A server that keeps a value with each new socket. It tells how sockets come and go, if they have the value, and when a value
/// is dropped.
fn start(config: Config) -> (Server, Receiver<&'static str>) {
    let (tell, told) = channel();
    let server = Server::start(config, |server| {
        let left = tell.clone();
        server
            .of("/")
            .on_connect(move |socket| -> Handled {
                if !socket.recovered() {
                    socket.insert(Guard(tell.clone()));
                }
                if socket.get::<Guard>().is_some() {
                    tell.send(if socket.recovered() { "back" } else { "new" })?;
                }
                Ok(socket.emit("welcome", socket.recovered())?)
            })
            .on_disconnect(move |socket, _| -> Handled {
                if socket.get::<Guard>().is_some() {
                    left.send("left")?;
                }
                Ok(())
            });
    });
    (server, told)
}

/// A new client; also its ids and the offset of its welcome.
fn join(server: &Server) -> (WebSocket, Answer, String) {
    let mut ws = enter(server, "40");
    let answer = Answer::parse(&ws.text());
    let offset = event(&mut ws, r#"42["welcome",false]"#);
    (ws, answer, offset)
}

#[test]
fn a_socket_that_comes_back_has_its_values_on_any_shard() {
    let (server, told) = start(on(2));
    let (mut ws, mut answer, mut offset) = join(&server);
    assert_eq!(receive(&told), "new");
    let mut shards = HashSet::new();
    while shards.len() < 2 {
        drop(ws);
        assert_eq!(receive(&told), "left");
        // The kernel chooses the shard.
        let (again, session) = WebSocket::open(&server);
        ws = again;
        ws.send_text(&answer.claim(&offset));
        answer = Answer::parse(&ws.text());
        offset = event(&mut ws, r#"42["welcome",true]"#);
        assert_eq!(receive(&told), "back");
        shards.insert(Sid::parse(&session).expect("a sid").shard);
    }
    ws.send_text("41");
    assert_eq!([receive(&told), receive(&told)], ["left", "dropped"], "who leaves on purpose does not come back");
}

#[test]
fn the_values_of_a_client_that_stays_away_are_dropped_in_the_end() {
    let recovery = Recovery { max_disconnection_duration: Duration::from_millis(100), ..Recovery::default() };
    let (server, told) = start(Config { recovery: Some(recovery), ..on(2) });
    drop(join(&server));
    assert_eq!([(); 3].map(|()| receive(&told)), ["new", "left", "dropped"]);
}

#[test]
fn values_count_for_what_lost_sockets_may_take() {
    struct Large(#[expect(dead_code, reason = "it takes room")] [u8; 8192]);
    let limits = Limits { recovery_sessions: 65_536, ..Limits::default() };
    let server = Server::start(Config { limits, ..on(1) }, |server| {
        server.of("/").on_connect(|socket| {
            socket.insert(Large([0; 8192]));
            socket.emit("welcome", socket.recovered())
        });
    });
    let (ws, answer, offset) = join(&server);
    super::lose(&server, ws);
    let mut ws = enter(&server, &answer.claim(&offset));
    assert_ne!(Answer::parse(&ws.text()).sid, answer.sid, "more than a sixteenth is not kept");
}
