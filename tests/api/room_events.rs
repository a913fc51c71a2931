//! What a program hears of rooms: created, deleted, joined, left.

use std::sync::mpsc::{Receiver, Sender, channel};

use kinglet::{Namespace, Server};

use crate::client::Client;
use crate::{PATIENCE, config, serve};

fn tell(namespace: &mut Namespace, told: &Sender<String>) {
    let [created, deleted, joined, left] = [(); 4].map(|()| told.clone());
    namespace
        .on_create_room(move |room| created.send(format!("create {}", room.name())).unwrap())
        .on_delete_room(move |room| deleted.send(format!("delete {}", room.name())).unwrap())
        .on_join_room(move |room, id| joined.send(format!("join {} {id}", room.name())).unwrap())
        .on_leave_room(move |room, id| left.send(format!("leave {} {id}", room.name())).unwrap())
        .on("join", |socket, event| {
            let (room,): (String,) = event.args().unwrap();
            socket.join(room)
        })
        .on("leave", |socket, event| {
            let (room,): (String,) = event.args().unwrap();
            socket.leave(room);
        });
}

fn rooms() -> (impl FnOnce(&mut Server), Receiver<String>) {
    let (told, hears) = channel();
    let declare = move |server: &mut Server| {
        tell(server.of("/"), &told);
        tell(server.of_dynamic(|name| name.starts_with("/d")), &told);
    };
    (declare, hears)
}

fn expect(hears: &Receiver<String>, texts: &[String]) {
    for text in texts {
        assert_eq!(&hears.recv_timeout(PATIENCE).unwrap(), text);
    }
}

#[test]
fn a_room_is_told_of_from_its_first_member_to_its_last() {
    let (declare, hears) = rooms();
    let server = serve(config(), declare);
    for namespace in ["/", "/d1"] {
        let prefix = if namespace == "/" { String::new() } else { format!("{namespace},") };
        let mut client = Client::open(server.address, &[]);
        let id = client.join(namespace);
        client.send(&format!("42{prefix}[\"join\",\"a\"]"));
        client.send(&format!("42{prefix}[\"join\",\"a\"]"));
        client.send(&format!("42{prefix}[\"join\",\"b\"]"));
        client.send(&format!("42{prefix}[\"leave\",\"a\"]"));
        client.send(&format!("42{prefix}[\"leave\",\"a\"]"));
        let told = ["create a", "join a ID", "create b", "join b ID", "leave a ID", "delete a"];
        expect(&hears, &told.map(|text| text.replace("ID", &id)));
        client.send(&format!("41{prefix}"));
        expect(&hears, &["leave b ID", "delete b"].map(|text| text.replace("ID", &id)));
    }
}

#[test]
fn a_room_over_several_shards_comes_and_goes_once() {
    let (declare, hears) = rooms();
    let server = serve(config(), declare);
    let mut clients: Vec<Client> = (0..12).map(|_| server.client()).collect();
    clients.iter_mut().for_each(|client| client.send("42[\"join\",\"a\"]"));
    let mut told: Vec<String> = (0..13).map(|_| hears.recv_timeout(PATIENCE).unwrap()).collect();
    clients.iter_mut().for_each(|client| client.send("42[\"leave\",\"a\"]"));
    told.extend((0..13).map(|_| hears.recv_timeout(PATIENCE).unwrap()));
    let count = |what: &str| told.iter().filter(|text| text.starts_with(what)).count();
    assert_eq!([count("create"), count("join"), count("leave"), count("delete")], [1, 12, 12, 1]);
}
