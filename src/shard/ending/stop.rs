//! The stop of a shard: it closes its clients in a way that makes them connect elsewhere.

use std::rc::Rc;
use std::time::Duration;

use crate::shard::Shard;
use crate::shard::ending::life::Life;
use crate::shard::input::Intake;
use crate::shard::net::accept::Accepting;
use crate::shard::net::connection::{CloseCause, HttpState, Stage};
use crate::shard::store::keys::TimerKey;
use crate::socketio::DisconnectReason;

/// Time that clients have to take their close frames when the server stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

impl Shard {
    /// Ends the loop once no client is left that has yet to close; with recovery, in no shard, and not while other servers may ask
    /// for a lost socket. What is handed over is whole; a record, which is all that is left afterwards, is bounded.
    pub(in crate::shard) fn end_if_alone(&self) {
        let mut core = self.core.borrow_mut();
        core.close_idle();
        core.remove_closed();
        if core.connection_count() == 0 && !self.may_be_asked() && self.shared.may_end(self.is_alone.replace(true)) {
            self.life.set(Life::Over);
        }
    }

    /// Stops listening and closes every session, so that its client connects elsewhere.
    pub(in crate::shard) fn stop(self: &Rc<Self>) {
        if matches!(self.life.get(), Life::Stopping | Life::Over) {
            return;
        }
        if self.life.replace(Life::Stopping) == Life::Serving {
            self.begin_marks();
        }
        self.shared.leave();
        self.callbacks.stopping();
        self.accepting.set(Accepting::Over);
        *self.listener.borrow_mut() = None;
        let sessions: Vec<_> = self.core.borrow().clients().map(|(key, _)| key).collect();
        for session in sessions {
            self.core.borrow_mut().leave_all(session, DisconnectReason::ServerShuttingDown);
            self.run_calls();
            self.core.borrow_mut().session(session, |session, _, _, effects| session.terminate(effects));
        }
        let mut core = self.core.borrow_mut();
        core.turn_away_all();
        core.let_polls_go();
        let end = core.now() + STOP_TIMEOUT;
        core.timers().arm(end, TimerKey::Stop);
    }
}

impl Intake {
    /// Has the owners of sessions that live elsewhere answer the GETs that they hold.
    fn let_polls_go(&mut self) {
        let errands: Vec<_> = self.connections().filter(|(_, it)| it.errand().is_some()).map(|(key, _)| key).collect();
        for key in errands {
            self.let_poll_go(key);
        }
    }

    /// Closes the connections without a request, or with an incomplete one, because it will not be served any more.
    fn close_idle(&mut self) {
        let idle: Vec<_> = self
            .connections()
            .filter(|(_, connection)| match &connection.stage {
                Stage::Http(http) => {
                    matches!(
                        http.state,
                        HttpState::Head | HttpState::Post(_) | HttpState::Discard(_) | HttpState::Body(_)
                    ) && connection.batch.is_none()
                        && connection.outbox.is_none()
                }
                Stage::WebSocket(_) => false,
                Stage::Tunnel(_) => connection.batch.is_none() && connection.outbox.is_none(),
                Stage::Lingering => true,
            })
            .map(|(key, _)| key)
            .collect();
        for key in idle {
            self.mark_closed(key, CloseCause::Closed);
        }
    }
}
