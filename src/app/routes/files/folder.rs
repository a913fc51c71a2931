//! A folder whose files are served: which of them a request means. There is no way out of it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::engineio::percent_decode;
use crate::http::Request;

/// The page of a folder.
const INDEX: &str = "index.html";

/// A folder whose files are served.
#[derive(Debug)]
pub(super) struct Folder {
    /// Its path without symbolic links, so that paths in it begin with it.
    root: PathBuf,
}

/// What a request means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meant {
    /// This file, by its path without symbolic links.
    File(PathBuf),
    /// A folder, whose path must end with a slash so that the links in its page lead into it.
    FolderWithoutSlash,
    Nothing,
}

impl Folder {
    /// The folder at this path.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let root = path.canonicalize()?;
        fs::read_dir(&root)?;
        Ok(Self { root })
    }

    /// The same without a look at it.
    #[cfg(any(test, fuzzing))]
    pub(super) fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The file that a request means.
    pub(super) fn find(&self, request: &Request) -> Meant {
        let has_slash = request.path().ends_with('/');
        let Some(path) = self.path(request.encoded_rest()).and_then(|path| self.within(&path)) else {
            return Meant::Nothing;
        };
        match (path.is_dir(), has_slash) {
            (true, false) => Meant::FolderWithoutSlash,
            (true, true) => {
                self.within(&path.join(INDEX)).filter(|path| path.is_file()).map_or(Meant::Nothing, Meant::File)
            }
            (false, false) if path.is_file() => Meant::File(path),
            (false, _) => Meant::Nothing,
        }
    }

    /// The path that a request's path means, if each of its parts may be a name.
    pub(super) fn path(&self, encoded: &str) -> Option<PathBuf> {
        let mut path = self.root.clone();
        let parts = encoded.strip_suffix('/').unwrap_or(encoded);
        if !parts.is_empty() {
            for part in parts.split('/') {
                let name = percent_decode(part);
                if !is_name(&name) {
                    return None;
                }
                path.push(&*name);
            }
        }
        Some(path)
    }

    /// The path without symbolic links, if it is there and in the folder.
    pub(super) fn within(&self, path: &Path) -> Option<PathBuf> {
        path.canonicalize().ok().filter(|path| path.starts_with(&self.root))
    }
}

/// Whether a part of a path names a file or a folder in another, and none that is hidden.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_path_is_a_name_or_nothing() {
        let folder = Folder::at(Path::new("/r"));
        let path = |encoded: &str| folder.path(encoded).map(|path| path.to_string_lossy().into_owned());
        for (encoded, found) in [
            ("", "/r"),
            ("a", "/r/a"),
            ("a/", "/r/a"),
            ("a%20b/c.d/..e", ""),
            ("a%20b/c.d/e..", "/r/a b/c.d/e.."),
            ("%C3%A9", "/r/\u{e9}"),
            ("%zz", "/r/%zz"),
            ("..", ""),
            ("%2e%2e/etc", ""),
            ("a/../b", ""),
            ("a/%2E./b", ""),
            ("./a", ""),
            (".git/config", ""),
            ("a//b", ""),
            ("/", "/r"),
            ("//a", ""),
            ("a%2fb", ""),
            ("%2fetc", ""),
            ("a%5C..%5Cb", ""),
            ("a%00.html", ""),
        ] {
            assert_eq!(path(encoded).as_deref(), Some(found).filter(|found| !found.is_empty()), "{encoded}");
        }
    }
}
