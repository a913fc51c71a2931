//! The tests that `docs/compatibility.md` names are there.

use std::fs;
use std::path::{Path, PathBuf};

const PAGE: &str = include_str!("../docs/compatibility.md");

/// Where a test's file lies.
fn path(file: &str) -> PathBuf {
    let folder = if file.ends_with(".mjs") { "tests/clients/test" } else { "tests" };
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(file)
}

/// The files and titles in the last column of the tables.
fn named() -> impl Iterator<Item = (&'static str, &'static str)> {
    let cells = PAGE.lines().filter_map(|line| line.strip_suffix(" |")?.rsplit_once(" | ").map(|(_, cell)| cell));
    cells.filter_map(|cell| cell.strip_prefix('`')?.split_once("`: "))
}

#[test]
fn each_named_test_is_there() {
    assert!(named().count() > 50, "the tables have another form");
    for (file, title) in named() {
        let text = fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let declared = [format!("fn {title}("), format!("test(\"{title}"), format!("test(`{title}")];
        assert!(declared.iter().any(|form| text.contains(form)), "{file} has no test {title:?}");
    }
}

#[test]
fn each_status_is_one_of_three() {
    let features = PAGE.split("## Protocols and transports").nth(1).unwrap();
    let rows = features.lines().filter(|line| line.starts_with("| ") && !line.contains("| status |"));
    for row in rows {
        let status = row.split(" | ").nth(1);
        assert!(status.is_some_and(|status| ["supported", "differs", "left out"].contains(&status)), "{row}");
    }
}
