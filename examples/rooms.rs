//! Rooms: clients join and leave them, see who else is in, and speak to one of them. Its page is `rooms.html`.
//!
//! `cargo run --example rooms`, then open `examples/rooms.html` in two tabs.

use kinglet::{Ack, Config, Cors, EmitError, Origin, Server, Socket};
use serde_json::json;

/// What a handler returns: an answer, or an error, which its client gets as `{error}`.
type Handled<T> = Result<T, Box<dyn std::error::Error>>;

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
        .handle_with_ack("join", join)
        .handle("leave", leave)
        .handle("say", say)
        // Here the socket is still in its rooms; in `on_disconnect` it is in none.
        .on_disconnecting(|socket, _| rooms_of(socket).iter().try_for_each(|room| tell_that_it_leaves(socket, room)));
    server.run()
}

/// `join(room)` is acknowledged with `{members}`, their ids, or with `{error}`.
fn join(socket: &Socket, name: String, ack: Ack) -> Handled<()> {
    let room = room_named(&name)?;
    if !socket.rooms().contains(&room) {
        // It fails at the bounds of rooms: of all, and of one socket.
        socket.join(&room)?;
        socket.to(&room).emit("joined", (name, socket.id()))?;
    }
    // Other threads may serve the other members, so who they are comes to a callback, and the acknowledgement with it.
    socket.server().to(&room).fetch_sockets(move |members| {
        // A server of the cluster that does not answer in time leaves its members out.
        let members = members.unwrap_or_else(|partial| partial.answers);
        let ids: Vec<_> = members.iter().map(|member| member.id()).collect();
        if let Err(error) = ack.send(json!({ "members": ids })) {
            log::warn!("the members were not told: {error}");
        }
    });
    Ok(())
}

/// `leave(room)` is acknowledged when it is done: whether the client was in the room.
fn leave(socket: &Socket, name: String) -> Handled<bool> {
    let room = room_named(&name)?;
    let is_member = socket.rooms().contains(&room);
    if is_member {
        tell_that_it_leaves(socket, &room)?;
        socket.leave(&room);
    }
    Ok(is_member)
}

/// `say(room, text)` reaches the room's other members as `said(room, id, text)`, if the speaker is one of them; the
/// acknowledgement says whether it is.
fn say(socket: &Socket, (name, text): (String, String)) -> Handled<bool> {
    let room = room_named(&name)?;
    let is_member = socket.rooms().contains(&room);
    if is_member {
        socket.to(room).emit("said", (name, socket.id(), text))?;
    }
    Ok(is_member)
}

fn tell_that_it_leaves(socket: &Socket, room: &str) -> Result<(), EmitError> {
    socket.to(room).emit("left", (shown(room), socket.id()))
}

/// The room of that name, as it is called here.
fn room_named(name: &str) -> Result<String, String> {
    let fits = (1..=NAME_CHARS).contains(&name.chars().count());
    fits.then(|| format!("{PREFIX}{name}")).ok_or_else(|| format!("A room's name has 1 to {NAME_CHARS} characters."))
}

/// The rooms that the socket has joined; not the one that bears its id.
fn rooms_of(socket: &Socket) -> Vec<String> {
    socket.rooms().into_iter().filter(|room| room.starts_with(PREFIX)).collect()
}

/// The room's name as its clients know it.
fn shown(room: &str) -> &str {
    room.strip_prefix(PREFIX).unwrap_or(room)
}
