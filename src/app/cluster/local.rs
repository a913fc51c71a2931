//! A broadcast of another server, as one of this server.

use std::sync::Arc;

use super::super::broadcast::{Broadcast, Reach};
use crate::cluster;
use crate::shard::{Shared, Target, Urgency};

/// A received broadcast, as one to the sockets of this server. `None` if the namespace is not here any more.
pub(super) fn local(shared: &Arc<Shared>, message: &cluster::Broadcast) -> Option<Broadcast> {
    let namespace = shared.directory.find_namespace(&message.namespace)?;
    let cluster::Opts { rooms, except } = message.opts.clone();
    Some(Broadcast {
        target: Target { rooms, except, sender: None },
        urgency: if message.flags.volatile { Urgency::Volatile } else { Urgency::Reliable },
        compress: message.flags.compress.unwrap_or(true),
        reach: Reach::Received,
        ..Broadcast::new(Some(Arc::clone(shared)), Ok(namespace), None)
    })
}
