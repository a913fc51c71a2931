//! Handlers on other threads, and the sockets that they are called for.

use serde_json::json;

use crate::support::{Server, Socket};

#[test]
fn a_blocking_handler_knows_its_socket_and_may_outlive_it() {
    let mut server = Server::start();
    let mut observer = Socket::connect(&server);
    let mut leaver = Socket::tracked(&server, "leaver");
    leaver.emit(&json!(["note", "of the leaver"]));
    leaver.emit(&json!(["who-blocking"]));
    leaver.ws.send_text("41");
    assert_eq!(observer.reason_of("leaver"), json!(["client namespace disconnect"]));
    let known = observer.call(&json!(["who-blocking"]))[0].take();
    let id = &known["id"];
    assert_eq!(known, json!({"id": id, "nsp": "/", "data": {}, "auth": {}, "rooms": [id], "connected": true}));
    assert_eq!(observer.call(&json!(["noted"])), json!([null]));
    server.assert_well();
}
