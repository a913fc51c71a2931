//! What a seed's history is like, and how that can be changed.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::cluster;
use crate::chance::simulated::Random;
use crate::config::{Config, Limits, Recovery};
use crate::engineio::CLOSE_WAIT;

/// More clients or jobs than a history has.
const MANY: usize = 10_000;

/// What a seed's history is like. A field that is an `Option` or a `bool` is a kind of trouble, and is none at `null` or `false`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    pub(super) shards: usize,
    pub(super) clients: usize,
    pub(super) steps: usize,
    /// A connection breaks once in so many steps, if any does.
    pub(super) breaks: Option<u64>,
    /// Bytes that a socket takes while its peer reads nothing.
    pub(super) room: usize,
    /// Bytes that may wait for a client before it is not read any more.
    pub(super) hold_up: usize,
    /// Messages that a client may send in a second.
    pub(super) message_rate: Option<usize>,
    /// Whether clients change from polling to WebSocket.
    pub(super) upgrades: bool,
    /// Milliseconds that an upgrade may take.
    pub(super) upgrade_timeout: u64,
    /// Servers; if there are more than one, Redis joins them.
    pub(super) instances: usize,
    /// Something happens to Redis once in so many steps, if it ever does.
    pub(super) redis_trouble: Option<u64>,
    /// Connections that a turn accepts, and as many that a fan-out writes to, if these are few.
    pub(super) narrow: Option<usize>,
    /// Microseconds that pass in a turn between two looks at the clock.
    pub(super) look: Option<u64>,
    /// How often time goes on to the next timer while nobody speaks, once all has been said.
    pub(super) quiet: Option<u64>,
    /// Milliseconds between a pong and the next ping, and for the pong.
    pub(super) ping_interval: u64,
    pub(super) ping_timeout: u64,
    /// Whether some pongs are late or missing.
    pub(super) late_pongs: bool,
    /// Whether at the end everybody falls silent, instead of leaving.
    pub(super) silent_end: bool,
    /// Milliseconds that a lost client may be away and still come back as what it was, if that is possible at all.
    pub(super) recovery: Option<u64>,
    /// Whether some sayings have binary attachments.
    pub(super) attachments: bool,
    /// Some sayings have a text of less than so many bytes.
    pub(super) long_texts: Option<u64>,
    /// Whether the server asks clients questions.
    pub(super) questions: bool,
    /// Whether clients leave their namespaces, or have the program let them go.
    pub(super) partings: bool,
    /// Whether the program refuses some sockets.
    pub(super) refusals: bool,
    /// Whether some handlers panic.
    pub(super) panics: bool,
    /// A server is told to drain once in so many steps, if that is ever done, and another one takes its place.
    pub(super) drains: Option<u64>,
    /// A server is killed once in so many steps, if that ever happens, and another one takes its place.
    pub(super) kills: Option<u64>,
    /// Milliseconds of the window of a drain.
    pub(super) drain: u64,
    /// A shard cannot accept once in so many steps, if that ever happens.
    pub(super) failed_accepts: Option<u64>,
    /// Connections that may wait to be accepted.
    pub(super) backlog: i32,
    /// Bytes of the longest body and message.
    pub(super) max_payload: usize,
    /// A client stops reading for a while once in so many steps, if that ever happens.
    pub(super) deaf: Option<u64>,
    /// Whether at the end everybody speaks and nobody reads, if they do not fall silent.
    pub(super) deaf_end: bool,
    /// Milliseconds in which a client must take something.
    pub(super) write_stall: u64,
    /// The memory in use changes once in so many steps, if it ever does.
    pub(super) memory: Option<u64>,
    /// Whether the program gives some answers late, and from elsewhere.
    pub(super) late_answers: bool,
    /// The program has many join or leave, or disconnects them, once in so many steps, if it ever does.
    pub(super) crowds: Option<u64>,
    /// Whether clients of a server that is killed may not notice.
    pub(super) half_open: bool,
    /// Milliseconds for which a client may wait for the program's decision, if the program decides late.
    pub(super) decisions: Option<u64>,
    /// Clients about which the program may have yet to decide.
    pub(super) undecided: usize,
    /// Threads for handlers that block, if the program has any.
    pub(super) threads: Option<usize>,
    /// Jobs that may wait for these threads.
    pub(super) jobs: usize,
    /// Whether some clients are 2.x clients.
    pub(super) old: bool,
    /// Whether at the end everybody goes while much is said, if they do not fall silent.
    pub(super) hurry: bool,
    /// Whether each connection of a session may reach another server than its session's, if there are several.
    pub(super) loose: bool,
    /// Whether clients of several namespaces join the others some time after the first.
    pub(super) late_joins: bool,
}

