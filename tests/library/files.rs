//! Files: those of a folder, and those of the browser's client.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kinglet::{Config, Limits, Method, Response};

use crate::routes::{get, post, request};
use crate::support::{Polling, Server, one_shard};

/// A folder with files, which goes with this.
struct Folder(PathBuf);

impl Folder {
    fn with(files: &[(&str, &[u8])]) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("kinglet-files-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = Self(std::env::temp_dir().join(name));
        for (name, content) in files {
            let path = folder.path(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a new folder");
            fs::write(path, content).expect("a new file");
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A server of this folder's files at `/static`.
fn serve(folder: &Path) -> Server {
    Server::start(one_shard(), |server| {
        server.files("/static", folder);
    })
}

#[test]
fn a_file_has_its_type_and_a_client_that_has_it_is_spared() {
    let folder = Folder::with(&[("app.js", b"let a"), ("sub/a b.css", b"a{}"), ("empty.txt", b"")]);
    let server = serve(&folder.0);
    let mut connection = server.connect();
    let answer = get(&mut connection, "/static/app.js?v=1");
    answer.assert_is(200, "let a");
    assert_eq!(answer.header("content-type").as_deref(), Some("text/javascript; charset=utf-8"));
    assert_eq!(answer.header("cache-control").as_deref(), Some("public, max-age=0"));
    let tag = answer.header("etag").expect("a tag");
    for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".into()] {
        connection.send(&request("GET /static/app.js", &format!("If-None-Match: {known}\r\n"), ""));
        let answer = connection.response();
        assert_eq!((answer.status, answer.header("etag").as_ref()), (304, Some(&tag)), "{known}");
        assert_eq!((answer.header("content-length"), answer.header("content-type")), (None, None));
    }
    fs::write(folder.path("app.js"), "let b, c").expect("a file");
    connection.send(&request("GET /static/app.js", &format!("If-None-Match: {tag}\r\n"), ""));
    connection.response().assert_is(200, "let b, c");
    connection.send(&request("HEAD /static/app.js", "", ""));
    let head = connection.response_to("HEAD");
    assert_eq!((head.status, head.header("content-length").as_deref()), (200, Some("8")));
    get(&mut connection, "/static/sub/a%20b.css").assert_is(200, "a{}");
    get(&mut connection, "/static/empty.txt").assert_is(200, "");
    get(&mut connection, "/static/none.txt").assert_is(404, "");
    connection.send(&post("/static/app.js", "x"));
    let answer = connection.response();
    assert_eq!((answer.status, answer.header("allow").as_deref()), (405, Some("GET, HEAD, OPTIONS")));
}

#[test]
fn a_folder_has_a_page_at_its_slash() {
    let folder = Folder::with(&[("index.html", b"root"), ("docs/index.html", b"docs"), ("bare/a.txt", b"a")]);
    let server = Server::start(one_shard(), |server| {
        server
            .files("/static", &folder.0)
            .files("/", &folder.0)
            .route(Method::Get, "/docs/here", |_| Response::new(204));
    });
    let mut connection = server.connect();
    for (path, page) in [("/", "root"), ("/static/", "root"), ("/docs/", "docs"), ("/static/docs/index.html", "docs")] {
        let answer = get(&mut connection, path);
        answer.assert_is(200, page);
        assert_eq!(answer.header("content-type").as_deref(), Some("text/html; charset=utf-8"), "{path}");
    }
    for path in ["/static", "/docs", "/static/docs"] {
        let answer = get(&mut connection, path);
        assert_eq!((answer.status, answer.header("location")), (301, Some(format!("{path}/"))));
    }
    let answer = get(&mut connection, "/docs?a=%20b&c");
    assert_eq!(answer.header("location").as_deref(), Some("/docs/?a=%20b&c"));
    for path in ["/bare/", "/index.html/", "/other"] {
        get(&mut connection, path).assert_is(404, "");
    }
    assert_eq!(get(&mut connection, "/docs/here").status, 204);
}

#[test]
fn there_is_no_way_out_of_the_folder() {
    let outside = Folder::with(&[("secret.txt", b"secret"), ("root/in.txt", b"in"), ("root/.env", b"secret")]);
    let root = outside.path("root");
    symlink(outside.path("secret.txt"), root.join("out.txt")).expect("a link");
    symlink(&outside.0, root.join("up")).expect("a link");
    symlink(outside.path("secret.txt"), root.join("in.txt.gz")).expect("a link");
    symlink("in.txt", root.join("same.txt")).expect("a link");
    assert!(std::process::Command::new("mkfifo").arg(root.join("pipe")).status().expect("mkfifo").success());
    let server = serve(&root);
    let mut connection = server.connect();
    for path in [
        "/static/../secret.txt",
        "/static/%2e%2e/secret.txt",
        "/static/..%2fsecret.txt",
        "/static/%2E%2E%2Fsecret.txt",
        "/static/..%5csecret.txt",
        "/static/x/../../secret.txt",
        "/static/in.txt%00.html",
        "/static/%00",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/.env",
        "/static/%2eenv",
        "/static/out.txt",
        "/static/up/secret.txt",
        "/static/up/",
        "/static/up",
        "/static/pipe",
        "/static/%ff",
    ] {
        get(&mut connection, path).assert_is(404, "");
    }
    get(&mut connection, "/static/same.txt").assert_is(200, "in");
    connection.send(&request("GET /static/in.txt", "Accept-Encoding: gzip\r\n", ""));
    connection.response().assert_is(200, "in");
    server.assert_well();
}

#[test]
fn a_compressed_file_is_sent_to_those_who_accept_it() {
    let folder = Folder::with(&[("a.js", b"plain"), ("a.js.gz", b"zipped")]);
    let server = serve(&folder.0);
    let mut connection = server.connect();
    let plain = get(&mut connection, "/static/a.js");
    plain.assert_is(200, "plain");
    connection.send(&request("GET /static/a.js", "Accept-Encoding: br, gzip\r\n", ""));
    let zipped = connection.response();
    zipped.assert_is(200, "zipped");
    assert_eq!(
        [&plain, &zipped].map(|answer| answer.header("vary")),
        [Some("Accept-Encoding".to_owned()), Some("Accept-Encoding".to_owned())]
    );
    assert_eq!([&plain, &zipped].map(|answer| answer.header("content-encoding")), [None, Some("gzip".into())]);
    assert_eq!(zipped.header("content-type").as_deref(), Some("text/javascript; charset=utf-8"));
    assert_ne!(plain.header("etag"), zipped.header("etag"));
    connection.send(&request("GET /static/a.js", "Accept-Encoding: gzip;q=0\r\n", ""));
    connection.response().assert_is(200, "plain");
}

/// Bytes of the long files. More than the kernel takes for a client that does not read.
const LONG: usize = 20_000_000;

fn long() -> Vec<u8> {
    (0..LONG).map(|place| u8::try_from(place % 251).unwrap_or(0)).collect()
}

#[test]
fn a_long_file_comes_whole_and_is_never_whole_in_memory() {
    let content = long();
    let folder = Folder::with(&[("long.bin", &content)]);
    let server = serve(&folder.0);
    let mut connection = server.connect();
    connection.send(&[request("GET /static/long.bin", "", ""), request("GET /", "", "")].concat());
    server.wait_until("a piece waits", |metrics| metrics.queued_bytes > 0);
    assert!(server.metrics().queued_bytes < 300_000);
    assert!(connection.response().body == content);
    assert!(server.metrics().queued_bytes < 300_000);
    connection.response().assert_is(200, "all good");
    connection.send(&request("HEAD /static/long.bin", "", ""));
    assert_eq!(connection.response_to("HEAD").header("content-length"), Some(LONG.to_string()));
    get(&mut connection, "/").assert_is(200, "all good");
}

#[test]
fn a_file_that_becomes_shorter_ends_the_connection() {
    let folder = Folder::with(&[("long.bin", &long())]);
    let server = serve(&folder.0);
    let mut connection = server.connect();
    connection.send(&request("GET /static/long.bin", "", ""));
    server.wait_until("a piece waits", |metrics| metrics.queued_bytes > 0);
    fs::write(folder.path("long.bin"), "short").expect("a file");
    connection.drain_to_end();
    server.wait_until("alone", |metrics| metrics.connections == 0);
    assert!(server.metrics().sent_bytes < LONG as u64);
}

#[test]
fn a_client_that_leaves_or_stalls_within_a_file_is_forgotten() {
    let folder = Folder::with(&[("long.bin", &long())]);
    let limits = Limits { write_stall: Duration::from_millis(200), ..Limits::default() };
    let server = Server::start(Config { limits, ..one_shard() }, |server| {
        server.files("/static", &folder.0);
    });
    let mut leaver = server.connect();
    leaver.send(&request("GET /static/long.bin", "", ""));
    leaver.take(1000);
    drop(leaver);
    server.wait_until("alone", |metrics| metrics.connections == 0);
    let mut stalled = server.connect();
    stalled.send(&request("GET /static/long.bin", "", ""));
    server.wait_for_hits("write_stall", 1);
    server.wait_until("alone", |metrics| (metrics.connections, metrics.queued_bytes) == (0, 0));
}

#[test]
fn a_drain_sends_a_file_to_its_end() {
    let content = long();
    let folder = Folder::with(&[("long.bin", &content)]);
    let config = Config { drain: Duration::from_secs(60), ..one_shard() };
    let server = Server::start(config, |server| {
        server.files("/static", &folder.0);
    });
    let mut connection = server.connect();
    connection.send(&request("GET /static/long.bin", "", ""));
    server.wait_until("a piece waits", |metrics| metrics.queued_bytes > 0);
    server.handle().drain();
    assert!(connection.response().body == content);
    server.wait_for_end().expect("it ran well");
}

#[test]
fn the_client_s_files_are_served_below_the_path() {
    let files =
        ["socket.io.js", "socket.io.js.map", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js"];
    let folder = Folder::with(&files.map(|name| (name, name.as_bytes())));
    let config = Config { client: Some(folder.0.clone()), path: "/live/".into(), ..one_shard() };
    let server = Server::start(config, |_| {});
    let mut connection = server.connect();
    for name in files {
        let answer = get(&mut connection, &format!("/live/{name}?v=4"));
        answer.assert_is(200, name);
        let kind = if name.ends_with(".map") { "json" } else { "javascript" };
        assert_eq!(answer.header("content-type"), Some(format!("application/{kind}; charset=utf-8")));
        assert_eq!(answer.header("cache-control").as_deref(), Some("public, max-age=0"));
        let tag = answer.header("etag").expect("a tag");
        connection.send(&request(&format!("GET /live/{name}"), &format!("If-None-Match: W/{tag}\r\n"), ""));
        assert_eq!(connection.response().status, 304);
    }
    get(&mut connection, "/live/socket.io.esm.js").assert_is(404, "");
    get(&mut connection, "/live/socket.io.min.js.map").assert_is(404, "");
    get(&mut connection, "/socket.io.js").assert_is(404, "");
    let other = get(&mut connection, "/live/other.js");
    assert_eq!((other.status, other.text().contains("Transport unknown")), (400, true));
    let open = get(&mut connection, "/live/?EIO=4&transport=polling");
    assert!(open.text().starts_with("0{\"sid\""));
}

#[test]
fn one_file_of_the_client_is_what_pages_ask_for() {
    let folder = Folder::with(&[("socket.io.min.js", b"min"), ("socket.io.js", b"long")]);
    let config = Config { client: Some(folder.path("socket.io.min.js")), ..one_shard() };
    let server = Server::start(config, |_| {});
    let mut connection = server.connect();
    get(&mut connection, "/socket.io/socket.io.js").assert_is(200, "min");
    get(&mut connection, "/socket.io/socket.io.min.js").assert_is(200, "min");
    assert_eq!(get(&mut connection, "/socket.io/socket.io.esm.min.js").status, 400);
    Polling::open(&server).post_ok("40");
}

#[test]
fn what_cannot_be_served_is_told_at_the_start() {
    let folder = Folder::with(&[("a.txt", b"a")]);
    let start = |config: Config, declare: &dyn Fn(&mut kinglet::Server)| {
        let mut server = kinglet::Server::new(config).expect("settings");
        declare(&mut server);
        server.start().expect_err("no start").to_string()
    };
    let missing = folder.path("missing");
    let error = start(one_shard(), &|server| _ = server.files("/a", &missing));
    assert!(error.starts_with("the route \"/a\" cannot be served: the folder /"), "{error}");
    let error = start(Config { client: Some(folder.0.clone()), ..one_shard() }, &|_| {});
    assert!(error.starts_with("KINGLET_CLIENT=") && error.contains("socket.io.min.js"), "{error}");
    let error = start(one_shard(), &|server| _ = server.route(Method::Get, "no-slash", |_| Response::new(200)));
    assert!(error.contains("begins with a slash"), "{error}");
}
