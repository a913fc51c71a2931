//! Runs calls of the application, in the order in which their causes happened.

use std::rc::Rc;

use crate::shard::Shard;
use crate::shard::sockets::calls::Call;
use crate::shard::store::keys::SocketRef;

impl Shard {
    /// Runs calls until none are left, including those that the application itself causes.
    pub(in crate::shard) fn run_calls(self: &Rc<Self>) {
        loop {
            let Some(call) = self.core.borrow_mut().next_call() else { return };
            self.run_call(call);
        }
    }

    fn run_call(self: &Rc<Self>, call: Call) {
        let application = &self.callbacks;
        match call {
            Call::Enter { session, name, auth } => {
                let child = application.enter_namespace(self, &name);
                self.core.borrow_mut().enter_namespace(session, &name, auth, child);
            }
            Call::Connect(socket) => self.connect(socket),
            Call::Event { socket, event, ack } => {
                let clock = self.clock();
                application.event(self, socket, event, ack);
                self.took(clock, |metrics| &metrics.handler_time);
            }
            Call::Outgoing { socket, event } => application.outgoing(self, socket, event),
            Call::Acknowledged { socket, callback, result } => callback(self, socket, result),
            Call::Collected(collection) => collection.end(self),
            Call::Alarm(act) => act(self),
            Call::Room { namespace, room, change } => application.room_changed(self, &namespace, &room, change),
            Call::Disconnect { socket, reason } => {
                application.disconnecting(self, socket, reason);
                self.core.borrow_mut().keep_lost(socket, reason);
                self.core.borrow_mut().clear_socket(socket);
                application.disconnected(self, socket, reason);
                self.core.borrow_mut().remove_socket(socket);
            }
            Call::Message { session, message } => application.message(self, session, message),
            Call::Gone(socket) => self.core.borrow_mut().keep_pending(socket),
            Call::Sweep => self.core.borrow_mut().arm_recovery(),
            Call::Settled(session) => self.handle_kept(session),
            Call::Forget(session) => self.core.borrow_mut().forget_session(session),
        }
    }

    /// A socket that asks to join its namespace need not wait any more.
    pub(in crate::shard) fn connect_now(self: &Rc<Self>, socket: SocketRef) {
        if self.core.borrow().socket(socket).is_none() {
            return;
        }
        match &self.shared.recovery {
            Some(recovery) => self.connect_recoverable(recovery, socket),
            None => self.admit(socket),
        }
    }
}
