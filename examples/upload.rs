//! Uploads: a file comes in chunks of binary data. Each is acknowledged when it has been written, and the client waits for
//! that before it sends the next: so never more than one chunk of a client is on its way or in memory, however slow the disk
//! or fast the client. Its page is `upload.html`.
//!
//! `cargo run --example upload`, then open `examples/upload.html`. Files go to `UPLOAD_FOLDER`, or the temporary folder.

use std::collections::HashMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use kinglet::{Binary, Config, Cors, Event, Origin, Server, Socket, SocketHandle, SocketId};
use serde_json::json;

type Outcome = Result<(), Box<dyn Error>>;

const MAX_FILE_BYTES: u64 = 100_000_000;

/// A file on its way. If it is not whole when this is dropped, what there is of it is removed.
struct Upload {
    path: PathBuf,
    size: u64,
    received: u64,
}

/// The upload of each socket, by the socket's id. Each has a lock of its own, which is held while the disk is written to.
#[derive(Clone, Default)]
struct Uploads(Arc<Mutex<HashMap<SocketId, Arc<Mutex<Upload>>>>>);

fn main() -> kinglet::Result<()> {
    env_logger::init();
    let folder = std::env::var_os("UPLOAD_FOLDER").filter(|folder| !folder.is_empty());
    let folder = folder.map_or_else(std::env::temp_dir, PathBuf::from);
    // Pages that are opened from disk come from another origin; `KINGLET_CORS` may let in fewer.
    let config = Config { cors: Some(Cors::new(Origin::Any)), ..Config::default() };
    let mut server = Server::new(config.with_env()?)?;
    let uploads = Uploads::default();
    let (of_begin, of_chunk) = (uploads.clone(), uploads.clone());
    // To remove a file may take a while, so what a client has abandoned is dropped by a thread of its own.
    let (abandon, abandoned) = channel::<Arc<Mutex<Upload>>>();
    thread::spawn(move || abandoned.into_iter().for_each(drop));
    server
        .of("/")
        .on("begin", move |socket, event| of_begin.begin(&folder, socket, event))
        // Blocking: it waits for the disk, on a thread that serves nobody.
        .on_blocking("chunk", move |socket, event| of_chunk.chunk(socket, event))
        .on_disconnect(move |socket, _| {
            uploads.all().remove(&socket.id()).map_or(Ok(()), |upload| abandon.send(upload))
        });
    server.run()
}

impl Uploads {
    /// `begin(size)` is acknowledged with `{name}`, what the file is called here, or with `{error}`. The name is never one
    /// that the client chose, which could lead anywhere on the disk.
    fn begin(&self, folder: &Path, socket: &Socket, event: &Event) -> Outcome {
        let (size,): (u64,) = event.args()?;
        if size == 0 || size > MAX_FILE_BYTES {
            return Ok(event.ack(json!({ "error": format!("A file has 1 to {MAX_FILE_BYTES} bytes.") }))?);
        }
        if self.all().contains_key(&socket.id()) {
            return Ok(event.ack(json!({ "error": "Another upload is under way." }))?);
        }
        let name = format!("upload-{:016x}", getrandom::u64()?);
        let upload = Upload { path: folder.join(&name), size, received: 0 };
        self.all().insert(socket.id(), Arc::new(Mutex::new(upload)));
        Ok(event.ack(json!({ "name": name }))?)
    }

    /// `chunk(offset, bytes)` is acknowledged with `{received}`, where the next chunk begins, or with `{error}`. A chunk that
    /// begins elsewhere is not written: so one that comes twice, or before its turn, does no harm.
    fn chunk(&self, socket: &SocketHandle, event: &Event) -> Outcome {
        let (offset, bytes): (u64, Binary) = event.args()?;
        let Some(upload) = self.all().get(socket.id()).cloned() else {
            return Ok(event.ack(json!({ "error": "Begin first." }))?);
        };
        let mut upload = upload.lock().unwrap_or_else(PoisonError::into_inner);
        let written = upload.write(offset, &bytes);
        if written.is_err() || upload.received == upload.size {
            self.all().remove(socket.id());
        }
        match written {
            Ok(()) => Ok(event.ack(json!({ "received": upload.received }))?),
            Err(error) => Ok(event.ack(json!({ "error": error.to_string() }))?),
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<SocketId, Arc<Mutex<Upload>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Upload {
    /// Writes the chunk if it is the next.
    fn write(&mut self, offset: u64, bytes: &[u8]) -> Outcome {
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
