//! Which handshakes open a session, and what the server knows of their clients.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime};

use kinglet::{Config, HandshakeHeaders, Server};

use crate::client::Client;
use crate::{config, serve};

fn origins() -> Config {
    Config { allowed_origins: Some(vec!["https://a.example".into(), "https://b.example".into()]), ..config() }
}

#[test]
fn other_origins_open_no_session_on_a_websocket() {
    let server = serve(origins(), |_| ());
    Client::open(server.address, &[("origin", "https://b.example")]);
    Client::open(server.address, &[]);
    for others in [&["https://a.example.evil"][..], &["null"], &["https://a.example", "https://evil.example"]] {
        let headers: Vec<_> = others.iter().map(|origin| ("origin", *origin)).collect();
        let refused = Client::try_open(server.address, &headers).err().expect("a refusal");
        assert!(refused.starts_with("400"), "{refused}");
    }
    assert_eq!(server.handle.metrics().handshakes, 2);
}

#[test]
fn other_origins_open_no_session_on_polling() {
    let server = serve(origins(), |_| ());
    let answer = |origin: &str| {
        let mut connection = TcpStream::connect(server.address).unwrap();
        let request =
            format!("GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n{origin}Connection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    };
    let refused = answer("Origin: https://evil.example\r\n");
    assert!(refused.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{refused}");
    assert!(refused.ends_with(r#"{"code":4,"message":"Forbidden"}"#), "{refused}");
    assert!(answer("Origin: https://a.example\r\n").starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(answer("").starts_with("HTTP/1.1 200 OK\r\n"));
}

fn address(server: &mut Server) {
    server.of("/").on("address", |socket, event| event.ack(socket.client_address().map(|address| address.to_string())));
}

#[test]
fn the_address_is_what_trusted_proxies_say() {
    let forwarded = [("x-forwarded-for", "6.6.6.6, 1.1.1.1"), ("x-forwarded-for", "2.2.2.2")];
    for (trusted_proxies, expected) in
        [(0, "127.0.0.1"), (1, "2.2.2.2"), (2, "1.1.1.1"), (3, "6.6.6.6"), (4, "127.0.0.1")]
    {
        let handshake_headers = HandshakeHeaders::Forget;
        let server = serve(Config { trusted_proxies, handshake_headers, ..config() }, address);
        let mut client = Client::open(server.address, &forwarded);
        client.join("/");
        client.send("421[\"address\"]");
        client.expect(&format!("431[\"{expected}\"]"));
    }
}

#[test]
fn a_session_knows_when_it_was_opened_and_is_counted() {
    let server = serve(config(), |server| {
        server.of("/").on("age", |socket, event| {
            let age = socket.handshake().and_then(|handshake| SystemTime::now().duration_since(handshake.time()).ok());
            event.ack(age.is_some_and(|age| age < Duration::from_secs(60)))
        });
    });
    let mut clients = [server.client(), server.client()];
    assert_eq!(server.handle.clients_count(), 2);
    clients[0].send("421[\"age\"]");
    clients[0].expect("431[true]");
    drop(clients);
    server.until(|handle| handle.clients_count() == 0);
}
