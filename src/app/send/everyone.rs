//! The operators of a server and of a namespace, which apply to all their sockets.

use std::time::Duration;

use super::broadcast::Broadcast;
use super::handle::{Emitter, Handle};
use super::outcome::Outcome;
use super::remote_socket::RemoteSocket;
use crate::app::base::{Answers, Args, MissingAnswers, MissingServers, Pending};
use crate::error::EmitError;

/// Operators that apply to everybody.
macro_rules! everyone {
    ($type:ty, $whose:literal) => {
        impl $type {
            #[doc = concat!("Everybody in a room of ", $whose, ".")]
            pub fn to(&self, room: impl Into<String>) -> Broadcast {
                self.everybody().to(room)
            }

            /// The same as [`to`](Self::to); it is called `in` in JavaScript, which is a keyword here.
            pub fn within(&self, room: impl Into<String>) -> Broadcast {
                self.to(room)
            }

            #[doc = concat!("Everybody in ", $whose, ", except the members of a room.")]
            pub fn except(&self, room: impl Into<String>) -> Broadcast {
                self.everybody().except(room)
            }

            #[doc = concat!("Everybody in ", $whose, " whose client is ready to receive.")]
            pub fn volatile(&self) -> Broadcast {
                self.everybody().volatile()
            }

            #[doc = concat!("Everybody in ", $whose, " on this server of a cluster.")]
            pub fn local(&self) -> Broadcast {
                self.everybody().local()
            }

            #[doc = concat!("Everybody in ", $whose, "; polling answers may or may not be compressed.")]
            pub fn compress(&self, compress: bool) -> Broadcast {
                self.everybody().compress(compress)
            }

            #[doc = concat!("Sends an event to everybody in ", $whose, ".")]
            ///
            /// # Errors
            /// As [`Broadcast::emit`].
            pub fn emit(&self, event: &str, args: impl Args) -> Result<(), EmitError> {
                self.everybody().emit(event, args)
            }

            /// Sends an event `message`, as [`emit`](Self::emit) does.
            ///
            /// # Errors
            /// As [`Broadcast::emit`].
            pub fn send(&self, args: impl Args) -> Result<(), EmitError> {
                self.emit("message", args)
            }

            #[doc = concat!("Sends an event to everybody in ", $whose, " and collects the acknowledgements: see")]
            /// [`Broadcast::emit_with_ack`].
            ///
            /// # Errors
            /// As [`Broadcast::emit`].
            pub fn emit_with_ack<R: Outcome>(
                &self,
                event: &str,
                args: impl Args,
                timeout: Duration,
                callback: impl FnOnce(Result<Answers, MissingAnswers>) -> R + Send + 'static,
            ) -> Result<(), EmitError> {
                self.everybody().emit_with_ack(event, args, timeout, callback)
            }

            #[doc = concat!("Sends an event to everybody in ", $whose, " and gives something to wait on for the")]
            /// acknowledgements: see [`Broadcast::ask`].
            ///
            /// # Errors
            /// As [`Broadcast::emit`].
            pub fn ask(
                &self,
                event: &str,
                args: impl Args,
                timeout: Duration,
            ) -> Result<Pending<Answers, MissingAnswers>, EmitError> {
                self.everybody().ask(event, args, timeout)
            }

            #[doc = concat!("Collects what is known of the sockets of ", $whose, ": see [`Broadcast::fetch_sockets`].")]
            pub fn fetch_sockets<R: Outcome>(
                &self,
                receive: impl FnOnce(Result<Vec<RemoteSocket>, MissingServers<Vec<RemoteSocket>>>) -> R + Send + 'static,
            ) {
                self.everybody().fetch_sockets(receive);
            }

            #[doc = concat!("Makes the sockets of ", $whose, " join rooms: see [`Broadcast::sockets_join`].")]
            pub fn sockets_join<R: Into<String>>(&self, rooms: impl IntoIterator<Item = R>) {
                self.everybody().sockets_join(rooms);
            }

            #[doc = concat!("Makes the sockets of ", $whose, " leave rooms.")]
            pub fn sockets_leave<R: Into<String>>(&self, rooms: impl IntoIterator<Item = R>) {
                self.everybody().sockets_leave(rooms);
            }

            #[doc = concat!("Sends an event to the other servers of the cluster that have ", $whose, ", for their handlers")]
            /// ([`Namespace::on_server_side_emit`](crate::Namespace::on_server_side_emit)). Without a cluster it reaches no server.
            ///
            /// # Errors
            /// If the name is reserved (as `connection` is), or the arguments cannot be written as JSON or hold binary data.
            pub fn server_side_emit(&self, event: &str, args: impl Args) -> Result<(), EmitError> {
                self.everybody().emit_to_servers(event, args)
            }

            /// The same, and collects the other servers' answers, one value each, in the order in which they come. `callback`
            /// gets them on one of the server's threads: all answers, or those that came within
            /// [`Limits::requests_timeout`](crate::Limits::requests_timeout). [`MissingServers`] says when they are complete.
            ///
            /// # Errors
            /// As [`server_side_emit`](Self::server_side_emit); then `callback` is not called.
            pub fn server_side_emit_with_ack<R: Outcome>(
                &self,
                event: &str,
                args: impl Args,
                callback: impl FnOnce(Result<Answers, MissingServers<Answers>>) -> R + Send + 'static,
            ) -> Result<(), EmitError> {
                self.everybody().ask_servers(event, args, callback)
            }

            #[doc = concat!("Counts the servers that have ", $whose, ", including this one if it does. Without a cluster that is one.")]
            /// `receive` gets the number on one of the server's threads, perhaps before this returns. It is not called if the
            /// server stops meanwhile. If the servers cannot be counted, as while Redis is away, it gets an error with the
            /// known ones: this one.
            pub fn server_count<R: Outcome>(
                &self,
                receive: impl FnOnce(Result<usize, MissingServers<usize>>) -> R + Send + 'static,
            ) {
                self.everybody().count_servers(receive);
            }

            #[doc = concat!("Disconnects the sockets of ", $whose, ": see [`Broadcast::disconnect_sockets`].")]
            pub fn disconnect_sockets(&self, close: bool) {
                self.everybody().disconnect_sockets(close);
            }
        }
    };
}

everyone!(Emitter, "the namespace");
everyone!(Handle, "the namespace `/`");
