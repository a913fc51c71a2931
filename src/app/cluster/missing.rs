//! What is missing of the answers of a cluster.

/// An answer that not all servers of the cluster have had a part in, or nobody knows whether they have: what is known, this
/// server's own part included.
///
/// An answer is complete only if all this held: this server's own subscriptions for the namespace were in effect, so that it
/// hears the others; Redis said how many others there are; all of those gave all that they have, within
/// [`Limits::requests_timeout`](crate::Limits::requests_timeout); and none was there shortly before that may be on its way back
/// to Redis.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", complaint(*missing))]
pub struct MissingServers<T> {
    /// The answers that came in time.
    pub answers: T,
    /// How many servers are missing, or gave less than they have. `None` if nobody knows: Redis is away, forbids `PUBSUB` to
    /// this server's user, or did not answer in time, or this server hears no answers.
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
        Some(missing) => format!("{missing} server(s) of the cluster did not answer in time, or not in full"),
        None => {
            "nobody knows how many other servers the cluster has: they were not asked, or could not be heard".to_owned()
        }
    }
}
