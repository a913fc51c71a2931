//! Clients that come back to a server that cannot ask others.

use super::server::{Server, get, got, post};
use crate::app::Handlers;
use crate::config::{Config, Recovery, RedisSecurity, RedisServer};
use crate::engineio::Sid;
use crate::shard::shared::recovery::Lost;

/// A server whose Redis is not there: nothing listens on the discard port.
fn server() -> Server {
    let redis = Some(RedisServer::new("127.0.0.1", 9, RedisSecurity::Plain));
    let config = Config { redis, recovery: Some(Recovery::default()), ..Config::default() };
    let mut handlers = Handlers::default();
    handlers.namespace_mut("/");
    Server::new(config, handlers, None)
}

/// A client claims a socket that the server has lost. Gives the answer, and whether the server still has the socket.
fn claim(doubt: Option<u64>) -> (String, bool) {
    let mut server = server();
    let (pid, sid) = (Sid::parse("AAAAAAAAAAAAAAAAAAAA").unwrap(), Sid::parse("BAAAAAAAAAAAAAAAAAAA").unwrap());
    let namespace = server.shared.directory.find_namespace("/").unwrap().key();
    let recovery = server.shared.recovery.as_ref().unwrap();
    let at = recovery.now();
    let (rooms, data, values) = (Box::default(), None, None);
    let lost = Lost { namespace, sid, rooms, data, values, shard: 0, generation: 0, doubt, at };
    recovery.lost().keep(at, pid, lost);
    let client = server.connects(1 << 20);
    let mut ask = |request: &str| {
        client.comes(request.as_bytes());
        server.turn();
        got(&client)
    };
    let open = ask(&get("/socket.io/?EIO=4&transport=polling"));
    let (_, id) = open.split_once("\"sid\":\"").unwrap_or_else(|| panic!("{open}"));
    let target = format!("/socket.io/?EIO=4&transport=polling&sid={}", &id[..20]);
    ask(&post(&target, &format!("40{{\"pid\":\"{}\",\"offset\":\"Q8AGDxC.1\"}}", pid.to_text())));
    let answer = ask(&get(&target));
    let has = server.shared.recovery.as_ref().unwrap().lost().has(pid);
    (answer, has)
}

#[test]
fn a_doubtful_socket_is_left_where_it_is_while_others_cannot_be_asked() {
    let (answer, has) = claim(Some(1));
    assert!(answer.contains("40{\"sid\":") && !answer.contains("BAAAAAAAAAAAAAAAAAAA"), "{answer}");
    assert!(has);
    let (answer, has) = claim(None);
    assert!(answer.contains("40{\"sid\":"), "{answer}");
    assert!(!has, "nobody else has it");
}
