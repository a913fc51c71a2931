//! Handles to one socket: how they send.

use std::sync::mpsc::channel;

use kinglet::SocketHandle;

use crate::support::{Polling, Server, event, one_shard, raw, receive};

#[test]
fn the_flags_of_a_handle_hold_for_what_it_sends_and_for_its_broadcasts() {
    let (tell, told) = channel::<SocketHandle>();
    let server = Server::start(one_shard(), |server| {
        server.of("/").on_connect(move |socket| tell.send(socket.handle()));
    });
    let ((session, _), (other, _)) = (Polling::connected(&server), Polling::connected(&server));
    let handle = receive(&told);
    let encoding = || {
        // The answer proves that earlier sends have arrived.
        assert!(handle.queued_bytes().is_some_and(|bytes| bytes > 0));
        let gzip = raw("GET", &format!("polling&sid={}", session.sid), "Accept-Encoding: gzip\r\n");
        session.send(&gzip).response().header("content-encoding")
    };

    handle.volatile().emit("dropped", ()).expect("JSON");
    handle.volatile().broadcast().emit("dropped", ()).expect("JSON");
    handle.send("kept").expect("JSON");
    handle.local().emit("for the other", ()).expect("JSON");
    assert!(handle.queued_bytes().is_some());
    assert_eq!(session.get().text(), event("\"message\",\"kept\""));
    assert_eq!(other.get().text(), event("\"for the other\""));
    assert_eq!(server.metrics().volatile_dropped, 2);

    handle.compress(false).emit("long", "x".repeat(2000)).expect("JSON");
    assert_eq!(encoding(), None);
    handle.emit("long", "x".repeat(2000)).expect("JSON");
    assert_eq!(encoding().as_deref(), Some("gzip"));
}
