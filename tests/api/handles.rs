//! What a handle knows of its socket, and what it asks the thread that serves it.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};

use kinglet::engineio::{Sid, Transport};
use kinglet::{Server, SocketHandle, StateError};
use serde_json::{Value, json};

use crate::client::Client;
use crate::{PATIENCE, Served, config, serve};

/// Starts a server that sends its test a handle to each socket.
fn served(declare: impl FnOnce(&mut Server)) -> (Served, Receiver<SocketHandle>) {
    let (tell, told) = channel();
    let server = serve(config(), |server| {
        server.of("/").on_connect(move |socket| tell.send(socket.handle()));
        declare(server);
    });
    (server, told)
}

/// Two clients of different shards, and handles to their sockets.
fn on_two_shards(server: &Served, handles: &Receiver<SocketHandle>) -> [(Client, SocketHandle); 2] {
    let join = || (server.client(), handles.recv_timeout(PATIENCE).unwrap());
    let shard = |handle: &SocketHandle| Sid::parse(handle.id()).unwrap().shard;
    let first = join();
    loop {
        // The kernel chooses the shard by the ports.
        let second = join();
        if shard(&second.1) != shard(&first.1) {
            return [first, second];
        }
    }
}

#[test]
fn a_blocking_handler_knows_whose_event_it_is() {
    let server = serve(config(), |server| {
        server.of("/room").on_connect(|socket| socket.set_data(&json!({"name": "ada"}))).on_blocking(
            "who",
            |socket, event| {
                let handshake = socket.handshake().unwrap();
                let (auth, data) = (socket.auth::<Value>(), socket.data::<Value>().unwrap());
                let address = socket.client_address().unwrap();
                let agent = handshake.header("user-agent").map(str::to_owned);
                event.ack((auth, data, agent, address, socket.recovered()))
            },
        );
    });
    let mut client = Client::open(server.address, &[("user-agent", "test")]);
    client.connect_with("/room", "{\"token\":7}");
    client.send("42/room,1[\"who\"]");
    client.expect("43/room,1[{\"token\":7},{\"name\":\"ada\"},\"test\",\"127.0.0.1\",false]");
}

#[test]
fn a_blocking_handler_finds_the_data_that_it_has_set() {
    let server = serve(config(), |server| {
        server.of("/").on_blocking("set", |socket, event| {
            let before = socket.data::<Value>().unwrap();
            socket.set_data(&"new").unwrap();
            event.ack((before, socket.data::<Value>().unwrap(), socket.clone().data::<Value>().unwrap()))
        });
    });
    let mut client = server.client();
    client.send("421[\"set\"]");
    client.expect("431[null,\"new\",\"new\"]");
}

#[test]
fn a_blocking_handler_has_the_data_while_its_event_loop_is_held_up() {
    let ((held, holds), (tell, told)) = (channel(), channel());
    let (holds, told) = (Mutex::new(holds), Mutex::new(told));
    let server = serve(config(), |server| {
        server
            .of("/")
            .on_connect(|socket| socket.set_data(&"known"))
            .on_blocking("look", move |socket, _| {
                holds.lock().unwrap().recv_timeout(PATIENCE).unwrap();
                tell.send(socket.data::<String>().unwrap()).unwrap();
            })
            .on("hold", move |_, event| {
                held.send(()).unwrap();
                event.ack(told.lock().unwrap().recv_timeout(PATIENCE).unwrap())
            });
    });
    let mut client = server.client();
    client.send("42[\"look\"]");
    client.send("421[\"hold\"]");
    client.expect("431[\"known\"]");
}

#[test]
fn any_thread_may_ask_for_data_also_when_the_socket_has_left() {
    let (gone, goes) = channel();
    let (server, handles) = served(|server| {
        server.of("/").on_disconnect(move |_, _| gone.send(()));
    });
    let client = server.client();
    let handle = handles.recv_timeout(PATIENCE).unwrap();
    assert_eq!(handle.data::<Value>(), Ok(None));
    handle.set_data(&7).unwrap();
    assert_eq!(handle.data::<u32>(), Ok(Some(7)));
    drop(client);
    goes.recv_timeout(PATIENCE).unwrap();
    assert_eq!(handle.data::<u32>(), Ok(None));
    assert!(handle.handshake().is_some(), "that stays with the handle");
}

#[test]
fn any_thread_may_ask_what_has_become_of_a_socket() {
    let (gone, goes) = channel();
    let (server, handles) = served(|server| {
        server.of("/").on_disconnect(move |_, _| gone.send(()));
    });
    let client = server.client();
    let handle = handles.recv_timeout(PATIENCE).unwrap();
    handle.join("a");
    assert_eq!(handle.rooms(), Ok(vec![handle.id().to_string(), "a".to_owned()]), "what this thread did is done");
    assert_eq!((handle.is_connected(), handle.transport()), (Ok(true), Ok(Some(Transport::WebSocket))));
    drop(client);
    goes.recv_timeout(PATIENCE).unwrap();
    assert_eq!((handle.is_connected(), handle.transport(), handle.rooms()), (Ok(false), Ok(None), Ok(Vec::new())));
    drop(server);
    assert_eq!(handle.is_connected(), Ok(false), "no server, no socket");
}

#[test]
fn an_event_loop_asks_about_its_own_sockets_only() {
    let (ask, asked) = channel::<SocketHandle>();
    let asked = Mutex::new(asked);
    let (server, handles) = served(|server| {
        server.of("/").on("ask", move |_, event| {
            let handle = asked.lock().unwrap().recv_timeout(PATIENCE).unwrap();
            handle.set_data(&"own").unwrap();
            event.ack(match handle.data::<Value>() {
                Ok(data) => json!(data),
                Err(StateError::EventLoop) => json!("the loop"),
                Err(error) => json!(error.to_string()),
            })
        });
    });
    let [(mut client, own), (_other, others)] = on_two_shards(&server, &handles);
    ask.send(own).unwrap();
    ask.send(others).unwrap();
    client.send("421[\"ask\"]");
    client.expect("431[\"own\"]");
    client.send("422[\"ask\"]");
    client.expect("432[\"the loop\"]");
}

#[test]
fn a_handle_outlives_its_server() {
    let (mut server, handles) = served(|_| {});
    let _client = server.client();
    let handle = handles.recv_timeout(PATIENCE).unwrap();
    handle.insert(1_u8);
    server.stop();
    assert_eq!((handle.is_connected(), handle.rooms(), handle.transport()), (Ok(false), Ok(Vec::new()), Ok(None)));
    assert_eq!((handle.data::<u8>(), handle.queued_bytes(), handle.get::<u8>()), (Ok(None), None, None));
    handle.emit("event", 1).unwrap();
    handle.join("room");
    handle.disconnect(true);
    assert!(handle.insert(2_u8).is_none());
    let answer = handle.ask("question", (), PATIENCE).unwrap().recv();
    assert_eq!(answer.unwrap_err().to_string(), "socket has been disconnected");
}
