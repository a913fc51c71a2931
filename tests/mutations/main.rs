//! The faults that the simulation must find still apply to the source.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A part of a patch: the lines that it expects, and those that it leaves.
#[derive(Debug, Default)]
struct Hunk {
    before: String,
    after: String,
}

/// The file that a patch changes, and its hunks.
fn parse(patch: &str) -> (&str, Vec<Hunk>) {
    let mut lines = patch.lines().skip_while(|line| !line.starts_with("--- "));
    let file = lines.next().and_then(|line| line.strip_prefix("--- a/")).expect("the name of a file");
    let mut hunks = Vec::new();
    for line in lines.skip(1) {
        if line.starts_with("@@ ") {
            hunks.push(Hunk::default());
            continue;
        }
        let Hunk { before, after } = hunks.last_mut().expect("a hunk");
        let (kind, text) = line.split_at_checked(1).unwrap_or((" ", ""));
        if kind != "+" {
            *before += &format!("{text}\n");
        }
        if kind != "-" {
            *after += &format!("{text}\n");
        }
    }
    (file, hunks)
}

#[test]
fn each_fault_can_be_made() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let entries = fs::read_dir(root.join("tests/mutations")).unwrap().map(|entry| entry.unwrap().path());
    let patches: Vec<_> = entries.filter(|path| path.extension().is_some_and(|it| it == "patch")).collect();
    assert!(patches.len() >= 60, "{}", patches.len());
    let mut broken = BTreeSet::new();
    for path in patches {
        let name = path.file_name().unwrap().display();
        let patch = fs::read_to_string(&path).unwrap();
        let mut lines = patch.lines();
        assert!(lines.next().is_some_and(|fault| !fault.starts_with("---")), "{name} does not say what its fault is");
        let breaks = lines.next().and_then(|line| line.strip_prefix("breaks "));
        broken.extend(
            breaks.unwrap_or_else(|| panic!("{name} does not say what it breaks")).split(' ').map(str::to_owned),
        );
        let (file, hunks) = parse(&patch);
        let source = fs::read_to_string(root.join(file)).unwrap();
        for Hunk { before, after } in hunks {
            assert_eq!(source.matches(&before).count(), 1, "{name} does not fit {file} any more:\n{before}");
            assert_ne!(before, after, "{name}");
        }
    }
    let invariants: Vec<_> = (1..=9).map(|number| number.to_string()).collect();
    assert!(broken.iter().eq(&invariants), "the faults break the invariants {broken:?}");
}
