//! Answers of clients that a thread waits for.

use std::sync::mpsc::channel;
use std::time::Duration;

use kinglet::{AckError, Pending, SocketHandle, WaitError};

use crate::{PATIENCE, config, serve};

#[test]
fn a_thread_waits_for_the_answer_of_a_client() {
    let (tell, told) = channel::<SocketHandle>();
    let server = serve(config(), |server| {
        server.of("/").on_connect(move |socket| tell.send(socket.handle()));
    });
    let mut client = server.client();
    let handle = told.recv_timeout(PATIENCE).unwrap();
    let answer = handle.ask("age", "yours", PATIENCE).unwrap();
    client.expect("420[\"age\",\"yours\"]");
    assert_eq!(answer.recv_timeout(Duration::from_millis(1)).unwrap_err(), WaitError::NotYet);
    client.send("430[42]");
    assert_eq!(answer.recv_timeout(PATIENCE).unwrap().args::<(u32,)>().unwrap(), (42,));

    let late = handle.ask("late", (), Duration::from_millis(1)).unwrap();
    assert_eq!(late.recv().unwrap_err(), WaitError::NoAnswer(AckError::Timeout));
    let unanswered = handle.ask("unanswered", (), PATIENCE).unwrap();
    drop(client);
    assert_eq!(unanswered.recv().unwrap_err(), WaitError::NoAnswer(AckError::Disconnected));
    let nobody = handle.ask("nobody", (), PATIENCE).unwrap();
    assert_eq!(nobody.recv().unwrap_err(), WaitError::NoAnswer(AckError::Disconnected));
}

#[test]
fn an_event_loop_does_not_wait_for_a_client() {
    let (give, given) = channel::<Pending<_, _>>();
    let server = serve(config(), |server| {
        server.of("/").on("ask", move |socket, _| {
            let answer = socket.handle().ask("age", (), PATIENCE).unwrap();
            assert_eq!(answer.recv_timeout(PATIENCE).unwrap_err(), WaitError::EventLoop);
            give.send(answer).unwrap();
            let why = socket.handle().ask("again", (), PATIENCE).unwrap().recv().unwrap_err().to_string();
            socket.emit("why", why).unwrap();
        });
    });
    let mut client = server.client();
    client.send("42[\"ask\"]");
    let answer = given.recv_timeout(PATIENCE).unwrap();
    client.expect("420[\"age\"]");
    client.expect("421[\"again\"]");
    client.expect(
        "42[\"why\",\"the thread of an event loop must not wait for an answer: wait in a blocking handler or on a thread of your \
         own, or have emit_with_ack call a callback\"]",
    );
    client.send("430[7]");
    assert_eq!(answer.recv().unwrap().args::<(u32,)>().unwrap(), (7,), "another thread may wait for it");
}

#[test]
fn a_thread_waits_for_the_answers_of_many_clients() {
    let mut server = serve(config(), |server| {
        server.of("/");
    });
    let mut clients = [server.client(), server.client()];
    let answers = server.handle.ask("vote", "tea?", PATIENCE).unwrap();
    for client in &mut clients {
        client.expect("420[\"vote\",\"tea?\"]");
        client.send("430[true]");
    }
    assert_eq!(answers.recv().unwrap().values::<bool>().unwrap(), [true, true]);

    let late = server.handle.of("/").ask("vote", "milk?", Duration::from_millis(1)).unwrap();
    let Err(WaitError::NoAnswer(missing)) = late.recv() else { panic!("nobody has answered") };
    assert_eq!((missing.answers.len(), missing.missing), (0, 2));

    let left = server.handle.ask("vote", "sugar?", 10 * PATIENCE).unwrap();
    drop(clients);
    let Err(WaitError::NoAnswer(missing)) = left.recv_timeout(PATIENCE) else { panic!("they have left") };
    assert_eq!((missing.answers.len(), missing.missing), (0, 2));
    server.stop();
    let nobody = server.handle.ask("vote", "salt?", 10 * PATIENCE).unwrap();
    assert_eq!(nobody.recv_timeout(PATIENCE).unwrap_err().to_string(), WaitError::<AckError>::Closed.to_string());
}
