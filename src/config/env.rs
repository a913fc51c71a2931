//! The environment's variables, read into the settings.

use std::ffi::OsString;

use super::settings::SETTINGS;
use super::{Config, redis};
use crate::error::{Error, Result};

/// Overrides `config` with the settings among `vars`. An empty variable counts as not set.
pub(super) fn apply(mut config: Config, vars: impl Iterator<Item = (OsString, OsString)>) -> Result<Config> {
    let vars: Vec<(OsString, OsString)> = vars.filter(|(_, value)| !value.is_empty()).collect();
    // Text that is not UTF-8 is refused like any other wrong address.
    let variable =
        |name: &str| vars.iter().find(|(set, _)| set == name).map(|(_, value)| value.to_str().unwrap_or("?"));
    let redis = redis::from_variables(variable).map_err(|(name, expected)| Error::Setting {
        name,
        value: redis::NOT_SHOWN.to_owned(),
        expected: expected.to_owned(),
    })?;
    config.redis = redis.or(config.redis);
    for (name, value) in &vars {
        let Some(name) = name.to_str() else { continue };
        let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else {
            if name.starts_with("KINGLET_") {
                log::warn!("{name} is not a setting of kinglet; --help lists all settings");
            }
            continue;
        };
        let result = value.to_str().ok_or("text in UTF-8").and_then(|text| (setting.apply)(&mut config, text));
        result.map_err(|expected| Error::Setting {
            name: setting.name,
            value: match setting.name {
                "KINGLET_OPS_TOKEN" | "KINGLET_PEER_KEY" => redis::NOT_SHOWN.to_owned(),
                _ => value.to_string_lossy().into_owned(),
            },
            expected: expected.to_owned(),
        })?;
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(vars: &[(&str, &str)]) -> Result<Config> {
        apply(Config::default(), vars.iter().map(|(name, value)| (name.into(), value.into())))
    }

    #[test]
    fn nothing_set_is_the_default() {
        assert_eq!(read(&[("HOME", "/"), ("PATH", "x")]).unwrap(), Config::default());
    }

    #[test]
    fn what_is_set_is_read() {
        let config = read(&[("PORT", "81"), ("KINGLET_PING_INTERVAL", "300ms"), ("KINGLET_SHARDS", "2")]).unwrap();
        assert_eq!((config.port, config.ping_interval.as_millis(), config.shards), (81, 300, Some(2)));
    }

    #[test]
    fn what_is_empty_is_not_set() {
        assert_eq!(read(&[("PORT", ""), ("KINGLET_CORS", ""), ("REDIS_URL", "")]).unwrap(), Config::default());
    }

    #[test]
    fn a_wrong_value_names_variable_value_and_what_is_accepted() {
        let error = read(&[("PORT", "http")]).unwrap_err().to_string();
        assert_eq!(error, r#"PORT="http" is not accepted: expected a port, 0 to 65535"#);
    }

    #[test]
    fn a_wrong_address_of_redis_is_refused_without_being_shown() {
        let error = read(&[("REDIS_URL", "hunter2@cache:6379")]).unwrap_err().to_string();
        assert!(error.starts_with(r#"REDIS_URL="(not shown)" is not accepted: expected redis:// or"#), "{error}");
        let config = read(&[("REDIS_URL", "redis://:hunter2@cache")]).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
        assert_eq!(config.redis.unwrap().host, "cache");
    }

    fn refusal(vars: &[(&str, &str)]) -> Option<String> {
        read(vars).and_then(Config::checked).err().map(|error| error.to_string())
    }

    #[test]
    fn what_nobody_can_mean_is_refused() {
        for (vars, advice) in [
            (&[("KINGLET_MEMORY", "512")][..], "such as 512MiB"),
            (&[("KINGLET_SESSION_MEMORY", "0")], "1KiB or more"),
            (&[("KINGLET_REDIS_QUEUE", "0")], "1KiB or more"),
            (&[("KINGLET_REDIS_MESSAGE", "1023")], "1KiB or more"),
            (&[("KINGLET_MEMORY_REFUSE", "95%")], "at most KINGLET_MEMORY_SHED"),
            (&[("KINGLET_RECOVERY", "0")], "a time above zero, or off"),
            (&[("KINGLET_ALLOWED_ORIGINS", "https://a.example/chat")], "without a path"),
            (&[("KINGLET_CORS", "https://a.example/chat")], "without a path"),
        ] {
            let error = refusal(vars).unwrap_or_default();
            assert!(error.contains(vars[0].0) && error.contains(advice), "{vars:?}: {error}");
        }
        assert_eq!(refusal(&[("KINGLET_MEMORY_REFUSE", "95%"), ("KINGLET_MEMORY_SHED", "off")]), None);
    }

    #[test]
    fn origins_end_without_a_slash_whatever_was_written() {
        let config = read(&[("KINGLET_ALLOWED_ORIGINS", "https://a.example/"), ("KINGLET_CORS", "https://a.example/")]);
        let mut config = config.and_then(Config::checked).unwrap();
        assert_eq!(config.cors.as_mut().unwrap().named_origins(), ["https://a.example"]);
        assert!(config.admits_origins([&b"https://a.example"[..]].into_iter()));
    }

    #[test]
    fn a_variable_that_is_no_setting_changes_nothing() {
        assert_eq!(read(&[("KINGLET_SERVICE_HOST", "10.0.0.1")]).unwrap(), Config::default());
    }

    #[test]
    fn every_literal_default_is_the_default() {
        for setting in SETTINGS {
            let mut config = Config::default();
            if (setting.apply)(&mut config, setting.default).is_ok() {
                assert_eq!(config, Config::default(), "{}", setting.name);
            }
        }
    }
}
