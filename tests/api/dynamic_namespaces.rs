//! Namespaces that are made when a client asks for them.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use kinglet::{Config, Limits, Refusal, Server};

use crate::client::Client;
use crate::{config, serve};

fn games(server: &mut Server) {
    server
        .of_dynamic(|name| name.starts_with("/game-"))
        .middleware(|socket| match socket.namespace() {
            "/game-closed" => Err(Refusal::new("closed")),
            _ => Ok(()),
        })
        .on("where", |socket, event| event.ack(socket.namespace()))
        .on("all", |socket, _| socket.server().of(socket.namespace()).emit("hello", socket.namespace()));
    server.of("/game-fixed").on("where", |_, event| event.ack("fixed"));
}

#[test]
fn a_name_that_fits_becomes_a_namespace_with_its_parents_handlers() {
    let server = serve(config(), games);
    let mut client = Client::open(server.address, &[]);
    client.join("/game-1");
    client.join("/game-2");
    client.send("42/game-1,7[\"where\"]");
    client.expect("43/game-1,7[\"/game-1\"]");
    client.send("42/game-2,8[\"where\"]");
    client.expect("43/game-2,8[\"/game-2\"]");
    assert_eq!(client.connect("/game-closed"), r#"{"message":"closed"}"#);
    assert_eq!(client.connect("/play-1"), r#"{"message":"Invalid namespace"}"#);
}

#[test]
fn a_declared_namespace_wins() {
    let server = serve(config(), games);
    let mut client = Client::open(server.address, &[]);
    client.join("/game-fixed");
    client.send("42/game-fixed,1[\"where\"]");
    client.expect("43/game-fixed,1[\"fixed\"]");
}

#[test]
fn clients_of_every_shard_hear_each_other_and_nobody_else() {
    let server = serve(config(), games);
    let mut clients: Vec<Client> = (0..16).map(|_| Client::open(server.address, &[])).collect();
    let mut stranger = Client::open(server.address, &[]);
    clients.iter_mut().for_each(|client| _ = client.join("/game-1"));
    stranger.join("/game-2");
    clients[0].send("42/game-1,[\"all\"]");
    clients.iter_mut().for_each(|client| client.expect(r#"42/game-1,["hello","/game-1"]"#));
    server.handle.of("/game-2").emit("hello", 2).unwrap();
    stranger.expect(r#"42/game-2,["hello",2]"#);
}

#[test]
fn their_number_and_length_are_bounded() {
    let limits = Limits { dynamic_namespaces: 2, namespace_length: 10, ..Limits::default() };
    let server = serve(Config { limits, ..config() }, games);
    let mut client = Client::open(server.address, &[]);
    client.join("/game-1");
    client.join("/game-2");
    assert_eq!(client.connect("/game-3"), r#"{"message":"no more namespaces can be made"}"#);
    client.send("41/game-1,");
    client.join("/game-3");
    assert_eq!(client.connect("/game-45678"), r#"{"message":"the name of the namespace is too long"}"#);
    assert_eq!((server.hit("dynamic_namespaces"), server.hit("namespace_length")), (1, 1));
    let mut other = Client::open(server.address, &[]);
    other.join("/game-2");
}

#[test]
fn at_the_limit_the_namespace_empty_longest_makes_room() {
    let limits = Limits { dynamic_namespaces: 3, ..Limits::default() };
    let server = serve(Config { limits, cleanup_empty_child_namespaces: false, ..config() }, games);
    let mut client = Client::open(server.address, &[]);
    for name in ["/game-1", "/game-2", "/game-3", "/game-4"] {
        client.join(name);
        client.send(&format!("41{name},"));
    }
    client.join("/game-5");
    let exists = |name: &str| server.handle.of(name).to("nobody").emit("x", ()).is_ok();
    let there = ["/game-1", "/game-2", "/game-3", "/game-4", "/game-5"].map(exists);
    assert_eq!(there, [false, false, true, true, true]);
    assert_eq!(server.hit("dynamic_namespaces"), 2);
}

#[test]
fn nothing_is_made_for_a_client_that_is_refused() {
    let asked = Arc::<AtomicUsize>::default();
    let counter = Arc::clone(&asked);
    let limits = Limits { namespaces_per_session: 1, ..Limits::default() };
    let server = serve(Config { limits, cleanup_empty_child_namespaces: false, ..config() }, move |server| {
        games(server);
        server.of_dynamic(move |_| counter.fetch_add(1, Relaxed) < usize::MAX);
    });
    let mut client = Client::open(server.address, &[]);
    let exists = |name: &str| server.handle.of(name).to("nobody").emit("x", ()).is_ok();
    assert_eq!(client.connect("/game-closed"), r#"{"message":"closed"}"#);
    assert!(!exists("/game-closed"), "a middleware refused it");
    client.join("/game-1");
    assert_eq!(client.connect("/other"), r#"{"message":"a session may join 1 namespaces at most"}"#);
    assert_eq!((asked.load(Relaxed), exists("/other")), (0, false));
}

#[test]
fn one_without_sockets_goes_unless_set_otherwise() {
    for (cleanup_empty_child_namespaces, stays) in [(false, true), (true, false)] {
        let server = serve(Config { cleanup_empty_child_namespaces, ..config() }, games);
        let mut client = Client::open(server.address, &[]);
        client.join("/game-1");
        client.send("41/game-1,");
        client.join("/game-2");
        assert_eq!(server.handle.of("/game-1").to("nobody").emit("x", ()).is_ok(), stays);
        client.join("/game-1");
        client.send("42/game-1,1[\"where\"]");
        client.expect("43/game-1,1[\"/game-1\"]");
    }
}
