//! A certificate authority for one test, and its certificate for `localhost` and 127.0.0.1.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::server::Directory;

pub struct Certificates {
    pub ca: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
    _directory: Directory,
}

impl Certificates {
    pub fn new() -> Self {
        let directory = Directory::new();
        let file = |name: &str| directory.0.join(name);
        let openssl = |arguments: &str| {
            let words = arguments.split_whitespace();
            let output = Command::new("openssl").args(words).current_dir(&directory.0).output().expect("openssl");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=kinglet-test"));
        openssl(&format!("req {key} -keyout server.key -out server.csr -subj /CN=localhost"));
        fs::write(file("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n").unwrap();
        openssl("x509 -req -in server.csr -CA ca.pem -CAkey ca.key -days 2 -extfile names -out server.pem");
        let (ca, certificate, key) = (file("ca.pem"), file("server.pem"), file("server.key"));
        Self { ca, certificate, key, _directory: directory }
    }
}
