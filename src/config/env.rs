//! The environment's variables, read into the settings.

use std::ffi::OsString;

use super::settings::SETTINGS;
use super::{Config, redis};
use crate::error::{Error, Result};

/// Overrides `config` with the variables among `vars` that are settings. An empty one is one that is not set.
pub(super) fn apply(mut config: Config, vars: impl Iterator<Item = (OsString, OsString)>) -> Result<Config> {
    let vars: Vec<(OsString, OsString)> = vars.filter(|(_, value)| !value.is_empty()).collect();
    // Text that is not UTF-8 is no address either, and refused as such.
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
                log::warn!("{name} is no setting of kinglet: --help lists those that are");
            }
            continue;
        };
        let result = value.to_str().ok_or("text in UTF-8").and_then(|text| (setting.apply)(&mut config, text));
        result.map_err(|expected| Error::Setting {
            name: setting.name,
            value: match setting.name {
                "KINGLET_OPS_TOKEN" => redis::NOT_SHOWN.to_owned(),
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
