//! The starter's application on socketioxide and axum: one thread (tokio's current-thread runtime, made for one core),
//! socketioxide's small WebSocket read buffer (4 KiB, its default, made for many sockets), a queue long enough that no
//! message of the comparison is refused, `TCP_NODELAY`, a release build with fat link-time optimisation.

use std::fmt::{self, Formatter};
use std::io;
use std::net::Ipv4Addr;

use axum::routing::get;
use axum::serve::ListenerExt;
use serde::de::{SeqAccess, Visitor};
use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use socketioxide::SocketIo;
use socketioxide::extract::{AckSender, Data, SocketRef};

fn main() -> io::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve())
}

async fn serve() -> io::Result<()> {
    let (layer, io) = SocketIo::builder().req_path("/websockets").max_buffer_size(4096).build_layer();
    io.ns("/", connected);
    let app = axum::Router::new().route("/", get(|| async { "all good" })).layer(layer);
    let port = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(3000);
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?;
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, app).await
}

async fn connected(socket: SocketRef) {
    socket.on("message-from-client", async |socket: SocketRef, Data::<Arguments>(arguments)| {
        let _ = socket.broadcast().emit("message-from-client", &arguments).await;
    });
    socket.on("message-with-ack", async |Data::<Arguments>(arguments), ack: AckSender| {
        let _ = ack.send(&arguments);
    });
}

/// All arguments of an event, however many: socketioxide takes and gives several when serde calls them a tuple.
struct Arguments(Vec<Value>);

impl<'de> Deserialize<'de> for Arguments {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_tuple(usize::MAX, Self(Vec::new()))
    }
}

impl<'de> Visitor<'de> for Arguments {
    type Value = Self;

    fn expecting(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str("the arguments of an event")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut arguments: A) -> Result<Self, A::Error> {
        while let Some(argument) = arguments.next_element()? {
            self.0.push(argument);
        }
        Ok(self)
    }
}

impl Serialize for Arguments {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(self.0.len())?;
        self.0.iter().try_for_each(|argument| tuple.serialize_element(argument))?;
        tuple.end()
    }
}