impl Plan {
    pub(super) fn of(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x5eed);
        Self {
            shards: 1 + random.below(3) as usize,
            clients: 2 + random.below(12) as usize,
            steps: 2000,
            breaks: (!random.once_in(3)).then(|| 50 + random.below(500)),
            room: [40, 300, 4000, 1 << 20][random.below(4) as usize],
            hold_up: [100, 1000, 64 * 1024][random.below(3) as usize],
            message_rate: random.once_in(4).then_some(20),
            upgrades: !random.once_in(3),
            upgrade_timeout: [1000, 10_000][random.below(2) as usize],
            instances: [1, 1, 2, 4][random.below(4) as usize],
            redis_trouble: random.once_in(2).then(|| 50 + random.below(500)),
            narrow: random.once_in(2).then(|| 1 + random.below(3) as usize),
            look: random.once_in(3).then(|| 100 + random.below(900)),
            quiet: random.once_in(2).then(|| random.below(600)),
            ping_interval: [300, 2000, 25_000][random.below(3) as usize],
            ping_timeout: [500, 3000, 20_000][random.below(3) as usize],
            late_pongs: random.once_in(3),
            silent_end: random.once_in(2),
            recovery: random.once_in(2).then(|| [1000, 10_000, 120_000][random.below(3) as usize]),
            attachments: random.once_in(2),
            long_texts: random.once_in(3).then_some(1500),
            questions: random.once_in(2),
            partings: random.once_in(2),
            refusals: random.once_in(4),
            panics: random.once_in(4),
            drains: random.once_in(3).then(|| 300 + random.below(1500)),
            kills: random.once_in(4).then(|| 300 + random.below(1500)),
            drain: [0, 500, 5000][random.below(3) as usize],
            failed_accepts: random.once_in(4).then(|| 50 + random.below(200)),
            backlog: [1, 3, 4096][random.below(3) as usize],
            max_payload: [2000, 1_000_000][random.below(2) as usize],
            deaf: random.once_in(3).then(|| 100 + random.below(500)),
            deaf_end: random.once_in(2),
            write_stall: [1000, 10_000, 10_000][random.below(3) as usize],
            memory: random.once_in(4).then(|| 50 + random.below(300)),
            late_answers: random.once_in(3),
            crowds: random.once_in(4).then(|| 100 + random.below(500)),
            half_open: random.once_in(2),
            decisions: random.once_in(3).then(|| [2000, 45_000][random.below(2) as usize]),
            undecided: [2, MANY][random.below(2) as usize],
            threads: random.once_in(3).then(|| [1, 3][random.below(2) as usize]),
            jobs: [2, MANY][random.below(2) as usize],
            old: random.once_in(4),
            hurry: random.once_in(2),
            loose: random.once_in(2),
            late_joins: random.once_in(2),
        }
    }

    /// Whether servers end while the history goes on.
    pub(super) const fn has_ends(&self) -> bool {
        self.drains.is_some() || self.kills.is_some()
    }

    /// Whether connections of a session reach any server.
    pub(super) const fn is_loose(&self) -> bool {
        self.loose && self.is_cluster()
    }

    /// Whether Redis joins the servers.
    pub(super) const fn is_cluster(&self) -> bool {
        self.instances > 1
    }

    /// Whether clients may miss what clients of other servers say.
    pub(super) const fn may_miss(&self) -> bool {
        self.is_cluster() && self.redis_trouble.is_some()
    }

    /// Whether clients wait for the program, which may have no room for them, or no time.
    pub(super) const fn may_be_busy(&self) -> bool {
        self.decisions.is_some() || self.threads.is_some()
    }

    /// Whether the threads may refuse a job.
    pub(super) const fn has_few_jobs(&self) -> bool {
        self.threads.is_some() && self.jobs < MANY
    }

    /// Whether a handler that blocks passes on what it hears: more than one thread would change the order.
    pub(super) fn relays_from_a_thread(&self) -> bool {
        self.threads == Some(1)
    }

    /// The settings of its servers.
    pub(super) fn config(&self) -> Config {
        let Self { hold_up, message_rate, backlog, .. } = *self;
        let redis = self.is_cluster().then(cluster::address);
        let write_stall = Duration::from_millis(self.write_stall);
        let mut limits = Limits {
            hold_up,
            message_rate,
            backlog,
            write_stall,
            pending_admissions: self.undecided,
            blocking_queue: self.jobs,
            ..Limits::default()
        };
        if !self.may_miss() {
            // Whoever is let in before Redis has confirmed the subscriptions may miss something, or while Redis seems to be away.
            limits.subscribe_wait = Duration::from_secs(3600);
            limits.redis_connect_timeout = Duration::from_secs(100);
            limits.redis_ping_timeout = Duration::from_secs(3600);
        }
        if let Some(few) = self.narrow {
            (limits.accepts_per_turn, limits.writes_per_turn) = (few, few);
        }
        let default = Config::default();
        Config {
            path: "/socket.io/".to_owned(),
            upgrade_timeout: Duration::from_millis(self.upgrade_timeout),
            ping_interval: Duration::from_millis(self.ping_interval),
            ping_timeout: Duration::from_millis(self.ping_timeout),
            max_http_buffer_size: self.max_payload,
            drain: Duration::from_millis(self.drain),
            recovery: self.recovery.map(|away| Recovery {
                max_disconnection_duration: Duration::from_millis(away),
                ..Recovery::default()
            }),
            connect_timeout: self.decisions.map_or(default.connect_timeout, Duration::from_millis),
            allow_eio3: self.old,
            limits,
            redis,
            ..default
        }
    }
}

