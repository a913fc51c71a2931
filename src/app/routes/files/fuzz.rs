//! What holds of the path of a file for any bytes.

use std::path::{Component, Path};

use super::folder::Folder;

/// The path that a request asks for below a folder: it is in the folder, none of its names is hidden, and it is the same when
/// all its names are encoded.
pub fn file_path(bytes: &[u8]) {
    let Ok(encoded) = str::from_utf8(bytes) else { return };
    let root = Path::new("/root");
    let folder = Folder::at(root);
    let Some(path) = folder.path(encoded) else { return };
    let Ok(within) = path.strip_prefix(root) else { unreachable!("{} leads out", path.display()) };
    let names: Vec<&str> = within.components().map(name).collect();
    let again: Vec<String> = names.iter().map(|name| encode(name)).collect();
    assert_eq!(folder.path(&again.join("/")), Some(path));
}

/// The name of a part of a path, which must be one.
fn name(part: Component<'_>) -> &str {
    let Component::Normal(name) = part else { unreachable!("{part:?} is no name") };
    let name = name.to_str().unwrap_or_default();
    assert!(!name.starts_with('.') && !name.contains(['\0', '\\']), "{name:?}");
    name
}

fn encode(name: &str) -> String {
    name.bytes().map(|byte| format!("%{byte:02x}")).collect()
}
