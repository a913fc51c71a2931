//! The messenger of the examples, tested as a team would test its own: a server on a free port for each test, and
//! `kinglet::testing::Client` for its users.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use kinglet::testing::{Client, ClientError, config};
use kinglet::{Arguments, Binary, Running};
use serde_json::{Value, json};

#[path = "../examples/messenger.rs"]
#[allow(dead_code, reason = "tests start the server without `main`")]
mod messenger;

/// Bound on every wait: no correct answer takes as long, however loaded the machine.
const PATIENCE: Duration = Duration::from_secs(20);

fn start() -> Running {
    messenger::server(config()).expect("settings").start().expect("the server starts")
}

fn stop(server: Running) {
    server.handle().close();
    server.join().expect("the server ran well");
}

fn connect(server: &Running, auth: Value) -> Result<Client, ClientError> {
    Client::builder(server.address()).auth(auth).connect()
}

/// A user who is there, and has heard who it is.
fn user(server: &Running, token: &str) -> Client {
    let mut client = connect(server, json!({ "token": token })).expect("let in");
    client.next("ready", PATIENCE).expect("who it is");
    client
}

fn only(arguments: &Arguments) -> Value {
    arguments.args::<(Value,)>().expect("one argument").0
}

fn ask(client: &mut Client, event: &str, argument: Value) -> Value {
    only(&client.emit_with_ack(event, argument, PATIENCE).expect("an answer"))
}

fn next(client: &mut Client, event: &str) -> Value {
    only(client.next(event, PATIENCE).expect("an event").arguments())
}

/// The status of the answer to `POST /emit`.
fn post(server: &Running, body: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).expect("it listens");
    let head = format!("POST /emit HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all((head + body).as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer in text");
    answer.split(' ').nth(1).expect("a status").to_owned()
}

#[test]
fn only_known_users_are_let_in() {
    let server = start();
    for (auth, why) in [(json!({}), "no token"), (json!({ "token": "x" }), "unknown token")] {
        match connect(&server, auth) {
            Err(ClientError::Refused { message, .. }) => assert_eq!(message, why),
            other => panic!("{other:?}"),
        }
    }
    let mut ada = connect(&server, json!({ "token": "t-ada" })).expect("let in");
    assert_eq!(next(&mut ada, "ready"), json!({ "id": 1, "name": "ada" }));
    drop(ada);
    stop(server);
}

#[test]
fn members_of_a_conversation_hear_each_other() {
    let server = start();
    let (mut ada, mut bob) = (user(&server, "t-ada"), user(&server, "t-bob"));
    let room = json!({ "conversation": 7 });
    let joined = json!({ "ok": true, "data": { "room": "conversation:7" } });
    assert_eq!(ask(&mut ada, "conversation:join", room.clone()), joined);
    assert_eq!(ask(&mut bob, "conversation:join", room.clone()), joined);
    assert_eq!(next(&mut ada, "joined"), json!({ "id": 2, "name": "bob" }));
    ada.emit("typing", room).expect("sent");
    assert_eq!(next(&mut bob, "typing"), json!("ada"));
    let said = ask(&mut ada, "message", json!({ "conversation": 7, "text": "hello" }));
    assert_eq!(said, json!({ "ok": true, "data": { "id": 300 } }));
    assert_eq!(next(&mut bob, "message"), json!({ "id": 300, "from": "ada", "text": "hello" }));
    drop((ada, bob));
    stop(server);
}

#[test]
fn mistakes_are_told() {
    let server = start();
    let mut ada = user(&server, "t-ada");
    for (event, argument) in [
        ("conversation:join", json!({})),
        ("message", json!({ "conversation": "seven" })),
        ("message", json!({ "conversation": 7 })),
        ("upload:start", json!(["a", 10_000_001])),
        ("upload:chunk", json!("text")),
    ] {
        let answer = ask(&mut ada, event, argument);
        assert_eq!((&answer["ok"], &answer["code"]), (&json!(false), &json!("INVALID")), "{event}: {answer}");
    }
    drop(ada);
    stop(server);
}

#[test]
fn history_comes_in_one_event_or_in_many() {
    let server = start();
    let mut all = connect(&server, json!({ "token": "t-ada", "history": "one" })).expect("let in");
    assert_eq!(next(&mut all, "history").as_array().map(Vec::len), Some(300));
    let mut each = connect(&server, json!({ "token": "t-ada", "history": "many" })).expect("let in");
    for id in 0..300 {
        assert_eq!(next(&mut each, "message")["id"], json!(id));
    }
    drop((all, each));
    stop(server);
}

#[test]
fn presence_lasts_until_the_last_socket_of_a_user_leaves() {
    let server = start();
    let (mut ada, bob, second) = (user(&server, "t-ada"), user(&server, "t-bob"), user(&server, "t-bob"));
    let both = json!({ "ok": true, "data": { "1": "ada", "2": "bob" } });
    assert_eq!(ask(&mut ada, "presence", Value::Null), both);
    bob.disconnect().expect("closed");
    assert_eq!(ask(&mut ada, "presence", Value::Null), both);
    second.disconnect().expect("closed");
    assert_eq!(next(&mut ada, "offline"), json!({ "id": 2, "name": "bob" }));
    assert_eq!(ask(&mut ada, "presence", Value::Null), json!({ "ok": true, "data": { "1": "ada" } }));
    drop(ada);
    stop(server);
}

#[test]
fn a_file_comes_in_chunks() {
    let server = start();
    let mut ada = user(&server, "t-ada");
    assert_eq!(ask(&mut ada, "upload:start", json!(["a.bin", 5])), json!({ "ok": true }));
    for (chunk, received) in [("abc", 3), ("de", 5)] {
        let answer = ada.emit_with_ack("upload:chunk", Binary::from(chunk), PATIENCE).expect("an answer");
        let data = json!({ "received": received, "name": "a.bin", "done": received == 5 });
        assert_eq!(only(&answer), json!({ "ok": true, "data": data }));
    }
    drop(ada);
    stop(server);
}

#[test]
fn too_many_events_at_once_are_refused_and_told() {
    let server = start();
    let mut ada = user(&server, "t-ada");
    // Two thousand are ten seconds' worth.
    for _ in 0..2_000 {
        ada.emit("presence", ()).expect("sent");
    }
    assert_eq!(ask(&mut ada, "presence", Value::Null), json!({ "ok": false, "code": "RATE" }));
    drop(ada);
    stop(server);
}

#[test]
fn other_programs_send_by_a_request() {
    let server = start();
    let mut bob = user(&server, "t-bob");
    assert_eq!(post(&server, r#"{"room":"user:2","event":"news","data":{"x":1}}"#), "202");
    assert_eq!(next(&mut bob, "news"), json!({ "x": 1 }));
    assert_eq!(post(&server, r#"{"event":"all","data":2}"#), "202");
    assert_eq!(next(&mut bob, "all"), json!(2));
    assert_eq!(post(&server, "no JSON"), "400");
    assert_eq!(post(&server, r#"{"event":"connect"}"#), "400");
    drop(bob);
    stop(server);
}
