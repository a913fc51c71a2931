//! Downloads: a file goes to whoever asks for it, in chunks of binary data. The next is read only while little waits for the
//! client: so a large file for a slow client costs a few chunks of memory, not its length. Its page is `download.html`.
//!
//! `cargo run --example download`, then open `examples/download.html`. It sends `DOWNLOAD_FILE`, or its own program.

use std::error::Error;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use kinglet::{Binary, Config, Cors, Origin, Server, SocketHandle};

const CHUNK_BYTES: u64 = 64 * 1024;
/// What may wait for a client: enough that the network is never idle between two looks, and with one chunk more below half of
/// `hold_up` (256 KiB), beyond which the client itself is not heard until less waits.
const QUEUED_BYTES: usize = 64 * 1024;
const NAP: Duration = Duration::from_millis(10);
/// Each download has one for itself until it ends; those beyond wait for their turn.
const THREADS: usize = 32;

fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init();
    let path = std::env::var_os("DOWNLOAD_FILE").filter(|path| !path.is_empty());
    let path = path.map_or_else(std::env::current_exe, |path| Ok(PathBuf::from(path)))?;
    // Pages that are opened from disk come from another origin; `KINGLET_CORS` may let in fewer.
    let config = Config { cors: Some(Cors::new(Origin::Any)), blocking_threads: THREADS, ..Config::default() };
    let mut server = Server::new(config.with_env()?)?;
    // Blocking: it waits for the disk and the client, on a thread that serves nobody.
    server.of("/").handle_blocking("download", move |socket, ()| download(&path, socket));
    Ok(server.run()?)
}

/// `download()` is answered with `size(bytes)`, then `chunk(number, bytes)` from 0 on. When all are sent it is acknowledged
/// with `{bytes, checksum}`, an Adler-32, or with `{error}`.
fn download(path: &Path, socket: &SocketHandle) -> Result<Option<Sent>, &'static str> {
    send(path, socket).map_err(|error| {
        log::error!("{}: {error}", path.display());
        "The file could not be read."
    })
}

/// What was sent.
#[derive(serde::Serialize)]
struct Sent {
    bytes: u64,
    checksum: u32,
}

/// `None`: the client left before the end.
fn send(path: &Path, socket: &SocketHandle) -> Result<Option<Sent>, Box<dyn Error>> {
    let mut file = File::open(path)?;
    socket.emit("size", file.metadata()?.len())?;
    let (mut bytes, mut checksum) = (0, Adler32::default());
    for number in 0_u64.. {
        let mut chunk = Vec::new();
        if file.by_ref().take(CHUNK_BYTES).read_to_end(&mut chunk)? == 0 {
            break;
        }
        if !has_room(socket) {
            return Ok(None);
        }
        bytes += chunk.len() as u64;
        checksum.add(&chunk);
        socket.emit("chunk", (number, Binary::from(chunk)))?;
    }
    Ok(Some(Sent { bytes, checksum: checksum.value() }))
}

/// Waits until little waits for the client: that is the backpressure. False if the client has left; one that takes nothing at
/// all is cut off by the server (`write_stall`), and so leaves, too.
fn has_room(socket: &SocketHandle) -> bool {
    loop {
        match socket.queued_bytes() {
            Some(queued) if queued > QUEUED_BYTES => thread::sleep(NAP),
            queued => return queued.is_some(),
        }
    }
}

/// The checksum of zlib: not against forgery, but short enough to be here and in the page.
struct Adler32 {
    a: u32,
    b: u32,
}

impl Adler32 {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.a = (self.a + u32::from(*byte)) % 65_521;
            self.b = (self.b + self.a) % 65_521;
        }
    }

    const fn value(&self) -> u32 {
        self.b << 16 | self.a
    }
}

impl Default for Adler32 {
    fn default() -> Self {
        Self { a: 1, b: 0 }
    }
}
