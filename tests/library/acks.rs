//! Acknowledgements: a handler gives them, at once or later, and clients give them.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use kinglet::{AckError, Answers, Arguments, Config, Event, Limits, MissingAnswers, Socket};

use crate::support::{Client, PATIENCE, Polling, Server, config, one_shard, receive};

/// An acknowledgement for the test: its JSON, or why there is none.
type Answer = Result<String, AckError>;

/// Far longer than any test waits.
const LONG: Duration = Duration::from_secs(600);

/// A handler that asks its client a question with this timeout.
fn ask(sender: Sender<Answer>, timeout: Duration) -> impl Fn(&Socket, &Event) + Send + Sync {
    move |socket, _| {
        let sender = sender.clone();
        let heard = move |_: &Socket, answer: Result<Arguments, AckError>| {
            // A test that has failed does not wait for it.
            let _ = sender.send(answer.map(|answer| answer.json().to_string()));
        };
        socket.emit_with_ack("question", (), timeout, heard).expect("a name that may be used");
    }
}

#[test]
fn an_event_is_acknowledged_once_and_only_if_its_client_asked() {
    let server = Server::start(one_shard(), |server| {
        server.of("/").on("twice", |_, event| {
            let wanted = event.wants_ack();
            event.ack(("first", wanted)).expect("JSON");
            assert!(!event.wants_ack());
            event.ack("second").expect("JSON");
            assert!(event.take_ack().is_none());
        });
    });
    let mut client = Client::connect(&server);
    client.ws.send_text("4212[\"twice\"]");
    client.ws.expect_text("4312[\"first\",true]");
    client.emit("\"twice\"");
    client.ws.expect_nothing_more();
    assert_eq!(server.metrics().handler_panics, 0);
}

#[test]
fn an_acknowledgement_is_given_from_another_thread_in_any_order() {
    let (sender, acks) = channel();
    let server = Server::start(one_shard(), |server| {
        server.of("/").on("later", move |_, event| sender.send(event.take_ack().expect("an ack")));
    });
    let mut client = Client::connect(&server);
    client.ws.send_text("421[\"later\"]");
    client.ws.send_text("422[\"later\"]");
    let (first, second) = (receive(&acks), receive(&acks));
    thread::spawn(move || second.send("second")).join().expect("the thread ends").expect("JSON");
    thread::spawn(move || first.send("first")).join().expect("the thread ends").expect("JSON");
    client.ws.expect_text("432[\"second\"]");
    client.ws.expect_text("431[\"first\"]");

    client.ws.send_text("423[\"later\"]");
    let late = receive(&acks);
    drop(client);
    server.wait_until("the client gone", |metrics| metrics.sessions == 0);
    late.send("to nobody").expect("a client that has left is no error");
    server.assert_well();
}

#[test]
fn an_acknowledgement_reaches_a_polling_client() {
    let server = Server::start(one_shard(), |server| {
        server.of("/").on("later", |_, event| {
            let ack = event.take_ack();
            thread::spawn(move || ack.map(|ack| ack.send("done")));
        });
    });
    let (session, _) = Polling::connected(&server);
    let mut held = session.hold(&server);
    session.post_ok("427[\"later\"]");
    held.response().assert_is(200, "437[\"done\"]");
}

#[test]
fn an_answer_reaches_its_callback_and_no_other() {
    let (sender, answers) = channel();
    let server = Server::start(one_shard(), |server| {
        server.of("/").on("ask", ask(sender, LONG));
    });
    let mut client = Client::connect(&server);
    client.emit("\"ask\"");
    client.ws.expect_text("420[\"question\"]");
    client.emit("\"ask\"");
    client.ws.expect_text("421[\"question\"]");
    client.ws.send_text("431[\"one\"]");
    assert_eq!(receive(&answers), Ok("[\"one\"]".to_owned()));
    client.ws.send_text("4377[\"nobody asked\"]");
    client.ws.send_text("430[]");
    assert_eq!(receive(&answers), Ok("[]".to_owned()));
    client.ws.send_text("430[\"again\"]");
    client.ws.expect_nothing_more();
    assert!(answers.try_recv().is_err());
}

#[test]
fn an_answer_that_comes_late_is_ignored() {
    let (sender, answers) = channel();
    let server = Server::start(one_shard(), |server| {
        server.of("/").on("ask", ask(sender, Duration::from_millis(1)));
    });
    let mut client = Client::connect(&server);
    client.emit("\"ask\"");
    client.ws.expect_text("420[\"question\"]");
    assert_eq!(receive(&answers), Err(AckError::Timeout));
    client.ws.send_text("430[\"late\"]");
    client.ws.expect_nothing_more();
    assert!(answers.try_recv().is_err());
}

