//! What is missing of the answers of a cluster.

/// An answer that not all servers of the cluster have had a part in, or nobody knows whether they have: what is known, this
/// server's own part included.
///
/// An answer is complete only if all this held: this server's own subscriptions for the namespace were in effect, so that it
/// hears the others; Redis said how many others there are; all of those gave all that they have, within
/// [`Limits::requests_timeout`](crate::Limits::requests_timeout); and none that was there before may be on its way back to Redis.
///
/// The way back takes at most [`Limits::redis_backoff`](crate::Limits::redis_backoff) and
/// [`Limits::redis_connect_timeout`](crate::Limits::redis_connect_timeout) together, 7 s by default. So long
///
/// - a server is missing from the first question on that no longer counts it, if it was killed, cut off, or is of another kind than
///   kinglet. A kinglet that is stopped, or leaves a namespace that was made by predicate, tells the others so, and is
///   missed no more as soon as they hear it, unless its own connection to Redis broke since they counted it last, or Redis
///   does not answer within 200 ms;
/// - a server that was itself without Redis, or came before Redis did, does not know how many others there are, unless it had
///   counted them as shortly before.
///
/// Only servers that were counted can be missed: not one that was away when this one started or took the namespace on, nor
/// one that Redis refuses for good. Servers are counted by number: one that comes while another is away hides it, and so may one
/// that comes at the moment at which another says goodbye.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", complaint(*missing))]
pub struct MissingServers<T> {
    /// The answers that came in time.
    pub answers: T,
    /// How many servers are missing, or gave less than they have. `None` if nobody knows: Redis is away, or was until now,
    /// forbids `PUBSUB` to this server's user, or did not answer in time, or this server hears no answers.
    pub missing: Option<usize>,
}

impl<T> MissingServers<T> {
    /// The answers as they are if no server is missing.
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
