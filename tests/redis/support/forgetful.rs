//! A server that takes published messages, and sometimes ends a connection before it has answered.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use ::redis::{Parser, Value};
use crossbeam_channel::{Receiver, Sender, unbounded};

pub struct Forgetful {
    pub port: u16,
    /// The payloads published, in their order.
    pub published: Receiver<String>,
}

impl Forgetful {
    /// A server that ends its first `breaks` connections at the PUBLISH of number `at`, without an answer to any. Then it
    /// answers all.
    pub fn start(at: usize, breaks: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (publish, published) = unbounded();
        thread::spawn(move || {
            let left = Arc::new(AtomicUsize::new(breaks));
            for connection in listener.incoming().flatten() {
                let (publish, left) = (publish.clone(), Arc::clone(&left));
                let breaks = move || left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok();
                thread::spawn(move || serve(&connection, &publish, || breaks().then_some(at)));
            }
        });
        Self { port, published }
    }
}

/// Serves a connection. `forgets` is called at its first PUBLISH, and returns the PUBLISH at which to end it, if at all.
fn serve(mut connection: &TcpStream, publish: &Sender<String>, forgets: impl Fn() -> Option<usize>) {
    let mut parser = Parser::new();
    let mut count = 0;
    let mut end = None;
    while let Ok(Value::Array(words)) = parser.parse_value(connection) {
        let words: Vec<String> = words.into_iter().map(|word| ::redis::from_redis_value(word).unwrap()).collect();
        let answer = match words[0].as_str() {
            "PUBLISH" => {
                if count == 0 {
                    end = forgets();
                }
                count += 1;
                publish.send(words[2].clone()).unwrap();
                match end {
                    Some(end) if count == end => return,
                    Some(_) => "",
                    None => ":0\r\n",
                }
            }
            _ => "+PONG\r\n",
        };
        if connection.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
