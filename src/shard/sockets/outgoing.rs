//! Events for sockets, of which the application may want to hear.

use crate::engineio::Frames;
use crate::shard::shared::target::Urgency;
use crate::shard::sockets::Sockets;
use crate::shard::sockets::calls::Call;
use crate::shard::sockets::state::Status;
use crate::shard::store::keys::{SocketKey, SocketRef};
use crate::socketio::Event;

impl Sockets {
    /// Sends an event to a socket, unless it is leaving. `heard` is the same event, if the application hears of those that
    /// go out.
    #[inline]
    pub(crate) fn send_event(&mut self, key: SocketKey, frames: &Frames, urgency: Urgency, heard: Option<&Event>) {
        self.send(key, frames, urgency);
        let Some(event) = heard else { return };
        if let Some(state) = self.states.get(key.0).filter(|state| state.status == Status::Connected) {
            let socket = SocketRef { key, random: state.random };
            self.calls.push_back(Call::Outgoing { socket, event: event.clone() });
        }
    }
}
