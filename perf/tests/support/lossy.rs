//! A Socket.IO server as small as can be, WebSocket only, that relays to everybody else and makes a chosen mistake.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

/// The answer to the key of RFC 6455's example, with which `perf` asks.
const SWITCH: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// What the server does wrong, and to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    Forgets(&'static str),
    Repeats(&'static str),
}

#[derive(Default)]
struct Clients {
    list: Mutex<Vec<(String, TcpStream)>>,
    changed: Condvar,
}

/// The server; its clients are `client-0`, `client-1` and so on, in the order in which they joined.
pub struct LossyServer {
    port: u16,
    clients: Arc<Clients>,
}

impl LossyServer {
    pub fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let clients = Arc::new(Clients::default());
        let shared = Arc::clone(&clients);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let clients = Arc::clone(&shared);
                // A connection that is only tried ends with an error, which is nobody's business.
                std::thread::spawn(move || serve(stream, &clients, fault));
            }
        });
        Self { port, clients }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn wait_for_clients(&self, count: usize) {
        let list = self.clients.list.lock().unwrap();
        drop(self.clients.changed.wait_while(list, |list| list.len() < count).unwrap());
    }
}

fn serve(mut stream: TcpStream, clients: &Clients, fault: Fault) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    stream.write_all(SWITCH)?;
    send(
        &mut stream,
        0x81,
        b"0{\"sid\":\"s\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}",
    )?;
    let mut me = String::new();
    loop {
        let (opcode, message) = receive(&mut stream)?;
        match (opcode, &*message) {
            (8, _) => return send(&mut stream, 0x88, &message),
            (1, b"40") => {
                let mut list = clients.list.lock().unwrap();
                me = format!("client-{}", list.len());
                send(&mut stream, 0x81, format!("40{{\"sid\":\"{me}\"}}").as_bytes())?;
                list.push((me.clone(), stream.try_clone()?));
                clients.changed.notify_all();
            }
            (1, [b'4', b'2', ..]) => {
                for (id, other) in clients.list.lock().unwrap().iter_mut().filter(|(id, _)| *id != me) {
                    let times = match fault {
                        Fault::Forgets(victim) if victim == id => 0,
                        Fault::Repeats(victim) if victim == id => 2,
                        _ => 1,
                    };
                    (0..times).try_for_each(|_| send(other, 0x81, &message))?;
                }
            }
            _ => {}
        }
    }
}

fn send(stream: &mut TcpStream, first: u8, payload: &[u8]) -> io::Result<()> {
    let mut frame = vec![first];
    match u8::try_from(payload.len()) {
        Ok(length @ ..126) => frame.push(length),
        _ => {
            frame.push(126);
            frame.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    stream.write_all(&frame)
}

fn receive(stream: &mut TcpStream) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 2];
    stream.read_exact(&mut head)?;
    let mut length = usize::from(head[1] & 0x7f);
    if length == 126 {
        let mut long = [0; 2];
        stream.read_exact(&mut long)?;
        length = usize::from(u16::from_be_bytes(long));
    }
    let mut mask = [0; 4];
    stream.read_exact(&mut mask)?;
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload)?;
    payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    Ok((head[0] & 0x0f, payload))
}
