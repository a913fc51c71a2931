//! Namespaces that come into being when a client asks for them.

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
    assert_eq!(client.connect("/game-45678"), r#"{"message":"the name of the namespace is too long"}"#);
    assert_eq!((server.hit("dynamic_namespaces"), server.hit("namespace_length")), (1, 1));
    let mut other = Client::open(server.address, &[]);
    other.join("/game-2");
}

#[test]
fn one_without_sockets_stays_unless_set_otherwise() {
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
