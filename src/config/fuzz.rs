//! What holds of the texts of settings for any bytes.
#![allow(clippy::expect_used)]

use super::parse::{duration, origins, percent, size, switch, transports};
use super::{Config, Password, RedisServer, SETTINGS, origin};

/// The text of a setting: none is a panic, what is accepted can be written in the plainest form, and an origin is normal when it
/// was made so.
pub fn setting(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    if let Ok(bytes) = size(text) {
        assert_eq!(size(&bytes.to_string()), Ok(bytes));
    }
    if let Ok(time) = duration(text)
        && let Ok(millis) = u64::try_from(time.as_millis())
    {
        assert_eq!(duration(&format!("{millis}ms")), Ok(time));
    }
    assert!(percent(text).is_ok_and(|percent| (1..=100).contains(&percent)) || percent(text).is_err());
    assert!(switch(text).is_err() || size(text).is_err() || matches!(text.trim(), "0" | "1"));
    assert!(transports(text).is_err() || text.contains("polling") || text.contains("websocket"));
    for origin in origins(text).unwrap_or_default().iter().map(String::as_str).chain([text]) {
        if let Some(normal) = origin::normal(origin) {
            assert_eq!(origin::normal(&normal).as_deref(), Some(&*normal));
        }
    }
    let mut config = Config::default();
    for setting in SETTINGS {
        if let Err(expected) = (setting.apply)(&mut config, text) {
            assert!(!expected.is_empty(), "{} does not say what it expects", setting.name);
        }
    }
    let _ = config.checked();
}

/// The address of a Redis server: one that is written again is the same, and shows no password.
pub fn redis_address(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let Ok(server) = text.parse::<RedisServer>() else { return };
    let shown = server.to_string();
    let bare = RedisServer { user: None, password: None, ..server.clone() };
    assert_eq!(shown, bare.to_string(), "the log-in is shown");
    assert_eq!(shown.parse(), Ok(bare));
    let Some(password) = server.password.as_ref().map(Password::expose) else { return };
    let user = server.user.as_deref().unwrap_or_default();
    let (scheme, address) = shown.split_once("://").expect("a scheme");
    let with = |user: &str, password: &str| format!("{scheme}://{user}:{password}@{address}").parse();
    let escaped = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    assert_eq!(with(&escaped(user), &escaped(password)).as_ref(), Ok(&server));
    if !user.contains([':', '%']) && !password.contains('%') {
        assert_eq!(with(user, password), Ok(server.clone()), "characters that need no escape");
    }
}
