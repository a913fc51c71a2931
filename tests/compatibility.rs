//! `docs/compatibility.md` lists all of Node's server API, and the tests that it names exist.

use std::fs;
use std::path::{Path, PathBuf};

const PAGE: &str = include_str!("../docs/compatibility.md");

/// The names in the reference of Node's server API, of its options, and what its types have besides: by the page's sections.
const REFERENCE: [(&str, &str); 9] = [
    (
        "Options",
        "path serveClient adapter parser connectTimeout connectionStateRecovery cleanupEmptyChildNamespaces \
         addTrailingSlash allowEIO3 allowRequest allowUpgrades cookie cors destroyUpgrade destroyUpgradeTimeout \
         httpCompression initialPacket maxHttpBufferSize perMessageDeflate pingInterval pingTimeout transports \
         upgradeTimeout wsEngine",
    ),
    (
        "Server",
        "Server connect connection new_namespace engine sockets httpServer encoder adapter allSockets attach attachApp bind \
         close compress connectTimeout disconnectSockets emit emitWithAck except fetchSockets in listen local of on \
         onconnection path send serveClient serverSideEmit serverSideEmitWithAck socketsJoin socketsLeave timeout to use \
         volatile write",
    ),
    (
        "Namespace",
        "adapter name server sockets connect connection allSockets compress disconnectSockets emit emitWithAck except \
         fetchSockets in local send serverSideEmit serverSideEmitWithAck socketsJoin socketsLeave timeout to use volatile \
         write",
    ),
    (
        "Socket",
        "disconnect disconnecting error client conn connected data disconnected handshake id nsp recovered request rooms \
         server broadcast compress emit emitWithAck eventNames except in join leave listeners listenersAny \
         listenersAnyOutgoing local off offAny offAnyOutgoing on onAny onAnyOutgoing once prependAny prependAnyOutgoing \
         removeAllListeners removeListener send timeout to use volatile write",
    ),
    (
        "BroadcastOperator",
        "allSockets compress disconnectSockets emit emitWithAck except fetchSockets in local socketsJoin socketsLeave timeout \
         to volatile",
    ),
    ("RemoteSocket", "id handshake rooms data disconnect emit emitWithAck join leave timeout"),
    ("Client", "conn request"),
    (
        "Engine",
        "clientsCount connection connection_error drain generateId handleRequest handleUpgrade headers heartbeat \
         initial_headers packet packetCreate upgrade use close",
    ),
    (
        "Adapter",
        "create-room delete-room join-room leave-room rooms sids addAll addSockets broadcast broadcastWithAck close del \
         delAll delSockets disconnectSockets fetchSockets init persistSession restoreSession serverCount serverSideEmit \
         socketRooms sockets",
    ),
];

/// A line of a table.
struct Row {
    name: &'static str,
    status: &'static str,
    note: &'static str,
    proof: &'static str,
}

/// The rows of the section with that name.
fn rows(section: &str) -> Vec<Row> {
    let text = PAGE.split(&format!("\n## {section}\n")).nth(1).unwrap_or_else(|| panic!("no section {section}"));
    let lines = text.split("\n## ").next().into_iter().flat_map(str::lines);
    let cells = lines.filter_map(|line| line.strip_prefix("| ")?.strip_suffix('|')).map(|line| line.split('|'));
    cells
        .map(|mut cells| {
            let [name, status, note, proof] = [(); 4].map(|()| cells.next().unwrap_or_default().trim());
            assert_eq!(cells.next(), None, "{section}: more cells than columns behind {name}");
            Row { name, status, note, proof }
        })
        .filter(|row| row.status != "status")
        .collect()
}

/// The names in code in a row's first cell, without their owners and arguments.
fn names(row: &Row) -> impl Iterator<Item = &'static str> {
    let code = row.name.split('`').skip(1).step_by(2);
    code.filter_map(|code| code.split('(').next()?.rsplit(['.', ' ']).next())
}

/// The sections of features that have four columns.
fn features() -> impl Iterator<Item = Row> {
    let sections = REFERENCE.iter().map(|(section, _)| *section).chain(["Protocols and transports"]);
    sections.flat_map(rows)
}

/// The files and titles of the tests that prove a row.
fn tests(row: &Row) -> impl Iterator<Item = (&'static str, &'static str)> {
    row.proof.split("; ").filter_map(|proof| proof.strip_prefix('`')?.split_once("`: "))
}

/// The path of a test's file.
fn path(file: &str) -> PathBuf {
    let folder = if file.ends_with(".mjs") { "tests/clients/test" } else { "tests" };
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(file)
}

#[test]
fn each_item_of_the_reference_is_listed() {
    for (section, items) in REFERENCE {
        let listed: Vec<_> = rows(section).iter().flat_map(names).collect();
        for item in items.split_ascii_whitespace() {
            assert!(listed.contains(&item), "{section} does not list {item:?}, but {listed:?}");
        }
    }
}

#[test]
fn each_status_is_one_of_three() {
    for row in features() {
        assert!(["supported", "differs", "left out"].contains(&row.status), "{}: {}", row.name, row.status);
    }
}

#[test]
fn each_named_test_is_there() {
    for (file, title) in features().flat_map(|row| tests(&row).collect::<Vec<_>>()) {
        let text = fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let declared = [format!("fn {title}("), format!("test(\"{title}"), format!("test(`{title}")];
        assert!(declared.iter().any(|form| text.contains(form)), "{file} has no test {title:?}");
    }
}

#[test]
fn what_is_supported_is_proved_with_an_official_client() {
    for row in features().filter(|row| row.status == "supported" && !row.note.starts_with("see ")) {
        let official = tests(&row).any(|(file, _)| file.ends_with(".test.mjs"));
        assert!(official, "{}: {:?} names no test of tests/clients", row.name, row.proof);
    }
}
