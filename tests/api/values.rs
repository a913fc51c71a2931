//! Values that a program keeps with a socket.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use kinglet::{Handle, Refusal, Server, SocketHandle};

use crate::client::Client;
use crate::{PATIENCE, Served, config, serve};

/// Something that tells when it is dropped, after sending an event: destructors may do anything.
struct Guard {
    name: &'static str,
    server: Handle,
    dropped: Sender<&'static str>,
}

impl Guard {
    fn new(name: &'static str, server: Handle, dropped: &Sender<&'static str>) -> Self {
        Self { name, server, dropped: dropped.clone() }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.server.emit("dropped", self.name).unwrap();
        // A test that has seen enough does not wait for the rest.
        let _ = self.dropped.send(self.name);
    }
}

fn hear<T>(from: &Receiver<T>) -> T {
    from.recv_timeout(PATIENCE).unwrap()
}

#[test]
fn all_handlers_and_threads_share_the_values_of_a_socket() {
    let (tell, told) = channel();
    let server = serve(config(), |server| {
        server
            .of("/")
            .middleware(|socket| match socket.insert(AtomicU32::new(1)) {
                None => Ok(()),
                Some(_) => Err(Refusal::new("a value of nobody")),
            })
            .on_connect(move |socket| tell.send(socket.handle()).unwrap())
            .on_blocking("blocking", |socket, event| event.ack(count(socket.get())))
            .on("text", |socket, event| event.ack((count(socket.get()), socket.get::<String>().as_deref())));
    });
    let (mut client, mut other) = (server.client(), server.client());
    let handle: SocketHandle = hear(&told);
    client.send("421[\"blocking\"]");
    client.expect("431[1]");
    assert_eq!(count(handle.get()), Some(2));
    assert_eq!(handle.insert("a".to_owned()), None);
    assert_eq!(handle.clone().insert("b".to_owned()).as_deref().map(String::as_str), Some("a"));
    client.send("422[\"text\"]");
    client.expect("432[3,\"b\"]");
    assert_eq!(handle.remove::<String>().as_deref().map(String::as_str), Some("b"));
    client.send("423[\"text\"]");
    client.expect("433[4,null]");
    other.send("424[\"text\"]");
    other.expect("434[1,null]");
}

/// Counts one more.
fn count(value: Option<Arc<AtomicU32>>) -> Option<u32> {
    value.map(|count| count.fetch_add(1, Ordering::Relaxed))
}

#[test]
fn values_end_with_their_socket() {
    let ((tell, told), (dropped, drops)) = (channel(), channel());
    let server = serve(config(), |server| {
        let (handle, left) = (server.handle(), dropped.clone());
        server
            .of("/")
            .on_connect(move |socket| {
                socket.insert(Guard::new("value", handle.clone(), &dropped));
                tell.send(socket.handle()).unwrap();
            })
            .on_disconnect(move |socket, _| left.send(socket.get::<Guard>().map_or("nothing", |guard| guard.name)));
    });
    let (leaver, mut stayer) = (server.client(), server.client());
    let (handle, _) = (hear(&told), hear(&told));
    drop(leaver);
    assert_eq!([hear(&drops), hear(&drops)], ["value", "value"], "the handler still has it, then it is dropped");
    stayer.expect("42[\"dropped\",\"value\"]");
    assert!(handle.get::<Guard>().is_none());
}

#[test]
fn a_thread_keeps_nothing_with_a_socket_that_has_left() {
    let ((tell, told), (dropped, drops)) = (channel(), channel());
    let server = serve(config(), |server| {
        let left = dropped.clone();
        server
            .of("/")
            .on_connect(move |socket| tell.send(socket.handle()).unwrap())
            .on_disconnect(move |_, _| left.send("left"));
    });
    drop(server.client());
    let handle = hear(&told);
    assert_eq!(hear(&drops), "left");
    handle.insert(Guard::new("late", server.handle.clone(), &dropped));
    assert_eq!(hear(&drops), "late");
    assert!(handle.get::<Guard>().is_none());
}

#[test]
fn a_value_behind_a_lock_is_changed_by_all_also_after_a_panic_in_it() {
    struct Sum(u32);
    let server = serve(config(), |server| {
        server
            .of("/")
            .middleware(|socket| {
                socket.insert(Mutex::new(Sum(0)));
                Ok(())
            })
            .handle("add", |socket, number: u32| {
                socket.update(|Sum(sum)| {
                    *sum = sum.checked_add(number).expect("a sum that fits");
                    *sum
                })
            })
            .handle_blocking("add there", |socket, number: u32| {
                socket.update(|Sum(sum)| {
                    *sum += number;
                    *sum
                })
            });
    });
    let mut client = server.client();
    for (event, number, answer) in
        [("add", 3, "3"), ("add", u32::MAX, "{\"error\":\"internal error\"}"), ("add there", 4, "7"), ("add", 1, "8")]
    {
        client.send(&format!("421[\"{event}\",{number}]"));
        client.expect(&format!("431[{answer}]"));
    }
}

#[test]
fn the_lack_of_a_value_is_an_error() {
    let server = serve(config(), |server| {
        server
            .of("/")
            .on("required", |socket, _| socket.require::<u32>().map(drop))
            .on("updated", |socket, _| socket.update(|value: &mut u8| *value))
            .on_blocking("required there", |socket, _| socket.require::<u16>().map(drop));
    });
    let mut client = server.client();
    for (event, of) in [("required", "u32"), ("updated", "u8"), ("required there", "u16")] {
        client.send(&format!("421[\"{event}\"]"));
        let why = format!("no {of} is kept with the socket: it was not inserted, or the socket has left");
        client.expect(&format!("431[{{\"error\":\"{why}\"}}]"));
    }
}

#[test]
fn a_refused_socket_takes_its_values_along() {
    let (dropped, drops) = channel();
    let server = serve(config(), |server: &mut Server| {
        let handle = server.handle();
        server.of("/closed").middleware(move |socket| {
            socket.insert(Guard::new("refused", handle.clone(), &dropped));
            Err("no".into())
        });
    });
    assert_eq!(server.client().connect("/closed"), "{\"message\":\"no\"}");
    assert_eq!(hear(&drops), "refused");
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a destructor");
    }
}

/// A server whose sockets have two values that panic when they are dropped, and clients of it.
fn bombs() -> (Served, Vec<Client>) {
    let server = serve(config(), |server| {
        server.of("/").on("set", |socket, event| {
            socket.insert(Bomb);
            socket.insert([Bomb]);
            event.ack("set")
        });
    });
    let mut clients: Vec<_> = (0..3).map(|_| server.client()).collect();
    for client in &mut clients {
        client.send("421[\"set\"]");
        client.expect("431[\"set\"]");
    }
    (server, clients)
}

#[test]
fn destructors_that_panic_are_counted_and_the_event_loop_goes_on() {
    let (server, clients) = bombs();
    drop(clients);
    server.until(|handle| handle.metrics().handler_panics == 6);
    server.client();
}

#[test]
fn a_server_that_stops_survives_destructors_that_panic() {
    let (mut server, _clients) = bombs();
    server.stop();
}
