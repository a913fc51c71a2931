//! Every check with every entry of its corpus, and with mutations of them that are the same in every run.

mod mutator;

use std::fs;
use std::path::PathBuf;

use self::mutator::Mutator;

/// Mutations of each entry, unless the variable `MUTATIONS` says how many.
const MUTATIONS: usize = 100;

/// Longest input, as in `fuzz/`.
const LONGEST: usize = 4096;

/// A check, by the name of its corpus and of its target in `fuzz/`.
struct Target {
    name: &'static str,
    check: fn(&[u8]),
}

macro_rules! targets {
    ($($name:ident)*) => { &[$(Target { name: stringify!($name), check: super::$name }),*] };
}

const TARGETS: &[Target] = targets! {
    body broadcast exchange file_path forwarded_for frames head json_text json_to_msgpack message_pack moving msgpack_to_json packets payload_v3_binary payload_v3_text
    payload_v4 peer_message query record recovery redis_address replies request response setting
};

impl Target {
    /// The entries, in the order of their names.
    fn corpus(&self) -> Vec<Vec<u8>> {
        let folder = corpus().join(self.name);
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.iter().map(|path| fs::read(path).unwrap()).collect()
    }

    fn check(&self, input: &[u8]) {
        let _shown = Shown { target: self.name, input };
        (self.check)(input);
    }
}

/// Shows the input if its check panics.
struct Shown<'a> {
    target: &'static str,
    input: &'a [u8],
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{} does not hold for b\"{}\"", self.target, self.input.escape_ascii());
        }
    }
}

fn corpus() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus"))
}

#[test]
fn every_check_holds_for_its_corpus() {
    for target in TARGETS {
        let corpus = target.corpus();
        assert!(!corpus.is_empty(), "{} has no corpus", target.name);
        corpus.iter().for_each(|input| target.check(input));
    }
}

#[test]
fn every_check_holds_for_mutations() {
    let mutations = std::env::var("MUTATIONS").map_or(MUTATIONS, |count| count.parse().expect("MUTATIONS is a number"));
    for target in TARGETS {
        let corpus = target.corpus();
        let mut mutator = Mutator::new(&corpus, LONGEST);
        for input in &corpus {
            for _ in 0..mutations {
                target.check(&mutator.mutate(input));
            }
        }
    }
}

#[test]
fn the_corpus_is_small_and_belongs_to_the_targets() {
    let mut size = 0;
    for folder in fs::read_dir(corpus()).unwrap() {
        let folder = folder.unwrap();
        assert!(TARGETS.iter().any(|target| *target.name == *folder.file_name()), "{:?} has no target", folder.path());
        for entry in fs::read_dir(folder.path()).unwrap() {
            let length = entry.unwrap().metadata().unwrap().len();
            assert!(length <= LONGEST as u64, "an entry in {:?} is longer than {LONGEST} bytes", folder.path());
            size += length;
        }
    }
    assert!(size <= 1 << 20, "the corpus has {size} bytes");
}

/// The package has no `fuzz/`.
#[test]
fn every_check_is_a_target_of_cargo_fuzz() {
    let Ok(manifest) = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/Cargo.toml")) else { return };
    for target in TARGETS {
        assert!(manifest.contains(&format!("name = \"{}\"", target.name)), "{} is no target", target.name);
    }
    assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
}
