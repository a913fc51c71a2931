//! The layers of the source: imports point down only, and files of one folder do not import each other in a circle. This reads
//! the paths in the code, so it is a picture that stays true.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The modules of `src`, from the top down. Modules of one line may use each other.
const LAYERS: &[&[&str]] = &[
    &["main", "cli", "logging", "stderr", "health"],
    &["lib", "fuzz"],
    &["testing"],
    &["server"],
    &["ops"],
    &["app"],
    &["shard"],
    &["cluster"],
    &["config"],
    &["http"],
    &["socketio"],
    &["msgpack"],
    &["engineio"],
    &["websocket"],
    &["log_line", "metrics", "error", "values", "memory", "clock", "chance", "pieces"],
];

/// The rooms of `app`, from the bottom up. Its own file is their roof, which gives their items to the modules above.
const APP: &[&str] = &["base", "ask", "send", "cluster", "declare", "routes", "dispatch"];

/// What stands in `cluster`, from the bottom up. Its own file is the roof: it gives what they have to those above.
const CLUSTER: &[&str] = &[
    "redis",
    "data",
    "id",
    "dropped",
    "metrics",
    "serial",
    "peers",
    "room_hints",
    "source",
    "gaps",
    "recent",
    "message",
    "adapter",
    "classic",
    "places",
    "listening",
    "membership",
    "asking",
    "reply",
    "received",
];

/// The rooms of `shard`, from the bottom up.
const ROOMS: &[&str] =
    &["store", "kernel", "shared", "net", "sessions", "sockets", "recovery", "guard", "input", "ending", "event_loop"];

/// A module by its path from the crate's root: `["shard", "turn"]`.
type Module = Vec<String>;

/// An import: a line of a file names another module.
#[derive(Debug, Clone)]
struct Arrow {
    file: PathBuf,
    line: usize,
    from: Module,
    to: Module,
}

impl Arrow {
    fn is_upward(&self) -> bool {
        let floor = |module: &Module| LAYERS.iter().position(|layer| layer.contains(&&*module[0]));
        floor(&self.to).zip(floor(&self.from)).is_some_and(|(to, from)| to < from)
    }

    fn describe(&self) -> String {
        format!("{}:{}: {} uses {}", self.file.display(), self.line, self.from.join("::"), self.to.join("::"))
    }
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// All files of a folder and its subfolders.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    files.sort();
    files
}

fn module(file: &Path) -> Module {
    let within = file.strip_prefix(source()).expect("a file of the source").with_extension("");
    let mut module: Module = within.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    module.pop_if(|last| last == "mod");
    module
}

/// The code of a file without its tests, which may use anything, and without comments.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line));
    lines.take_while(|(_, line)| *line != "#[cfg(test)]").filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// The name at the start of a text, if it is a module's.
fn name(text: &str) -> Option<String> {
    let name: String = text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    name.starts_with(|c: char| c.is_ascii_lowercase()).then_some(name)
}

/// The modules that the paths of a line in `from` may mean. The paths begin with `crate::` or `super::`.
fn targets(from: &Module, line: &str) -> Vec<Module> {
    let starts = ["crate::", "super::"].iter().flat_map(|start| line.match_indices(start));
    // Neither the middle of a path, nor the visibility of an item.
    let is_first = |place: usize| !["::", "pub(in "].iter().any(|before| line[..place].ends_with(before));
    starts.filter(|(place, _)| is_first(*place)).flat_map(|(place, _)| resolve(from, &line[place..])).collect()
}

fn resolve(from: &Module, path: &str) -> Vec<Module> {
    let (mut at, mut rest) = (from.clone(), path);
    loop {
        if let Some(behind) = rest.strip_prefix("crate::") {
            (at, rest) = (Module::new(), behind);
        } else if let Some(behind) = rest.strip_prefix("super::") {
            at.pop();
            rest = behind;
        } else if let Some(list) = rest.strip_prefix('{') {
            // A name that is not a module's is an item of this one.
            let names = list.split([',', '}']).map(|one| name(one.trim()));
            return names.map(|name| at.iter().cloned().chain(name).collect()).collect();
        } else {
            let Some(next) = name(rest) else { return vec![at] };
            rest = rest[next.len()..].strip_prefix("::").unwrap_or_default();
            at.push(next);
        }
    }
}

/// All arrows between modules of the source. Tests may use anything.
fn arrows() -> Vec<Arrow> {
    let files = files(&source());
    let known: BTreeSet<Module> = files.iter().map(|file| module(file)).collect();
    let mut arrows = Vec::new();
    for file in files.iter().filter(|file| !module(file).iter().any(|part| part == "tests")) {
        let from = module(file);
        let text = fs::read_to_string(file).expect("source is text");
        for (line, code) in code(&text) {
            for mut to in targets(&from, code) {
                while !to.is_empty() && !known.contains(&to) {
                    to.pop();
                }
                if !to.is_empty() && to != from {
                    arrows.push(Arrow { file: file.clone(), line, from: from.clone(), to });
                }
            }
        }
    }
    arrows
}

