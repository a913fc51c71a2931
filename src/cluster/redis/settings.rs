//! The settings for Redis, in the form that the threads use.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use super::stream::Tls;
use crate::config::{Config, RedisSecurity, RedisServer};
use crate::error::{Error, Result};

#[derive(Debug)]
pub(super) struct Settings {
    pub(super) server: RedisServer,
    pub(super) tls: Option<Tls>,
    pub(super) connect_timeout: Duration,
    pub(super) ping_interval: Duration,
    pub(super) ping_timeout: Duration,
    pub(super) backoff: Duration,
    pub(super) queue: usize,
    /// Bytes of messages with a receipt that may wait.
    pub(super) receipted_queue: usize,
    pub(super) message: usize,
    /// Whether it must be known since when what comes is read at once. Then the subscriber looks at the clock twice a second.
    pub(super) watches_promptness: bool,
}

impl Settings {
    /// The settings for this server. The file of certificates is read here, once.
    pub(super) fn new(config: &Config, server: RedisServer) -> Result<Self> {
        let tls = match server.security {
            RedisSecurity::Plain => None,
            RedisSecurity::Tls => Some(tls(&server.host, config.redis_ca.as_deref())?),
        };
        let limits = &config.limits;
        Ok(Self {
            server,
            tls,
            connect_timeout: limits.redis_connect_timeout,
            ping_interval: limits.redis_ping_interval,
            ping_timeout: limits.redis_ping_timeout,
            backoff: limits.redis_backoff,
            queue: limits.redis_queue,
            receipted_queue: limits.relay_queue,
            message: limits.redis_message,
            watches_promptness: config.recovery.is_some(),
        })
    }
}

/// TLS with the roots that browsers trust, and those of a file if there is one.
fn tls(host: &str, file: Option<&Path>) -> Result<Tls> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| Error::Setting {
        name: "REDIS_URL",
        value: host.to_owned(),
        expected: "a host's name or IP address that a certificate can be valid for".to_owned(),
    })?;
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = file {
        let refused = |reason: String| Error::Setting {
            name: "KINGLET_REDIS_CA",
            value: path.display().to_string(),
            expected: format!("a file of certificates in PEM ({reason})"),
        };
        let certificates = CertificateDer::pem_file_iter(path).map_err(|error| refused(error.to_string()))?;
        let before = roots.len();
        for certificate in certificates {
            let certificate = certificate.map_err(|error| refused(error.to_string()))?;
            roots.add(certificate).map_err(|error| refused(error.to_string()))?;
        }
        if roots.len() == before {
            return Err(refused("there is none in it".to_owned()));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let versions = versions.map_err(io::Error::other).map_err(Error::system("cannot set up TLS"))?;
    let mut config = versions.with_root_certificates(roots).with_no_client_auth();
    // Reconnections are too rare to pay for the memory of resumption.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Tls { config: Arc::new(config), name })
}
