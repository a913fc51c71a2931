//! The parts of Node's API reference that the conformance application does not cover, for `test/reference.test.mjs`.
//!
//! Settings come from `PORT` and `KINGLET_*`. Each event is named after the item of the reference that it reaches.

use std::error::Error;
use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;

use kinglet::{Ack, Config, Cookie, Event, Namespace, RemoteSocket, Server, Socket};
use serde_json::json;

type Outcome = Result<(), Box<dyn Error>>;

/// How long the look-up of a client takes.
const LOOK_UP: Duration = Duration::from_millis(20);

fn main() -> Outcome {
    env_logger::init();
    let config = Config { address: Ipv4Addr::LOCALHOST.into(), cookie: Some(Cookie::default()), ..Config::default() };
    let mut server = Server::new(config.with_env()?)?;
    sending(server.of("/"));
    listening(server.of("/"));
    others(server.of("/"));
    rooms(server.of("/"));
    server.of_dynamic(|name| name.starts_with("/child-")).on("namespace.emit", |socket, event| {
        socket.server().of(socket.namespace()).emit("emitted", event.arguments().clone())
    });
    server.of("/look-up").middleware_blocking(|_| {
        thread::sleep(LOOK_UP);
        Ok(())
    });
    Ok(server.run()?)
}

/// Messages of every kind, and facts about the server and the socket.
fn sending(namespace: &mut Namespace) {
    namespace
        .on_connect(|socket| socket.emit("socket.connected", (socket.connected(), socket.disconnected())))
        .on_disconnect(|socket, _| {
            socket.server().emit("socket.disconnected", (socket.id(), socket.connected(), socket.disconnected()))
        })
        .on("socket.send", |socket, event| socket.send(event.arguments().clone()))
        .on("server.send", |socket, event| socket.server().send(event.arguments().clone()))
        .on("namespace.send", |socket, event| socket.server().of(socket.namespace()).send(event.arguments().clone()))
        .on("server.emit", |socket, event| socket.server().emit("emitted", event.arguments().clone()))
        .on("server.volatile", |socket, event| socket.server().volatile().emit("emitted", event.arguments().clone()))
        .on("socket.broadcast.volatile", |socket, event| {
            socket.broadcast().volatile().emit("emitted", event.arguments().clone())
        })
        .on("engine.clientsCount", |socket, event| event.ack(socket.server().clients_count()))
        .on("socket.handshake", |socket, event| -> Outcome {
            let handshake = socket.handshake().ok_or("the session is gone")?;
            Ok(event.ack(json!({
                "address": handshake.address().ip(),
                "issued": u64::try_from(handshake.issued().as_millis())?,
                "cookie": handshake.header("cookie"),
            }))?)
        })
        .on("server.of", |socket, event| -> Outcome {
            let (name,): (String,) = event.args()?;
            Ok(event.ack(socket.server().of(&name).emit("emitted", ()).is_ok())?)
        })
        .on("server.close", |socket, _| socket.server().close());
}

/// Catch-all handlers. They note the events in the socket's data.
fn listening(namespace: &mut Namespace) {
    namespace
        .event_middleware(|_, event| if event.name() == "refused" { Err("refused by app") } else { Ok(()) })
        .on_any(|socket, event| note(socket, "in", event))
        .on_any_outgoing(|socket, event| note(socket, "out", event))
        .on("refused", |_, event| event.ack("reached its handler"))
        .on("noted", |socket, event| event.ack(socket.data::<Vec<String>>()));
}

fn note(socket: &Socket, direction: &str, event: &Event) -> Outcome {
    let mut notes: Vec<String> = socket.data().unwrap_or_default();
    notes.push(format!("{direction} {}", event.name()));
    Ok(socket.set_data(&notes)?)
}

/// Other sockets, found by their ids.
fn others(namespace: &mut Namespace) {
    namespace
        .on("remote.emit", |socket, event| {
            let arguments = event.arguments().skip(1);
            remote(socket, event, move |other, ack| {
                other.emit("emitted", arguments)?;
                ack.send("done")
            })
        })
        .on("remote.emitWithAck", |socket, event| {
            remote(socket, event, |other, ack| {
                other.emit_with_ack("asked", (), Duration::from_secs(5), move |answer| {
                    let answer = answer.map_err(|error| error.to_string()).and_then(|answer| {
                        answer.args().map(|(first,): (serde_json::Value,)| first).map_err(|error| error.to_string())
                    });
                    if let Err(error) = ack.send(&answer) {
                        log::warn!("the answer was not told: {error}");
                    }
                })
            })
        })
        .on("remote.join", |socket, event| {
            remote(socket, event, |other, ack| {
                other.join("joined from afar");
                ack.send(other.rooms().len())
            })
        })
        .on("remote.leave", |socket, event| {
            remote(socket, event, |other, ack| {
                other.leave("joined from afar");
                ack.send(other.rooms().len())
            })
        })
        .on("remote.disconnect", |socket, event| {
            remote(socket, event, |other, ack| {
                other.disconnect(false);
                ack.send(other.handshake().url())
            })
        });
}

/// Acts on the socket named by the event's first argument.
fn remote(
    socket: &Socket,
    event: &Event,
    act: impl FnOnce(&RemoteSocket, Ack) -> Result<(), kinglet::EmitError> + Send + 'static,
) -> Outcome {
    let (id,): (String,) = event.args()?;
    let ack = event.take_ack().ok_or("no acknowledgement asked for")?;
    socket.server().to(id).fetch_sockets(move |sockets| {
        let sockets = sockets.unwrap_or_else(|partial| partial.answers);
        if let Some(other) = sockets.first()
            && let Err(error) = act(other, ack)
        {
            log::warn!("{}: {error}", other.id());
        }
    });
    Ok(())
}

/// Rooms, and their events.
fn rooms(namespace: &mut Namespace) {
    namespace
        .on("socket.join", |socket, event| -> Outcome {
            let (room,): (String,) = event.args()?;
            Ok(socket.join(room)?)
        })
        .on("socket.leave", |socket, event| -> Outcome {
            let (room,): (String,) = event.args()?;
            socket.leave(room);
            Ok(())
        })
        .on_create_room(|room| room.server().emit("told", ("create-room", room.name())))
        .on_delete_room(|room| room.server().emit("told", ("delete-room", room.name())))
        .on_join_room(|room, id| room.server().emit("told", ("join-room", room.name(), id)))
        .on_leave_room(|room, id| room.server().emit("told", ("leave-room", room.name(), id)));
}