/// For each folder, which of its modules uses which others.
fn neighbours(arrows: &[Arrow]) -> BTreeMap<Module, BTreeMap<String, BTreeSet<String>>> {
    let mut folders: BTreeMap<Module, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for Arrow { from, to, .. } in arrows {
        let common = from.iter().zip(to).take_while(|(from, to)| from == to).count();
        // A folder's own file has its modules.
        if let (Some(one), Some(other)) = (from.get(common), to.get(common)) {
            let folder = folders.entry(from[..common].to_vec()).or_default();
            folder.entry(one.clone()).or_default().insert(other.clone());
        }
    }
    folders
}

/// Whether a path leads from one to the other.
fn leads(graph: &BTreeMap<String, BTreeSet<String>>, from: &str, to: &str) -> bool {
    let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(one) = next.pop() {
        for other in graph.get(one).into_iter().flatten() {
            if other == to {
                return true;
            }
            if seen.insert(other) {
                next.push(other);
            }
        }
    }
    false
}

/// The circles of a folder: modules that can be reached from each other.
fn circles(folder: &Module, graph: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let members = |one: &String| {
        let with = graph.keys().filter(|other| leads(graph, one, other) && leads(graph, other, one));
        with.cloned().collect::<Vec<_>>()
    };
    let circles = graph.keys().map(members).filter(|members| members.len() > 1);
    circles.map(|members| format!("{}: {}", folder.join("::"), members.join(" "))).collect()
}

#[test]
fn every_module_has_its_layer() {
    let modules: BTreeSet<_> = files(&source()).iter().map(|file| module(file)[0].clone()).collect();
    let without: Vec<_> = modules.iter().filter(|module| !LAYERS.concat().contains(&&***module)).collect();
    assert!(without.is_empty(), "these stand in no layer of tests/layers.rs: {without:?}");
}

#[test]
fn imports_point_down_only() {
    let up: Vec<_> = arrows().iter().filter(|arrow| arrow.is_upward()).map(Arrow::describe).collect();
    assert!(up.is_empty(), "these point up:\n{}", up.join("\n"));
}

/// The arrows inside a folder that lead from a room to one above it. The folder's own file is the roof.
fn upward_in(folder: &str, rooms: &[&str]) -> Vec<String> {
    let floor = |module: &Module| {
        let room = module.get(1).map(|name| rooms.iter().position(|room| room == name));
        let unknown = || panic!("{} stands in no room of tests/layers.rs", module.join("::"));
        room.map_or(rooms.len(), |room| room.unwrap_or_else(unknown))
    };
    let arrows = arrows();
    let within = arrows.iter().filter(|arrow| arrow.from[0] == folder && arrow.to[0] == folder);
    within.filter(|arrow| floor(&arrow.to) > floor(&arrow.from)).map(Arrow::describe).collect()
}

#[test]
fn rooms_of_app_use_only_those_below_them() {
    let up = upward_in("app", APP);
    assert!(up.is_empty(), "these point up:\n{}", up.join("\n"));
}

#[test]
fn rooms_of_the_cluster_use_only_those_below_them() {
    let up = upward_in("cluster", CLUSTER);
    assert!(up.is_empty(), "these point up:\n{}", up.join("\n"));
}

/// The names in the paths that begin at `start` in a code, with their lines; those of a list, each.
fn names_behind(start: &str, code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (place, _) in code.match_indices(start) {
        let path = &code[place + start.len()..];
        let names = match path.strip_prefix('{') {
            Some(list) => list.split(['}', ';']).next().unwrap_or_default().split(',').collect(),
            None => vec![path],
        };
        let name =
            |path: &str| path.trim().split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().map(str::to_owned);
        let line = code[..place].matches('\n').count() + 1;
        found.extend(names.into_iter().filter_map(name).map(|name| (line, name)));
    }
    found
}

/// A file's code as one text, whose lines are those of the file.
fn lines_of(file: &Path) -> String {
    let text = fs::read_to_string(file).expect("source is text");
    let mut lines = vec![""; text.lines().count()];
    code(&text).for_each(|(number, line)| lines[number - 1] = line);
    lines.join("\n")
}

/// Users of the library may name the classic format's messages; the server's other parts know neutral ones only.
#[test]
fn nothing_but_the_roof_of_the_cluster_names_the_classic_format() {
    let arrows = arrows();
    let is_classic = |module: &Module| module.starts_with(&["cluster".to_owned(), "classic".to_owned()]);
    let from_below = |arrow: &&Arrow| !is_classic(&arrow.from) && arrow.from != ["cluster"] && is_classic(&arrow.to);
    let mut found: Vec<_> = arrows.iter().filter(from_below).map(Arrow::describe).collect();
    let roof = lines_of(&source().join("cluster/mod.rs"));
    let given: BTreeSet<_> = names_behind("pub use classic::", &roof).into_iter().map(|(_, name)| name).collect();
    assert!(given.contains("Broadcast") && given.contains("Request"), "{given:?}");
    for file in files(&source()).iter().filter(|file| module(file)[0] != "cluster") {
        let named = names_behind("cluster::", &lines_of(file)).into_iter().filter(|(_, name)| given.contains(name));
        found.extend(named.map(|(line, name)| format!("{}:{line}: cluster::{name}", file.display())));
    }
    assert!(found.is_empty(), "these name the classic format:\n{}", found.join("\n"));
}

