//! People with the official client: models of it, which share no protocol code with the server.
//!
//! A [person](person::Person) outlives its [sessions](session): it comes back after a loss. In each session it joins its
//! namespaces again, each with a [socket](socket) that checks what it [hears](hearing). Below, from the top down: Socket.IO
//! [messages](message), Engine.IO [packets](packet), the two transports ([polling] with [http], and [websocket])
//! with the [upgrade] between them, and the [link] that carries bytes.

mod excuses;
mod hearing;
mod heartbeat;
mod http;
mod link;
mod message;
mod packet;
mod person;
mod polling;
mod session;
mod socket;
pub(super) mod speech;
mod upgrade;
mod websocket;

pub(super) use self::link::Link;
pub(super) use self::person::{Person, SHUT_OUT};
pub(super) use self::socket::{Phase, Socket};
