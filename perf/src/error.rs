//! What can stop a run before it has anything to report.

use std::io;

use thiserror::Error;

/// Why a command did not run to its end.
#[derive(Debug, Error)]
pub enum Error {
    /// The command line asks for something that does not exist.
    #[error("{0}")]
    Usage(#[from] lexopt::Error),
    /// The command line asks for something impossible.
    #[error("{0}")]
    Options(String),
    /// The URL cannot be used.
    #[error("{url:?} is not a URL of a server: {why}")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Nobody answers.
    #[error("cannot connect to {url}: {cause}")]
    Connect {
        /// What was given.
        url: String,
        /// What the operating system or the server says.
        cause: String,
    },
    /// The certificates to trust cannot be read.
    #[error("cannot read certificates from {file}: {cause}")]
    Certificates {
        /// The file given with `--ca`.
        file: String,
        /// What is wrong with it.
        cause: String,
    },
    /// TLS cannot be set up for this host.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// A process to be measured is not there.
    #[error("cannot measure {what}: {cause}")]
    Measure {
        /// The process or the cgroup.
        what: String,
        /// Why not.
        cause: io::Error,
    },
    /// A process of the load generator itself failed.
    #[error("load process {index}: {cause}")]
    Worker {
        /// Which one, counted from 0.
        index: usize,
        /// What became of it.
        cause: String,
    },
    /// The operating system refuses something the load generator needs.
    #[error("{what}: {cause}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why not.
        cause: io::Error,
    },
}

impl Error {
    /// Names what was tried when the operating system refused.
    pub const fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::System { what, cause }
    }
}

/// The result of a command.
pub type Result<T, E = Error> = std::result::Result<T, E>;