#[test]
fn a_name_of_the_classic_format_is_found_with_its_line() {
    let code =
        "use a::b;\nuse crate::cluster::{\n    Opts,\n    message::Answer,\n};\nfn f(broadcast: cluster::Broadcast) {}";
    let found = names_behind("cluster::", code);
    let expected = [(2, "Opts"), (2, "message"), (2, ""), (6, "Broadcast")];
    assert_eq!(found, expected.map(|(line, name)| (line, name.to_owned())));
}

/// Whether an arrow inside `shard` leads from a room to one above it.
fn is_upward_in_shard(arrow: &Arrow) -> bool {
    let room = |module: &Module| module.get(1).filter(|_| module[0] == "shard").cloned();
    let floor = |module| room(module).and_then(|room| ROOMS.iter().position(|other| *other == room));
    floor(&arrow.to).zip(floor(&arrow.from)).is_some_and(|(to, from)| to > from)
}

#[test]
fn rooms_of_the_shard_use_those_below_them_only() {
    let arrows = arrows();
    let up: Vec<_> = arrows.iter().filter(|arrow| is_upward_in_shard(arrow)).map(Arrow::describe).collect();
    assert!(up.is_empty(), "these point up:\n{}", up.join("\n"));
}

/// The items that a line takes from the roof of `shard`, its own file, apart from its rooms.
fn from_the_roof(line: &str) -> Vec<String> {
    let behind = line.split("crate::shard::").skip(1).flat_map(|path| match path.strip_prefix('{') {
        Some(list) => list.split('}').next().unwrap_or_default().split(',').collect::<Vec<_>>(),
        None => vec![path],
    });
    let item = |path: &str| path.trim().split(|c: char| !c.is_ascii_alphanumeric()).next().map(str::to_owned);
    behind.filter_map(item).filter(|item| item.starts_with(|c: char| c.is_ascii_uppercase())).collect()
}

/// Closures get a `Shard`, so code that takes or hands out one names it. All other items are named by their own paths, so that
/// their arrows are seen.
#[test]
fn rooms_of_the_shard_take_nothing_from_its_roof_but_the_shard() {
    let mut others = Vec::new();
    for file in files(&source().join("shard")).iter().filter(|file| module(file).len() > 1) {
        let text = fs::read_to_string(file).expect("source is text");
        if module(file).iter().all(|part| part != "tests") {
            let lines =
                code(&text).flat_map(|(number, line)| from_the_roof(line).into_iter().map(move |item| (number, item)));
            others.extend(
                lines
                    .filter(|(_, item)| item != "Shard")
                    .map(|(number, item)| format!("{}:{number}: {item}", file.display())),
            );
        }
    }
    assert!(others.is_empty(), "these are taken from the roof of shard:\n{}", others.join("\n"));
}

#[test]
fn files_of_a_folder_import_each_other_in_no_circle() {
    let found =
        neighbours(&arrows()).iter().flat_map(|(folder, graph)| circles(folder, graph)).collect::<BTreeSet<_>>();
    assert!(
        found.is_empty(),
        "these import each other in a circle:\n{}",
        found.into_iter().collect::<Vec<_>>().join("\n")
    );
}

#[test]
fn an_arrow_that_points_up_is_found_with_its_line() {
    let from: Module = ["engineio", "session", "polling"].map(str::to_owned).into();
    let to = |line: &str| targets(&from, line).iter().map(|to| to.join("::")).collect::<Vec<_>>();
    assert_eq!(to("use crate::shard::turn::Shard;"), ["shard::turn"]);
    assert_eq!(to("use super::super::frames::Frames;"), ["engineio::frames"]);
    let session = "engineio::session";
    assert_eq!(
        to("use super::{payload, Effect};"),
        [format!("{session}::payload"), session.to_owned(), session.to_owned()]
    );
    assert_eq!(
        to("let all = super::upgrade::all() + crate::memory::page();"),
        ["memory::page", "engineio::session::upgrade::all"]
    );
    assert!(to("pub(in crate::engineio) fn poll() {}").is_empty());
    let arrow = |to: &str| Arrow { file: "polling.rs".into(), line: 7, from: from.clone(), to: vec![to.to_owned()] };
    assert!(arrow("shard").is_upward() && !arrow("error").is_upward() && !arrow("engineio").is_upward());
    assert_eq!(arrow("shard").describe(), "polling.rs:7: engineio::session::polling uses shard");
}

#[test]
fn a_circle_is_found() {
    let graph = |arrows: &[(&str, &str)]| {
        let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in arrows {
            graph.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        circles(&vec!["app".to_owned()], &graph)
    };
    assert!(graph(&[("a", "b"), ("b", "c"), ("a", "c")]).is_empty());
    assert_eq!(graph(&[("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")]), ["app: a b c".to_owned()].into());
}
