//! Broadcasts over several shards, from handlers and from threads of the program.

use std::collections::HashMap;
use std::sync::mpsc::channel;
use std::thread;

use kinglet::EmitError;

use crate::support::{Client, Frame, Server, WebSocket, config, one_shard, receive, socket_id};

const SHARDS: u8 = 3;

/// A server of several shards with the handlers of these tests, and clients on each of them.
fn crowd(count: usize) -> (Server, Vec<Client>) {
    let server = Server::start(config(SHARDS.into()), |server| {
        let root = server.of("/");
        root.on("join", |socket, event| {
            let (room,): (String,) = event.args().expect("a room");
            socket.join(room).expect("there is room");
            event.ack(()).expect("JSON");
        });
        root.on("relay", |socket, event| socket.broadcast().relay(event));
        server.of("/other");
    });
    let clients = Client::connect_many(&server, count, SHARDS);
    (server, clients)
}

fn join(client: &mut Client, room: &str) {
    client.ws.send_text(&format!("420[\"join\",\"{room}\"]"));
    client.ws.expect_text("430[]");
}

/// Panics if any client has got more than was read from it.
fn nothing_more(server: &Server, clients: &mut [Client]) {
    server.handle().emit("end", ()).expect("JSON");
    for client in clients {
        client.expect("\"end\"");
        client.ws.expect_nothing_more();
    }
}

#[test]
fn a_fan_out_that_falls_behind_reaches_everybody_in_order() {
    const MESSAGES: usize = 12;
    let mut config = one_shard();
    config.limits.writes_per_turn = 1;
    let server = Server::start(config, |server| {
        server.of("/").on("relay", |socket, event| socket.broadcast().relay(event));
    });
    let mut clients: Vec<_> = (0..20).map(|_| Client::connect(&server)).collect();
    let (sender, others) = clients.split_first_mut().expect("clients");
    let long = "x".repeat(40_000);
    for number in 0..MESSAGES {
        sender.emit(&format!("\"relay\",{number},\"{long}\""));
    }
    let mut health = server.connect();
    health.send(b"GET / HTTP/1.1\r\nHost: example.test\r\n\r\n");
    health.response().assert_is(200, "all good");
    for client in others {
        for number in 0..MESSAGES {
            client.expect(&format!("\"relay\",{number},\"{long}\""));
        }
    }
    nothing_more(&server, &mut clients);
}

