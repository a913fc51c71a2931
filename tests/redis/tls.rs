//! Redis over TLS.

use std::time::Duration;

use kinglet::cluster::redis::{self, Fault, Kind};
use kinglet::{Config, Error, RedisSecurity, RedisServer};

use crate::support::certificates::Certificates;
use crate::support::listener::{Listener, quick};
use crate::support::server::{Directory, Server};

fn tls(host: &str, port: u16) -> RedisServer {
    RedisServer::new(host, port, RedisSecurity::Tls)
}

fn server(certificates: &Certificates) -> Server {
    let mut server = Server::absent(&[]);
    server.run_with_tls(&certificates.certificate, &certificates.key, &certificates.ca);
    server
}

fn trusting(certificates: &Certificates, server: RedisServer) -> Config {
    Config { redis_ca: Some(certificates.ca.clone()), ..quick(server) }
}

#[test]
fn messages_of_any_length_pass_by_name_and_by_address() {
    let certificates = Certificates::new();
    let server = server(&certificates);
    for host in ["localhost", "127.0.0.1"] {
        let listener = Listener::on(&trusting(&certificates, tls(host, server.port)), "news");
        listener.until_up();
        for length in [0, 1, 16_384, 3_000_000] {
            listener.redis.publish("news", vec![b'x'; length], Kind::Lasting);
        }
        for length in [0, 1, 16_384, 3_000_000] {
            assert_eq!(listener.message().1.len(), length);
        }
    }
}

#[test]
fn a_restarted_server_is_found_again() {
    let certificates = Certificates::new();
    let mut server = server(&certificates);
    let listener = Listener::on(&trusting(&certificates, tls("localhost", server.port)), "news");
    listener.until_up();
    server.kill();
    listener.until_down();
    server.run_with_tls(&certificates.certificate, &certificates.key, &certificates.ca);
    listener.until_up();
    listener.redis.publish("news", "rain", Kind::Lasting);
    assert_eq!(listener.text(), "rain");
}

#[test]
fn a_frozen_server_is_noticed() {
    let certificates = Certificates::new();
    let server = server(&certificates);
    let mut config = trusting(&certificates, tls("localhost", server.port));
    config.limits.redis_ping_interval = Duration::from_millis(200);
    config.limits.redis_ping_timeout = Duration::from_millis(300);
    let listener = Listener::on(&config, "news");
    listener.until_up();
    server.freeze();
    let fault = listener.until_down();
    assert!(matches!(fault, Fault::Silent(_)), "{fault}");
    server.thaw();
    listener.until_up();
}

#[test]
fn a_server_whose_certificate_is_not_trusted_gets_nothing() {
    let certificates = Certificates::new();
    let server = server(&certificates);
    let fault = Listener::start(&quick(tls("localhost", server.port))).until_down();
    assert!(matches!(&fault, Fault::Tls(text) if text.contains("UnknownIssuer")), "{fault}");
}

#[test]
fn a_server_whose_certificate_is_for_another_name_gets_nothing() {
    let certificates = Certificates::new();
    let mut server = Server::absent(&["--bind", "127.0.0.2"]);
    server.run_with_tls(&certificates.certificate, &certificates.key, &certificates.ca);
    let fault = Listener::start(&trusting(&certificates, tls("127.0.0.2", server.port))).until_down();
    assert!(matches!(&fault, Fault::Tls(text) if text.contains("not valid for name")), "{fault}");
}

#[test]
fn tls_to_a_plain_server_and_plain_to_one_of_tls_say_so() {
    let certificates = Certificates::new();
    let plain = Server::start(&[]);
    let fault = Listener::start(&trusting(&certificates, tls("localhost", plain.port))).until_down();
    assert!(matches!(fault, Fault::Tls(_)), "{fault}");
    let server = server(&certificates);
    let fault = Listener::start(&quick(server.address())).until_down();
    assert!(matches!(fault, Fault::Unwelcome), "{fault}");
}

#[test]
fn a_file_that_holds_no_certificates_is_a_wrong_setting() {
    let directory = Directory::new();
    let (missing, empty) = (directory.0.join("missing.pem"), directory.0.join("empty.pem"));
    std::fs::write(&empty, "nothing").unwrap();
    for path in [missing, empty] {
        let config = Config { redis: Some(tls("localhost", 1)), redis_ca: Some(path.clone()), ..Config::default() };
        let error = redis::start(&config, |_| {}).unwrap_err();
        assert!(matches!(error, Error::Setting { name: "KINGLET_REDIS_CA", .. }), "{error}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
}