impl Plan {
    /// How long a session may last after its client fell silent. Its pong is waited for three times more if something shows that
    /// the ping may be under way, or that the client takes bytes; who is not read because it does not take what waits for it
    /// is cut off for that instead. Who polls and is let go, by the program or because attachments are missing, may fetch that for a
    /// while.
    pub(super) fn silence(&self) -> Duration {
        let stall = Duration::from_millis(2 * self.write_stall);
        let may_be_let_go = self.partings || self.crowds.is_some() || self.may_be_busy() || self.attachments;
        let fetch = if may_be_let_go { CLOSE_WAIT } else { Duration::ZERO };
        Duration::from_millis(self.ping_interval + 4 * self.ping_timeout) + stall.max(fetch)
    }
}

/// Fields of a plan that are other than its seed chose them, as an object of JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Changes(Map<String, Value>);

impl Changes {
    /// The plan of a seed with these changes.
    pub(super) fn plan(&self, seed: u64) -> Plan {
        serde_json::from_value(Value::Object(self.fields(seed))).expect("a plan")
    }

    /// All fields of that plan.
    pub(super) fn fields(&self, seed: u64) -> Map<String, Value> {
        let Ok(Value::Object(mut fields)) = serde_json::to_value(Plan::of(seed)) else { unreachable!("it has fields") };
        fields.extend(self.0.clone());
        fields
    }

    /// The same changes and one more; `None` if that is no plan.
    pub(super) fn and(&self, seed: u64, field: &str, value: Value) -> Option<Self> {
        let mut changes = self.clone();
        changes.0.insert(field.to_owned(), value);
        serde_json::from_value::<Plan>(Value::Object(changes.fields(seed))).is_ok().then_some(changes)
    }

    /// What the command needs to replay it, beside the seed.
    pub(super) fn argument(&self) -> String {
        if self.0.is_empty() { String::new() } else { format!(" PLAN='{self}'") }
    }
}

impl FromStr for Changes {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() { Ok(Self::default()) } else { serde_json::from_str(text).map(Self) }
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "{}", Value::Object(self.0.clone())) }
    }
}
