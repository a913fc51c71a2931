//! A client's claim to a socket, and where the socket comes from.

use crate::cluster::peers::message::recovery::{Recovery, Taken};
use crate::cluster::peers::record::Record;
use crate::cluster::peers::{Body, Instance, Peers};
use crate::engineio::Sid;
use crate::metrics::RecoveryOutcome;
use crate::shard::recovery::records::put_back;
use crate::shard::shared::Shared;
use crate::shard::shared::recovery::Restoration;
use crate::shard::store::keys::SocketRef;
use crate::socketio::Offset;

/// The socket that a client claims, and the last event that it received there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim {
    pub(super) pid: Sid,
    pub(super) offset: Offset,
}

/// A socket that waits for its shard to catch up with the one that lost it, which takes only the letters that are under way.
#[derive(Debug)]
pub(super) struct CatchingUp {
    pub(super) socket: SocketRef,
    pub(super) pid: Sid,
    pub(super) restoration: Restoration,
    /// The other servers that have handed it over, if they have.
    pub(super) abroad: Abroad,
}

/// Another server that has handed a socket over, and its number for that.
#[derive(Debug, Clone, Copy)]
pub(super) struct Giver {
    pub(super) instance: Instance,
    pub(super) number: u64,
}

/// Where a socket was that comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Way {
    /// On this server.
    #[default]
    Here,
    /// On another, which has handed it over.
    HandedOver,
    /// On another, which has ended.
    Record,
}

/// The servers that have handed a socket over or left it, and the connection to Redis, if there is one, that must last until it
/// has joined.
#[derive(Debug, Default)]
pub(super) struct Abroad {
    pub(super) way: Way,
    pub(super) givers: Vec<Giver>,
    /// The record, which is in Redis no more.
    pub(super) record: Option<Box<Record>>,
    pub(super) connection: Option<u64>,
    /// Whether the program had kept values with the socket there. They stay there.
    pub(super) had_values: bool,
}

impl Abroad {
    /// Whether no other server has had the socket.
    pub(super) fn is_none(&self) -> bool {
        self.way == Way::Here
    }

    /// What became of the client, if it got its socket.
    pub(super) const fn outcome(&self) -> RecoveryOutcome {
        self.way.outcome()
    }

    /// What became of it, if what it missed cannot be told.
    pub(super) fn outcome_without(&self) -> RecoveryOutcome {
        if self.is_none() { RecoveryOutcome::Forgotten } else { RecoveryOutcome::Doubtful }
    }

    /// Tells the servers what became of the socket. If it has not joined, its record goes back to Redis.
    pub(super) fn tell(self, shared: &Shared, pid: Sid, taken: Taken) {
        if let Some(record) = self.record.filter(|_| taken == Taken::No) {
            put_back(shared, pid, &record);
        }
        let Some(peers) = peers(shared) else { return };
        for Giver { instance, number } in self.givers {
            peers.send(instance, Body::Recovery(Recovery::Taken { number, pid, taken }), |_| ());
        }
    }
}

/// The other servers, if there are any.
pub(super) fn peers(shared: &Shared) -> Option<&Peers> {
    shared.cluster.as_ref()?.peers().filter(|peers| !peers.is_alone())
}

/// Whether other servers may have a socket, or have had it.
pub(super) fn has_peers(shared: &Shared) -> bool {
    shared.cluster.as_ref().is_some_and(|cluster| cluster.peers().is_some())
}

/// Whether other servers are known by a key, so that what they say is as good as what this one knows.
pub(super) fn are_trusted(shared: &Shared) -> bool {
    shared.cluster.as_ref().and_then(|cluster| cluster.peers()).is_some_and(Peers::is_trusted)
}

impl Way {
    /// What became of a client that came back this way.
    pub(super) const fn outcome(self) -> RecoveryOutcome {
        match self {
            Self::Here => RecoveryOutcome::Here,
            Self::HandedOver => RecoveryOutcome::Elsewhere,
            Self::Record => RecoveryOutcome::Record,
        }
    }
}