#[test]
fn the_earliest_deadline_comes_first_whatever_the_order_of_asking() {
    let (sender, answers) = channel();
    let server = Server::start(one_shard(), |server| {
        let root = server.of("/");
        for (event, millis) in [("slow", 1500), ("quick", 1), ("never", 600_000)] {
            let sender = sender.clone();
            root.on(event, move |socket, _| {
                let sender = sender.clone();
                socket.emit_with_ack("question", (), Duration::from_millis(millis), move |socket, answer| {
                    let _ = sender.send((event, answer.map(drop), socket.connected()));
                })
            });
        }
    });
    let mut client = Client::connect(&server);
    ["\"slow\"", "\"never\"", "\"quick\""].iter().for_each(|event| client.emit(event));
    assert_eq!(receive(&answers), ("quick", Err(AckError::Timeout), true));
    assert_eq!(receive(&answers), ("slow", Err(AckError::Timeout), true));
    drop(client);
    assert_eq!(receive(&answers), ("never", Err(AckError::Disconnected), false));
}

#[test]
fn a_client_that_leaves_answers_nothing_more() {
    let (sender, answers) = channel();
    let (late, after) = (sender.clone(), sender.clone());
    let server = Server::start(one_shard(), |server| {
        let root = server.of("/");
        root.on("ask", ask(sender, LONG));
        root.on("leave-and-ask", move |socket, event| {
            socket.disconnect(false);
            ask(late.clone(), LONG)(socket, event);
        });
        root.on_disconnect(move |_, _| after.send(Ok("left".to_owned())));
    });
    let mut client = Client::connect(&server);
    client.emit("\"ask\"");
    client.ws.expect_text("420[\"question\"]");
    client.emit("\"leave-and-ask\"");
    client.ws.expect_text("41");
    let mut heard = [receive(&answers), receive(&answers), receive(&answers)];
    heard.sort_by_key(Result::is_err);
    let gone = Err(AckError::Disconnected);
    assert_eq!(heard, [Ok("left".to_owned()), gone.clone(), gone]);
}

#[test]
fn the_oldest_question_is_dropped_when_too_many_are_open() {
    let (sender, answers) = channel();
    let limits = Limits { unanswered_acks: 2, ..Limits::default() };
    let server = Server::start(Config { limits, ..one_shard() }, |server| {
        server.of("/").on("ask", ask(sender, LONG));
    });
    let mut client = Client::connect(&server);
    for id in 0..3 {
        client.emit("\"ask\"");
        client.ws.expect_text(&format!("42{id}[\"question\"]"));
    }
    assert_eq!(receive(&answers), Err(AckError::Dropped));
    for id in 0..3 {
        client.ws.send_text(&format!("43{id}[{id}]"));
    }
    assert_eq!(receive(&answers), Ok("[1]".to_owned()));
    assert_eq!(receive(&answers), Ok("[2]".to_owned()));
    assert_eq!(server.hits("unanswered_acks"), 1);
}

/// Asks all clients of a server a question, without a practical time limit.
fn ask_all(server: &Server) -> Receiver<Result<Answers, MissingAnswers>> {
    let (sender, answers) = channel();
    let heard = move |answer| sender.send(answer).expect("the test waits");
    server.handle().emit_with_ack("question", (), Duration::MAX, heard).expect("a name that may be used");
    answers
}

#[test]
fn complete_answers_are_freed_before_their_timeout() {
    let server = Server::start(config(2), |server| {
        server.of("/");
    });
    for _ in 0..1000 {
        assert!(receive(&ask_all(&server)).expect("nobody is asked").is_empty());
    }
    let mut clients: Vec<_> = (0..8).map(|_| Client::connect(&server)).collect();
    for round in 1000..1100 {
        let answers = ask_all(&server);
        for client in &mut clients {
            client.ws.expect_text(&format!("42{round}[\"question\"]"));
            client.ws.send_text(&format!("43{round}[]"));
        }
        assert_eq!(receive(&answers).expect("all answers").len(), 8);
    }
    server.wait_until("let go", |metrics| metrics.collections == 0);
}

#[test]
fn answers_of_clients_that_left_are_not_waited_for() {
    let server = Server::start(config(2), |server| {
        server.of("/");
    });
    let (mut stays, mut leaves) = (Client::connect(&server), Client::connect(&server));
    let answers = ask_all(&server);
    for client in [&mut stays, &mut leaves] {
        client.ws.expect_text("420[\"question\"]");
    }
    server.wait_until("asked", |metrics| metrics.collections == 1);
    drop(leaves);
    stays.ws.send_text("430[\"here\"]");
    let missing = receive(&answers).expect_err("one has left");
    assert_eq!((missing.answers.values::<String>().expect("text"), missing.missing), (vec!["here".to_owned()], 1));
    server.wait_until("let go", |metrics| metrics.collections == 0);
}

#[test]
fn a_callback_that_panics_is_counted() {
    let server = Server::start(one_shard(), |server| {
        server.of("/").on("ask", |socket, _| {
            socket.emit_with_ack("question", (), PATIENCE, |_, _| -> () { panic!("a callback that panics") })
        });
    });
    let mut client = Client::connect(&server);
    client.emit("\"ask\"");
    client.ws.expect_text("420[\"question\"]");
    client.ws.send_text("430[]");
    client.ws.expect_nothing_more();
    assert_eq!(server.metrics().handler_panics, 1);
}
