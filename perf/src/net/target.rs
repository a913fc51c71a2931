//! The server under load.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use super::Url;
use crate::error::{Error, Result};
use crate::wire::Requests;

/// How long the first connection may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What TLS needs for one host.
#[derive(Debug, Clone)]
pub struct Tls {
    /// Whom to trust.
    pub config: Arc<ClientConfig>,
    /// Whom to expect.
    pub name: ServerName<'static>,
}

/// A server that answers.
#[derive(Debug)]
pub struct Target {
    /// Its URL, as given.
    pub url: String,
    /// Its addresses; clients take them in turn.
    pub addresses: Vec<SocketAddr>,
    /// Set for `https` and `wss`.
    pub tls: Option<Tls>,
    /// What `Host` says.
    pub authority: String,
    /// The requests of a Socket.IO client.
    pub requests: Requests,
    /// The namespace in packets: empty for `/`, else with the comma after it.
    pub namespace: String,
}

impl Target {
    /// Resolves the host and keeps the addresses that accept a connection.
    pub fn new(url: Url, path: &str, namespace: &str, ca: Option<&Path>) -> Result<Self> {
        let tls = if url.secure { Some(tls(&url.host, ca)?) } else { None };
        let failed = |cause: String| Error::Connect { url: url.text.clone(), cause };
        let resolved = (&*url.host, url.port).to_socket_addrs().map_err(|error| failed(error.to_string()))?;
        let mut addresses = Vec::new();
        let mut cause = "the name has no address".to_owned();
        for address in resolved {
            match TcpStream::connect_timeout(&address, PATIENCE) {
                Ok(_) => addresses.push(address),
                Err(error) => cause = error.to_string(),
            }
        }
        if addresses.is_empty() {
            return Err(failed(cause));
        }
        let path = format!("/{}/", path.trim_matches('/'));
        let path = if path == "//" { "/".to_owned() } else { path };
        let namespace = match namespace.trim_start_matches('/') {
            "" => String::new(),
            name => format!("/{name},"),
        };
        let requests = Requests::new(&path, &url.authority);
        Ok(Self { url: url.text, addresses, tls, authority: url.authority, requests, namespace })
    }

    /// Whether the server is on this machine, where the load may come from any loopback address.
    pub fn is_loopback(&self) -> bool {
        self.addresses.iter().all(|address| address.ip().is_loopback() && address.is_ipv4())
    }
}

fn tls(host: &str, ca: Option<&Path>) -> Result<Tls> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(file) = ca {
        let failed = |cause: String| Error::Certificates { file: file.display().to_string(), cause };
        for certificate in CertificateDer::pem_file_iter(file).map_err(|error| failed(error.to_string()))? {
            roots.add(certificate.map_err(|error| failed(error.to_string()))?)?;
        }
    }
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(|error| rustls::Error::General(error.to_string()))?;
    Ok(Tls { config: Arc::new(config), name })
}
