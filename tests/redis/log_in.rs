//! Log-ins: which succeed, which fail, and that passwords go nowhere else.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use kinglet::cluster::redis::{self, Fault, Kind, State};
use kinglet::{Config, Password, RedisServer};

use crate::support::listener::{Listener, quick};
use crate::support::logs;
use crate::support::server::Server;

/// Passes a message through a server that wants a log-in.
fn passes(server: RedisServer) {
    let listener = Listener::on(&quick(server), "news");
    listener.until_up();
    listener.redis.publish("news", "rain", Kind::Lasting);
    assert_eq!(listener.text(), "rain");
}

fn refusal(server: RedisServer) -> (&'static str, String) {
    match Listener::start(&quick(server)).until_down() {
        Fault::Refused { command, answer } => (command, answer),
        other => panic!("{other}"),
    }
}

#[test]
fn nothing_is_started_without_a_redis_in_the_settings() {
    assert!(redis::start(&Config::default(), |_| {}).unwrap().is_none());
}

#[test]
fn a_password_lets_in() {
    let server = Server::start(&["--requirepass", "p@ss word"]);
    let address = RedisServer { password: Some(Password::new("p@ss word")), ..server.address() };
    passes(RedisServer { user: Some("default".to_owned()), ..address.clone() });
    passes(address);
}

#[test]
fn a_user_with_the_least_rights_is_let_in() {
    let server = Server::with_user("kinglet on >secret resetchannels &news -@all +publish +subscribe");
    let address = server.address();
    passes(RedisServer { user: Some("kinglet".to_owned()), password: Some(Password::new("secret")), ..address });
}

#[test]
fn the_database_is_selected() {
    let server = Server::start(&[]);
    let listener = Listener::start(&quick(RedisServer { database: 3, ..server.address() }));
    listener.until_up();
    let others = server.client().others();
    assert_eq!(others.iter().filter(|line| line.contains(" db=3 ")).count(), 2, "{others:#?}");
}

#[test]
fn a_database_that_does_not_exist_is_a_refusal() {
    let server = Server::start(&[]);
    let (command, answer) = refusal(RedisServer { database: 99, ..server.address() });
    assert_eq!((command, answer.as_str()), ("SELECT", "ERR DB index is out of range"));
}

#[test]
fn a_wrong_password_is_a_refusal_that_heals_when_it_is_set_right() {
    logs::keep();
    let server = Server::start(&["--requirepass", "right-55117"]);
    let address = RedisServer { password: Some(Password::new("wrong-55117")), ..server.address() };
    let listener = Listener::start(&quick(address));
    let fault = listener.until_down();
    assert!(matches!(&fault, Fault::Refused { command: "AUTH", answer } if answer.starts_with("WRONGPASS")), "{fault}");
    assert!(matches!(listener.redis.state(), State::Down(_)));
    assert_eq!(listener.redis.metrics().up, 0);

    let mut client = server.client();
    client.ask("AUTH right-55117");
    assert_eq!(client.ask("CONFIG SET requirepass wrong-55117"), "OK");
    listener.until_up();
    let told = format!("{fault} {fault:?} {:?} {:?}", listener.redis, quick(server.address()));
    assert!(!told.contains("wrong-55117"), "{told}");
    assert!(logs::with("wrong-55117").is_empty(), "{:?}", logs::with("wrong-55117"));
    let logged = logs::with(&format!(":{}/", server.port));
    assert_eq!(logged.len(), 2, "once when it is away, once when it is there: {logged:#?}");
}

#[test]
fn a_server_that_wants_a_password_is_noticed_without_one() {
    let server = Server::start(&["--requirepass", "secret"]);
    let (command, answer) = refusal(server.address());
    assert_eq!(command, "PING");
    assert!(answer.starts_with("NOAUTH"), "{answer}");
}

#[test]
fn a_password_that_redis_repeats_is_not_logged() {
    logs::keep();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let _ = connection.read(&mut [0; 1024]);
            let _ = connection.write_all(b"-ERR unknown command 'AUTH', with args beginning with: 'hunter2-7741' \r\n");
        }
    });
    let address: RedisServer = format!("redis://:hunter2-7741@127.0.0.1:{port}").parse().unwrap();
    let (command, answer) = refusal(address);
    assert_eq!((command, answer.contains("hunter2-7741")), ("AUTH", false), "{answer}");
    assert!(!logs::with(&format!(":{port}/")).is_empty());
    assert!(logs::with("hunter2-7741").is_empty(), "{:?}", logs::with("hunter2-7741"));
}

/// The fault of a server that always sends this answer.
fn fault_of(answer: &'static [u8]) -> Fault {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let _ = connection.read(&mut [0; 1024]);
            let _ = connection.write_all(answer);
        }
    });
    Listener::start(&quick(format!("redis://127.0.0.1:{port}").parse().unwrap())).until_down()
}

#[test]
fn a_server_that_is_not_redis_is_noticed() {
    for answer in
        [b"HTTP/1.1 400 Bad Request\r\n\r\n".as_slice(), b"+OK\r\n", b"*0\r\n", b"$-1\r\n", b":x\r\n", b"\r\n"]
    {
        let fault = fault_of(answer);
        assert!(matches!(fault, Fault::Protocol(_)), "{answer:?}: {fault}");
    }
}

#[test]
fn absurd_lengths_and_depths_cost_the_connection_only() {
    let nested: &'static [u8] = "*1\r\n".repeat(5000).leak().as_bytes();
    for answer in [
        b"*9223372036854775807\r\n+PONG\r\n".as_slice(),
        b"$9223372036854775807\r\n",
        b"$-9223372036854775808\r\n",
        b"%9223372036854775807\r\n",
        b"%-1\r\n",
        b">9223372036854775807\r\n",
        nested,
    ] {
        let fault = fault_of(answer);
        assert!(matches!(fault, Fault::Protocol(_) | Fault::Unwelcome), "{fault}");
    }
}

#[test]
fn a_server_with_too_many_clients_is_tried_until_it_has_room() {
    let server = Server::start(&["--maxclients", "1"]);
    let mut first = server.client();
    assert_eq!(first.ask("PING"), "PONG");
    let listener = Listener::start(&quick(server.address()));
    let fault = listener.until_down();
    assert!(fault.to_string().contains("max number of clients reached"), "{fault}");
    assert_eq!(first.ask("CONFIG SET maxclients 10"), "OK");
    listener.until_up();
}
