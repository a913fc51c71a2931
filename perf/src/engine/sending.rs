//! What clients send.

use super::client::Stage;
use super::connection::Side;
use super::{Cause, Engine};
use crate::wire::Batch;

impl Engine {
    /// Sends all copies of `batch` as client `id`, in one write.
    pub fn send(&mut self, id: usize, batch: &Batch) {
        if self.clients[id].stage != Stage::Joined {
            return;
        }
        let result = if self.is_websocket() {
            let side = self.clients[id].websocket();
            self.write(id, side, batch.bytes())
        } else {
            self.post_later(id, batch.bytes())
        };
        if let Err(cause) = result {
            self.broken.push((id, cause));
        }
    }

    /// Makes every client leave.
    pub fn leave_all(&mut self) {
        (0..self.clients.len()).for_each(|id| self.leave(id));
    }

    /// Leaves as the official client does: the namespace, then the session. The load is told when the server has
    /// closed the connection.
    pub fn leave(&mut self, id: usize) {
        let client = &mut self.clients[id];
        if client.stage != Stage::Joined {
            return;
        }
        client.stage = Stage::Leaving;
        client.since = self.now;
        let result = if self.is_websocket() {
            let side = self.clients[id].websocket();
            self.clients[id].socket(side).map_or(Ok(()), |socket| Ok(socket.write(&self.farewell)?))
        } else {
            let farewell = format!("41{}\x1e1", self.target.namespace);
            self.post_later(id, farewell.as_bytes())
        };
        if let Err(cause) = result {
            self.broken.push((id, cause));
        }
    }

    pub(super) fn write(&mut self, id: usize, side: Side, bytes: &[u8]) -> Result<(), Cause> {
        match self.clients[id].socket(side) {
            Some(socket) => Ok(socket.write(bytes)?),
            None => Err(Cause::Closed),
        }
    }

    pub(super) fn write_pending(&mut self, id: usize, side: Side) {
        if let Some(socket) = self.clients[id].socket(side)
            && let Err(error) = socket.write_pending()
        {
            self.broken.push((id, error.into()));
        }
    }
}
