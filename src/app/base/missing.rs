//! The error for incomplete answers of a cluster.

/// An answer of the cluster that lacks some servers' parts, or may lack some. It contains the known parts, including this
/// server's own.
///
/// An answer is complete only if all of this was true: this server's own subscriptions for the namespace were in effect, so
/// that it hears the others; Redis said how many others there are; all of those gave all that they have, within
/// [`Limits::requests_timeout`](crate::Limits::requests_timeout); and no earlier member may be on its way back to Redis.
///
/// A server comes back within [`Limits::redis_backoff`](crate::Limits::redis_backoff) and
/// [`Limits::redis_connect_timeout`](crate::Limits::redis_connect_timeout) together, 7 s by default. For that time
///
/// - a server that was killed, cut off, or is of another kind than kinglet is missing from the first question that no longer
///   counts it. A kinglet that stops, or leaves a child namespace, says goodbye, and is not missed once the others hear that.
///   There are two exceptions: its own connection to Redis broke after they last counted it, or Redis does not answer within
///   200 ms;
/// - a server that was itself without Redis, or started before Redis, does not know how many others there are, unless it
///   counted them within the same time before.
///
/// Only servers that were counted can be missed. A server that was away when this one started, or when this one took the
/// namespace on, is not missed, and neither is one that Redis refuses for good. Only the number of servers is known: a server
/// that comes while another is away hides that one, and so may one that comes in the moment of another's goodbye.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", complaint(*missing))]
pub struct MissingServers<T> {
    /// The answers that came in time.
    pub answers: T,
    /// How many servers are missing, or gave less than they have. `None` if that is unknown: Redis is or was away, forbids
    /// `PUBSUB` to this server's user, or did not answer in time, or this server hears no answers.
    pub missing: Option<usize>,
}

impl<T> MissingServers<T> {
    /// The answers, if no server is missing.
    pub(in crate::app) fn check(answers: T, missing: Option<usize>) -> Result<T, Self> {
        if missing == Some(0) { Ok(answers) } else { Err(Self { answers, missing }) }
    }
}

fn complaint(missing: Option<usize>) -> String {
    match missing {
        Some(missing) => {
            format!("{missing} server(s) of the cluster did not answer in time, or not in full, or are away from Redis or gone")
        }
        None => {
            "nobody knows how many other servers the cluster has: they were not asked, could not be heard, or may not be back \
             after Redis was away"
                .to_owned()
        }
    }
}
