//! Connections over simulated sockets: what leaves when a socket takes little, nothing, or breaks.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::app::Handlers;
use crate::cluster::peers::OwnInstance;
use crate::config::{Config, Limits};
use crate::engineio::Millis;
use crate::http;
use crate::metrics::Limit;
use crate::shard::kernel::poll::{Poll, Watch};
use crate::shard::kernel::simulated;
use crate::shard::kernel::socket::Socket;
use crate::shard::net::Net;
use crate::shard::net::connection::{CloseCause, Then};
use crate::shard::shared::mailbox::mailbox;
use crate::shard::shared::{Budget, Shared};
use crate::shard::store::keys::ConnectionKey;

const PEER: ([u8; 4], u16) = ([10, 0, 0, 1], 1);

/// The connections of a server of one shard, without the rest of it.
fn net(limits: Limits) -> Net {
    let (mailbox, _) = mailbox(Poll::new().unwrap().waker().unwrap(), 1 << 20);
    let all = 1 << 30;
    let budget =
        Budget { memory: None, max_connections: 100, queued_per_client: all, queued: all, kept: all, unfinished: all };
    let config = Config { limits, ..Config::default() };
    let own = Arc::new(OwnInstance::draw().unwrap());
    let shared = Shared::new(config, own, Arc::new(Handlers::default()), None, vec![mailbox], budget);
    Net::new(Arc::new(shared), 0, Watch::Simulated(simulated::Poll::default()))
}

/// A connection whose socket takes `room` bytes, and the peer's end of it.
fn connect(net: &mut Net, room: usize) -> (ConnectionKey, simulated::Socket) {
    let socket = simulated::Socket::with_room(room);
    let key = net.accepted(Socket::simulated(socket.clone()), SocketAddr::from(PEER)).unwrap();
    (key, socket)
}

/// Messages of 1 to 7 bytes each.
fn messages() -> Vec<Bytes> {
    (0_u8..100).map(|n| vec![n; usize::from(n % 7) + 1].into()).collect()
}

#[test]
fn output_leaves_in_order_wherever_the_socket_is_full() {
    for room in 1..20 {
        let mut net = net(Limits::default());
        let (key, socket) = connect(&mut net, room);
        for message in messages() {
            net.push(key, &message);
            if message.len() == 3 {
                net.flush_due();
            }
        }
        net.flush_due();
        while !net.is_writable(key) {
            socket.make_room(room);
            net.writable(key);
        }
        assert_eq!(socket.sent(), messages().concat(), "{room} bytes at a time");
        net.forget_last_charge();
        assert_eq!(net.queued(), 0);
    }
}

#[test]
fn output_for_a_broken_socket_is_dropped() {
    let mut net = net(Limits::default());
    let (key, socket) = connect(&mut net, 5);
    messages().iter().for_each(|message| net.push(key, message));
    net.flush_due();
    assert!(net.queued() > 0 && !net.has_marked());
    socket.breaks(ErrorKind::ConnectionReset);
    net.writable(key);
    let (closed, connection) = net.next_closed().unwrap();
    assert_eq!((closed, connection.close_cause), (key, Some(CloseCause::Error)));
    drop(connection);
    net.forget_last_charge();
    assert_eq!((net.queued(), net.connection_count()), (0, 0));
}

#[test]
fn a_peer_that_acknowledges_nothing_is_cut_off_and_one_that_does_is_not() {
    let patience = Duration::from_secs(4);
    for acknowledges in [true, false] {
        let mut net = net(Limits { write_stall: patience, ..Limits::default() });
        let (key, socket) = connect(&mut net, 10_000);
        net.push(key, &Bytes::from(vec![0; 1 << 20]));
        net.flush_due();
        for second in 1..=20 {
            net.begin_turn(Millis(1000 * second));
            if acknowledges {
                socket.acknowledge();
                socket.make_room(10_000);
                net.writable(key);
            }
            net.check_stall(key);
        }
        assert_eq!(net.has_marked(), !acknowledges);
        assert_eq!(net.metrics().limit(Limit::WriteStall).get(), u64::from(!acknowledges));
    }
}

#[test]
fn the_sending_half_closes_behind_all_output() {
    let mut net = net(Limits::default());
    let (key, socket) = connect(&mut net, 1);
    net.push(key, &Bytes::from_static(b"last"));
    net.finish(key, Then::Linger);
    net.flush_due();
    assert!(!socket.is_shut());
    socket.make_room(3);
    net.writable(key);
    assert_eq!((socket.sent(), socket.is_shut()), (b"last".to_vec(), true));
}

#[test]
fn a_connection_beyond_the_limit_of_its_address_is_answered_unread() {
    let mut net = net(Limits { connections_per_address: Some(1), ..Limits::default() });
    connect(&mut net, 0);
    let socket = simulated::Socket::with_room(1000);
    socket.comes(b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(net.accepted(Socket::simulated(socket.clone()), SocketAddr::from(PEER)), None);
    assert_eq!(socket.sent(), http::CROWD);
}