#[test]
fn messages_of_many_threads_arrive_once_and_in_each_thread_s_order() {
    const THREADS: usize = 4;
    const MESSAGES: usize = 200;
    let (server, mut clients) = crowd(24);
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let handle = server.handle().clone();
            thread::spawn(move || {
                (0..MESSAGES).for_each(|message| handle.emit("m", (thread, message)).expect("JSON"));
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("the thread ends"));
    for client in &mut clients {
        let mut next = [0; THREADS];
        for _ in 0..THREADS * MESSAGES {
            let packet = client.ws.text();
            let (_, thread, message): (String, usize, usize) = serde_json::from_str(&packet[2..]).expect("JSON");
            assert_eq!(message, next[thread], "thread {thread}");
            next[thread] += 1;
        }
    }
    nothing_more(&server, &mut clients);
}

#[test]
fn an_id_reaches_its_socket_on_whichever_shard() {
    let (server, mut clients) = crowd(9);
    for (number, client) in clients.iter().enumerate() {
        server.handle().to(&*client.id).emit("you", number).expect("JSON");
    }
    server.handle().to("000000000000000000000").to("no id").emit("nobody", ()).expect("JSON");
    server.handle().of("/other").to(&*clients[0].id).emit("elsewhere", ()).expect("JSON");
    for (number, client) in clients.iter_mut().enumerate() {
        client.expect(&format!("\"you\",{number}"));
    }
    nothing_more(&server, &mut clients);
}

#[test]
fn rooms_add_up_and_exceptions_win_over_all_shards() {
    let (server, mut clients) = crowd(12);
    for (number, client) in clients.iter_mut().enumerate() {
        ["even", "odd"].iter().skip(number % 2).take(1).for_each(|room| join(client, room));
        if number % 3 == 0 {
            join(client, "third");
        }
    }
    let handle = server.handle();
    handle.to("even").to("third").emit("union", ()).expect("JSON");
    handle.of("/").except("even").emit("rest", ()).expect("JSON");
    handle.to("even").except("third").except(&*clients[2].id).emit("both", ()).expect("JSON");
    handle.of("/").within("nobody").emit("nobody", ()).expect("JSON");
    for (number, client) in clients.iter_mut().enumerate() {
        let (even, third) = (number % 2 == 0, number % 3 == 0);
        for (event, gets) in [("union", even || third), ("rest", !even), ("both", even && !third && number != 2)] {
            if gets {
                client.expect(&format!("\"{event}\""));
            }
        }
    }
    nothing_more(&server, &mut clients);
}

#[test]
fn attachments_without_a_placeholder_are_not_sent_on() {
    let server = Server::start(one_shard(), |server| {
        let root = server.of("/");
        root.on("relay", |socket, event| socket.broadcast().relay(event));
        root.on("rest", |socket, event| socket.broadcast().emit("rest", event.arguments().skip(1)));
    });
    let (mut sender, mut receiver) = (Client::connect(&server), Client::connect(&server));
    let placeholder = |num| format!("{{\"_placeholder\":true,\"num\":{num}}}");
    for (event, named) in [("relay", format!("{0},{0}", placeholder(1))), ("rest", placeholder(1))] {
        let arguments = if event == "rest" { format!("{},{named}", placeholder(0)) } else { named.clone() };
        sender.ws.send_text(&format!("452-[\"{event}\",{arguments}]"));
        sender.ws.send(0x82, b"not meant");
        sender.ws.send(0x82, b"meant");
        receiver.ws.expect_text(&format!("451-[\"{event}\",{}]", named.replace('1', "0")));
        receiver.ws.expect(&Frame { first: 0x82, payload: b"meant".to_vec() });
    }
    sender.ws.send_text("451-[\"relay\"]");
    sender.ws.send(0x82, b"not meant");
    receiver.ws.expect_text("42[\"relay\"]");
    receiver.ws.expect_nothing_more();
}

#[test]
fn a_relay_reaches_the_other_shards_and_not_its_sender() {
    let (server, mut clients) = crowd(9);
    clients[0].ws.send_text("451-[\"relay\",{\"_placeholder\":true,\"num\":0},\"as it is\"]");
    clients[0].ws.send(0x82, b"data");
    for client in &mut clients[1..] {
        client.ws.expect_text("451-[\"relay\",{\"_placeholder\":true,\"num\":0},\"as it is\"]");
        assert_eq!(client.ws.frame().payload, b"data");
    }
    nothing_more(&server, &mut clients);
}

#[test]
fn all_kinds_of_sending_keep_the_order_of_one_sender() {
    const ROUNDS: usize = 100;
    let server = Server::start(config(SHARDS.into()), |server| {
        server.of("/").on("go", |socket, event| {
            let (target,): (String,) = event.args().expect("an id");
            let handle = socket.server();
            let mut number = 0..;
            let mut next = || number.next().expect("endless");
            for _ in 0..ROUNDS {
                socket.to(&*target).emit("n", next()).expect("JSON");
                socket.broadcast().emit("n", next()).expect("JSON");
                handle.emit("n", next()).expect("JSON");
                handle.to(&*target).to(socket.id().to_string()).emit("n", next()).expect("JSON");
                socket.emit("own", next()).expect("JSON");
            }
        });
    });
    let mut clients = Client::connect_many(&server, 6, SHARDS);
    for shard in 0..SHARDS {
        let target = clients.iter().position(|client| client.shard == shard).expect("a client on each shard");
        let sender = usize::from(target == 0);
        let id = clients[target].id.clone();
        clients[sender].emit(&format!("\"go\",\"{id}\""));
        for round in 0..ROUNDS {
            let mut expect = |client: usize, event: &str, offset: usize| {
                clients[client].expect(&format!("\"{event}\",{}", 5 * round + offset));
            };
            (0..4).for_each(|offset| expect(target, "n", offset));
            [(2, "n"), (3, "n"), (4, "own")].iter().for_each(|(offset, event)| expect(sender, event, *offset));
        }
        for (number, client) in clients.iter_mut().enumerate() {
            if number != target && number != sender {
                for round in 0..ROUNDS {
                    (1..3).for_each(|offset| client.expect(&format!("\"n\",{}", 5 * round + offset)));
                }
            }
        }
    }
    nothing_more(&server, &mut clients);
}

#[test]
fn a_thread_of_the_program_is_heard_in_order_whatever_it_sends() {
    let (server, mut clients) = crowd(6);
    let handle = server.handle();
    for number in 0..100 {
        handle.emit("n", (number, "all")).expect("JSON");
        for client in &clients {
            handle.to(&*client.id).emit("n", (number, "you")).expect("JSON");
        }
        handle.of("/").except(&*clients[0].id).emit("n", (number, "rest")).expect("JSON");
    }
    for (place, client) in clients.iter_mut().enumerate() {
        for number in 0..100 {
            client.expect(&format!("\"n\",{number},\"all\""));
            client.expect(&format!("\"n\",{number},\"you\""));
            if place != 0 {
                client.expect(&format!("\"n\",{number},\"rest\""));
            }
        }
    }
    nothing_more(&server, &mut clients);
}

#[test]
fn all_rooms_are_those_of_every_shard() {
    let (server, mut clients) = crowd(6);
    let mut expected: Vec<String> = clients.iter().map(|client| client.id.clone()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        join(client, "shared");
        join(client, &format!("room {number}"));
        expected.push(format!("room {number}"));
    }
    expected.push("shared".to_owned());
    expected.sort_unstable();
    assert_eq!(server.all_rooms("/"), expected);
    assert_eq!(server.all_rooms("/other"), [""; 0]);
    assert_eq!(server.all_rooms("/undeclared"), [""; 0]);
}

#[test]
fn a_namespace_that_was_not_declared_and_a_reserved_name_are_errors() {
    let (server, mut clients) = crowd(3);
    let nowhere = server.handle().of("/undeclared").emit("e", ());
    assert!(matches!(nowhere, Err(EmitError::UnknownNamespace(name)) if name == "/undeclared"));
    assert!(server.handle().of("other").emit("e", ()).is_ok(), "the slash may be left out, as in Server::of");
    for name in ["connect", "connect_error", "disconnect", "disconnecting"] {
        assert!(matches!(server.handle().emit(name, ()), Err(EmitError::Reserved(_))), "{name}");
    }
    let not_json = HashMap::from([((1, 2), 3)]);
    assert!(matches!(server.handle().emit("e", &not_json), Err(EmitError::Json(_))));
    nothing_more(&server, &mut clients);
}

#[test]
fn messages_before_the_start_reach_nobody() {
    let (sender, handles) = channel();
    let server = Server::start(config(1), |server| {
        let handle = server.handle();
        handle.emit("early", ()).expect("nobody is no error");
        handle.of("/undeclared").to("room").emit("early", ()).expect("nobody is no error");
        handle.of("/").all_rooms({
            let sender = sender.clone();
            move |rooms| sender.send((rooms.expect("no other servers"), None)).expect("the test waits")
        });
        assert_eq!(handle.metrics(), kinglet::Metrics::default());
        sender.send((Vec::new(), Some(handle))).expect("the test waits");
    });
    assert_eq!(receive(&handles).0, [""; 0]);
    let early = receive(&handles).1.expect("the handle");
    let mut client = Client::connect(&server);
    early.emit("in time", ()).expect("JSON");
    client.expect("\"in time\"");
    client.ws.expect_nothing_more();
}

#[test]
fn a_broadcast_stays_in_its_namespace() {
    let (server, mut clients) = crowd(3);
    let (mut ws, _) = WebSocket::open(&server);
    ws.send_text("40/other,");
    let id = socket_id(&ws.text());
    server.handle().of("/other").emit("here", ()).expect("JSON");
    ws.expect_text("42/other,[\"here\"]");
    server.handle().to(id).emit("an id of another namespace", ()).expect("JSON");
    nothing_more(&server, &mut clients);
    ws.expect_nothing_more();
}
