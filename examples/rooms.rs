//! Rooms: clients join and leave them, see who else is in, and speak to one of them. Its page is `rooms.html`.
//!
//! `cargo run --example rooms`, then open `examples/rooms.html` in two tabs.

use kinglet::{Config, Cors, EmitError, Event, Origin, Server, Socket};
use serde_json::json;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Stands before the names that clients choose. Each socket is in the room that bears its id from the start, so a client
/// that could join any room by its name could listen to what is meant for another.
const PREFIX: &str = "room:";
const NAME_CHARS: usize = 32;

fn main() -> kinglet::Result<()> {
    env_logger::init();
    // Pages that are opened from disk come from another origin; `KINGLET_CORS` may let in fewer.
    let config = Config { cors: Some(Cors::new(Origin::Any)), ..Config::default() };
    let mut server = Server::new(config.with_env()?)?;
    server
        .of("/")
        .on("join", join)
        .on("leave", leave)
        .on("say", say)
        // Here the socket is still in its rooms; in `on_disconnect` it is in none.
        .on_disconnecting(|socket, _| rooms_of(socket).iter().try_for_each(|room| tell_that_it_leaves(socket, room)));
    server.run()
}

/// `join(room)` is acknowledged with `{members}`, their ids, or with `{error}`.
fn join(socket: &Socket, event: &Event) -> Outcome {
    let Some(room) = room_named_by(event)? else {
        return Ok(event.ack(json!({ "error": format!("A room's name has 1 to {NAME_CHARS} characters.") }))?);
    };
    if !socket.rooms().contains(&room) {
        // There are bounds: of rooms in all, and of rooms for one socket.
        if let Err(error) = socket.join(&room) {
            return Ok(event.ack(json!({ "error": error.to_string() }))?);
        }
        socket.to(&room).emit("joined", (shown(&room), socket.id()))?;
    }
    // Other threads may serve the other members, so who they are comes to a callback, and the acknowledgement with it.
    let ack = event.take_ack();
    socket.server().to(&room).fetch_sockets(move |members| {
        // A server of the cluster that does not answer in time leaves its members out.
        let members = members.unwrap_or_else(|partial| partial.answers);
        let ids: Vec<_> = members.iter().map(|member| member.id()).collect();
        if let Some(Err(error)) = ack.map(|ack| ack.send(json!({ "members": ids }))) {
            log::warn!("the members were not told: {error}");
        }
    });
    Ok(())
}

/// `leave(room)` is acknowledged when it is done.
fn leave(socket: &Socket, event: &Event) -> Outcome {
    if let Some(room) = room_named_by(event)?.filter(|room| socket.rooms().contains(room)) {
        tell_that_it_leaves(socket, &room)?;
        socket.leave(&room);
    }
    Ok(event.ack(())?)
}

/// `say(room, text)` reaches the room's other members as `said(room, id, text)`, if the speaker is one of them; the
/// acknowledgement says whether it is.
fn say(socket: &Socket, event: &Event) -> Outcome {
    let (_, text): (String, String) = event.args()?;
    let room = room_named_by(event)?.filter(|room| socket.rooms().contains(room));
    if let Some(room) = &room {
        socket.to(room).emit("said", (shown(room), socket.id(), text))?;
    }
    Ok(event.ack(room.is_some())?)
}

fn tell_that_it_leaves(socket: &Socket, room: &str) -> Result<(), EmitError> {
    socket.to(room).emit("left", (shown(room), socket.id()))
}

/// The room whose name is the event's first argument, as it is called here.
fn room_named_by(event: &Event) -> Result<Option<String>, serde_json::Error> {
    let (name,): (String,) = event.args()?;
    let fits = (1..=NAME_CHARS).contains(&name.chars().count());
    Ok(fits.then(|| format!("{PREFIX}{name}")))
}

/// The rooms that the socket has joined; not the one that bears its id.
fn rooms_of(socket: &Socket) -> Vec<String> {
    socket.rooms().into_iter().filter(|room| room.starts_with(PREFIX)).collect()
}

/// The room's name as its clients know it.
fn shown(room: &str) -> &str {
    room.strip_prefix(PREFIX).unwrap_or(room)
}
