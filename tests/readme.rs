//! The README's claims about the program are what the program says of itself.

use std::net::Ipv4Addr;

use kinglet::{Config, SETTINGS, Server};

const README: &str = include_str!("../README.md");
const CRATE: &str = include_str!("../src/lib.rs");

/// The lines behind the one that is `marker`, up to the next empty one.
fn block(marker: &str) -> Vec<&'static str> {
    let behind = README.lines().skip_while(|line| *line != marker).skip(1);
    behind.skip_while(|line| line.is_empty()).take_while(|line| !line.is_empty()).collect()
}

/// The first block of code in that language.
fn code(text: &str, language: &str) -> String {
    let lines = text.lines().skip_while(|line| *line != format!("```{language}")).skip(1);
    lines.take_while(|line| *line != "```").flat_map(|line| [line, "\n"]).collect()
}

#[test]
fn its_tables_of_settings_are_the_program_s() {
    for group in SETTINGS.chunk_by(|a, b| a.group == b.group) {
        let head = ["| variable | default | what it sets |".to_owned(), "|---|---|---|".to_owned()];
        let rows = group.iter().map(|s| format!("| `{}` | {} | {} |", s.name, s.default, s.help));
        let expected: Vec<String> = head.into_iter().chain(rows).collect();
        let title = group[0].group;
        let found = block(&format!("<!-- settings: {title} -->"));
        assert_eq!(found, expected, "the table of {title} should be:\n{}", expected.join("\n"));
    }
}

#[test]
fn the_settings_it_begins_with_are_settings() {
    let rows = block("<!-- settings: first -->");
    let names: Vec<&str> = rows.iter().filter_map(|row| row.strip_prefix("| `")?.split('`').next()).collect();
    assert_eq!(names.len(), 10);
    for name in names {
        assert!(SETTINGS.iter().any(|setting| setting.name == name), "{name} is no setting");
    }
}

#[test]
fn its_list_of_counted_limits_is_the_program_s() {
    let config = Config { address: Ipv4Addr::LOCALHOST.into(), port: 0, ..Config::default() };
    let running = Server::new(config).unwrap().start().unwrap();
    let counted = running.handle().metrics().limits_hit;
    running.handle().close();
    running.join().unwrap();

    let names: Vec<&str> = counted.iter().map(|(name, _)| *name).collect();
    let rows = block("<!-- limits -->");
    let listed: Vec<&str> = rows.iter().filter_map(|row| row.strip_prefix("| `")?.split('`').next()).collect();
    assert_eq!(listed, names);
}

#[test]
fn its_server_is_the_one_of_the_crate_s_documentation() {
    let documentation: String = CRATE
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .flat_map(|l| [l.trim_start_matches(' '), "\n"])
        .collect();
    let unindented = |text: &str| text.lines().map(str::trim_start).collect::<Vec<_>>().join("\n");
    assert_eq!(unindented(&code(README, "rust")), unindented(&code(&documentation, "no_run")));
}
