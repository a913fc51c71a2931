//! Uploads: a file comes in chunks of binary data. Each is acknowledged when it has been written, and the client waits for
//! that before it sends the next: so never more than one chunk of a client is on its way or in memory, however slow the disk
//! or fast the client. Its page is `upload.html`.
//!
//! `cargo run --example upload`, then open `examples/upload.html`. Files go to `UPLOAD_FOLDER`, or the temporary folder.

use std::error::Error;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use kinglet::{Binary, Config, Cors, Origin, Server, Socket, SocketHandle};
use serde_json::{Value, json};

/// What a handler returns: an answer, or an error, which its client gets as `{error}`.
type Handled<T> = Result<T, Box<dyn Error>>;

const MAX_FILE_BYTES: u64 = 100_000_000;

/// A file on its way, kept with its socket behind a lock, which is held while the disk is written to. If it is not whole when
/// this is dropped, what there is of it is removed.
struct Upload {
    path: PathBuf,
    size: u64,
    received: u64,
}

fn main() -> kinglet::Result<()> {
    env_logger::init();
    let folder = std::env::var_os("UPLOAD_FOLDER").filter(|folder| !folder.is_empty());
    let folder = folder.map_or_else(std::env::temp_dir, PathBuf::from);
    // Pages that are opened from disk come from another origin; `KINGLET_CORS` may let in fewer.
    let config = Config { cors: Some(Cors::new(Origin::Any)), ..Config::default() };
    let mut server = Server::new(config.with_env()?)?;
    // To remove a file may take a while, so what a client has abandoned is dropped by a thread of its own.
    let (abandon, abandoned) = channel::<Arc<Mutex<Upload>>>();
    thread::spawn(move || abandoned.into_iter().for_each(drop));
    server
        .of("/")
        .handle("begin", move |socket, size| begin(&folder, socket, size))
        // Blocking: it waits for the disk, on a thread that serves nobody.
        .handle_blocking("chunk", |socket, (offset, bytes): (u64, Binary)| chunk(socket, offset, &bytes))
        .on_disconnect(move |socket, _| socket.remove::<Mutex<Upload>>().map_or(Ok(()), |upload| abandon.send(upload)));
    server.run()
}

/// `begin(size)` is acknowledged with `{name}`, what the file is called here, or with `{error}`. The name is never one that the
/// client chose, which could lead anywhere on the disk.
fn begin(folder: &Path, socket: &Socket, size: u64) -> Handled<Value> {
    if size == 0 || size > MAX_FILE_BYTES {
        return Err(format!("A file has 1 to {MAX_FILE_BYTES} bytes.").into());
    }
    if socket.get::<Mutex<Upload>>().is_some() {
        return Err("Another upload is under way.".into());
    }
    let name = format!("upload-{:016x}", getrandom::u64()?);
    socket.insert(Mutex::new(Upload { path: folder.join(&name), size, received: 0 }));
    Ok(json!({ "name": name }))
}

/// `chunk(offset, bytes)` is acknowledged with `{received}`, where the next chunk begins, or with `{error}`. A chunk that begins
/// elsewhere is not written: so one that comes twice, or before its turn, does no harm.
fn chunk(socket: &SocketHandle, offset: u64, bytes: &[u8]) -> Handled<Value> {
    let upload = socket.get::<Mutex<Upload>>().ok_or("Begin first.")?;
    let mut upload = upload.lock().unwrap_or_else(PoisonError::into_inner);
    let written = upload.write(offset, bytes);
    if written.is_err() || upload.received == upload.size {
        socket.remove::<Mutex<Upload>>();
    }
    written.map(|()| json!({ "received": upload.received }))
}

impl Upload {
    /// Writes the chunk if it is the next.
    fn write(&mut self, offset: u64, bytes: &[u8]) -> Handled<()> {
        if offset != self.received {
            return Ok(());
        }
        let received = self.received + bytes.len() as u64;
        if received > self.size {
            return Err("The file is longer than it was said to be.".into());
        }
        File::options().create(true).append(true).open(&self.path)?.write_all(bytes)?;
        self.received = received;
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // A file of which nothing has come is not there to be removed.
        if self.received < self.size {
            fs::remove_file(&self.path).unwrap_or_else(|error| log::debug!("{}: {error}", self.path.display()));
        }
    }
}
