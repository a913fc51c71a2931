//! CONNECTs wait until their namespace is subscribed to in the cluster, so that a connected socket gets what other servers
//! send.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use log::Level;

use crate::cluster::redis::Standing;
use crate::cluster::{Membership, Place};
use crate::log_line::{Excerpt, LineKind};
use crate::shard::Shard;
use crate::shard::shared::mailbox::Letter;
use crate::shard::store::keys::SocketRef;

static UNHEARD: LineKind =
    LineKind::new(Level::Warn, module_path!(), "sockets that were connected before other servers could be heard");

impl Shard {
    /// A socket asks to join its namespace. It waits while Redis has yet to confirm the namespace's subscriptions, but not while
    /// Redis is away.
    pub(in crate::shard) fn connect(self: &Rc<Self>, socket: SocketRef) {
        match self.shared.cluster.as_ref().and_then(|cluster| Some((cluster, self.unheard(cluster, socket)?))) {
            Some((cluster, place)) => self.connect_heard(cluster, &place, socket),
            None => self.connect_now(socket),
        }
    }

    /// The place of the socket's namespace, if its subscriptions are about to be confirmed.
    fn unheard(&self, cluster: &Membership, socket: SocketRef) -> Option<Arc<Place>> {
        if self.shared.config.limits.subscribe_wait.is_zero() {
            return None;
        }
        let core = self.core.borrow();
        let place = cluster.member_place(core.namespace_name(core.socket(socket)?.namespace))?;
        (cluster.standing(&place) == Standing::Pending).then_some(place)
    }

    /// Lets the socket go on when its place is subscribed to, or cannot be, or when the time is up.
    fn connect_heard(self: &Rc<Self>, cluster: &Membership, place: &Place, socket: SocketRef) {
        let waits = Arc::new(AtomicBool::new(true));
        let (shared, index, still_waits) = (Arc::clone(&self.shared), self.index(), Arc::clone(&waits));
        let heard = move |_| {
            let go_on = move |shard: &Rc<Self>| {
                if still_waits.swap(false, Relaxed) {
                    shard.connect_now(socket);
                }
            };
            if let Some(mailbox) = shared.mailboxes.get(index) {
                mailbox.send(Letter::run(0, go_on));
            }
        };
        cluster.when_in_effect(place, Box::new(heard));
        let mut core = self.core.borrow_mut();
        let deadline = core.now() + self.shared.config.limits.subscribe_wait;
        core.arm_alarm(deadline, move |shard| {
            if waits.swap(false, Relaxed) {
                shard.tell_unheard(socket);
                shard.connect_now(socket);
            }
        });
    }

    /// Counts and logs a socket that waited in vain.
    fn tell_unheard(&self, socket: SocketRef) {
        let core = self.core.borrow();
        let (Some(cluster), Some(state)) = (&self.shared.cluster, core.socket(socket)) else { return };
        cluster.counters.unheard.one();
        UNHEARD.write(|| {
            format!(
                "Redis did not confirm the subscriptions of {:?} within {:?} (KINGLET_SUBSCRIBE_WAIT): a socket is connected all the same, and may miss what other servers send",
                Excerpt(core.namespace_name(state.namespace)),
                self.shared.config.limits.subscribe_wait,
            )
        });
    }
}
