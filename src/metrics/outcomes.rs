//! What is counted by its outcome: relayed requests, sessions that move, clients that come back. The names are labels.

/// The way of a relayed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From another instance, to a session here.
    In,
    /// To another instance.
    Out,
}

impl Way {
    pub(crate) const ALL: [Self; 2] = [Self::In, Self::Out];

    /// Its name as a label.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// What has become of a session whose client's WebSocket has come to another instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Move {
    /// It went there.
    Sent,
    /// It came from there.
    Received,
    /// It stayed, and its WebSocket is passed on.
    Stayed,
    /// It ended: it came, and could not go on here.
    Refused,
    /// It ended: nobody heard that it came.
    Unheard,
}

impl Move {
    pub(crate) const ALL: [Self; 5] = [Self::Sent, Self::Received, Self::Stayed, Self::Refused, Self::Unheard];

    /// Its name as a label.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Received => "received",
            Self::Stayed => "stayed",
            Self::Refused => "refused",
            Self::Unheard => "unheard",
        }
    }
}

/// Why a relayed request was not answered by the instance that has its session, or its tunnel ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RelayFailure {
    /// That instance has ended, or something that was told it or by it is missing.
    Gone,
    /// It did not answer in time.
    Late,
    /// Redis is away, or refuses.
    Redis,
    /// Too much waits for Redis.
    Full,
    /// The request is longer than what may wait for Redis.
    TooLong,
    /// Too many are under way.
    Crowd,
}

impl RelayFailure {
    pub(crate) const ALL: [Self; 6] = [Self::Gone, Self::Late, Self::Redis, Self::Full, Self::TooLong, Self::Crowd];

    /// Its name as a label.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Late => "late",
            Self::Redis => "redis",
            Self::Full => "full",
            Self::TooLong => "too_long",
            Self::Crowd => "crowd",
        }
    }
}

/// What became of a client that came back and claimed its socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecoveryOutcome {
    /// This server had the socket.
    Here,
    /// Another server has handed it over.
    Elsewhere,
    /// Another server has left it in Redis.
    Record,
    /// No server has it.
    Unknown,
    /// What the client missed is not kept any more.
    Forgotten,
    /// It cannot be told what the client missed, because something did not come from other servers.
    Doubtful,
    /// Other servers were not asked, because too many clients came back at once.
    Limited,
}

impl RecoveryOutcome {
    pub(crate) const ALL: [Self; 7] =
        [Self::Here, Self::Elsewhere, Self::Record, Self::Unknown, Self::Forgotten, Self::Doubtful, Self::Limited];

    /// The label of the metric.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Here => "here",
            Self::Elsewhere => "elsewhere",
            Self::Record => "record",
            Self::Unknown => "unknown",
            Self::Forgotten => "forgotten",
            Self::Doubtful => "doubtful",
            Self::Limited => "limited",
        }
    }

    pub(super) const fn is_recovered(self) -> bool {
        matches!(self, Self::Here | Self::Elsewhere | Self::Record)
    }
}
