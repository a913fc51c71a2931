//! Histories that failed once. They are lived through first.

/// Each one's seed, what of its plan the seed did not choose (empty for nothing), what it found, and when that was mended.
pub(super) const FAILED: &[(u64, &str, &str, &str)] = &[
    (
        1431,
        r#"{"crowds":null,"deaf":null,"decisions":null,"hurry":false,"late_answers":false,"late_joins":false,"look":null,"loose":false,"memory":null,"old":false,"panics":false,"silent_end":false,"steps":1299,"threads":null,"write_stall":10000}"#,
        "a client whose POST is held up hears no ping, and believes the server dead",
        "2026-11-30",
    ),
    (
        2930,
        r#"{"attachments":false,"clients":1,"crowds":null,"deaf":null,"decisions":null,"hurry":false,"instances":1,"late_answers":false,"late_joins":false,"look":null,"loose":false,"memory":null,"old":false,"quiet":null,"shards":1,"steps":520,"threads":null,"write_stall":10000}"#,
        "an upgrade times out while the server holds the client's POST up",
        "2026-11-30",
    ),
    (
        6225,
        r#"{"crowds":null,"deaf":null,"deaf_end":false,"decisions":null,"half_open":false,"hurry":false,"late_answers":false,"late_joins":false,"look":null,"loose":false,"memory":null,"old":false,"steps":1131,"threads":null,"write_stall":10000}"#,
        "a shard panics: a question waits for subscriptions of a namespace that the last socket leaves",
        "2026-11-30",
    ),
    (
        91,
        r#"{"deaf_end":false,"decisions":null,"half_open":false,"hurry":false,"late_joins":false,"loose":false,"old":false,"quiet":null,"steps":1163,"threads":null}"#,
        "a session whose extended wait is over before it is looked at has no timer",
        "2026-11-30",
    ),
    (
        4070,
        r#"{"deaf_end":false,"half_open":false,"hurry":false,"late_joins":false,"loose":false,"narrow":null,"old":false,"steps":1997}"#,
        "pongs that are read late, as their client sends too much, delay the next ping until the client gives up",
        "2026-11-30",
    ),
    (
        15_793,
        r#"{"hurry":false,"narrow":null,"quiet":null,"recovery":null,"shards":1,"steps":1865}"#,
        "a client whose queue leaves after a ping is not pinged again while its pong waits to be read",
        "2026-11-30",
    ),
];
