//! The client's files (`serveClient` of the Node server): what `socket.io-client` has in its folder `dist`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::file::{Found, with_end};
use crate::app::routes::table::Routes;
use crate::error::{Error, Result};

/// The names that a page may ask for, as on Node.
const NAMES: [&str; 6] = [
    "socket.io.js",
    "socket.io.min.js",
    "socket.io.esm.js",
    "socket.io.esm.min.js",
    "socket.io.msgpack.js",
    "socket.io.msgpack.min.js",
];

const EXPECTED: &str =
    "a file such as socket.io.min.js, or the folder that has it, such as node_modules/socket.io-client/dist";

impl Routes {
    /// Declares routes to the client's files below the endpoint's path: those of a folder, or the one file.
    ///
    /// # Errors
    /// [`Error::Setting`] if it is neither.
    pub(crate) fn add_client(&mut self, endpoint: &str, place: &Path) -> Result<()> {
        let refused = || Error::Setting {
            name: "KINGLET_CLIENT",
            value: place.to_string_lossy().into_owned(),
            expected: EXPECTED.to_owned(),
        };
        let is_file = place.is_file();
        if !is_file && !NAMES.iter().any(|name| place.join(name).is_file()) {
            return Err(refused());
        }
        for name in NAMES {
            // The one file is what pages ask for by default, and under its own name.
            let is_it = name == NAMES[0] || place.file_name().is_some_and(|own| own == name);
            let path = match is_file {
                true if is_it => place.to_owned(),
                true => continue,
                false => place.join(name),
            };
            self.add_file(format!("{endpoint}{name}"), path.clone(), "application/javascript; charset=utf-8");
            self.add_file(format!("{endpoint}{name}.map"), with_end(&path, ".map"), "application/json; charset=utf-8");
        }
        Ok(())
    }

    fn add_file(&mut self, path: String, file: PathBuf, content_type: &'static str) {
        let pool = Arc::clone(&self.pool);
        self.declare_file(&path, move |request| {
            let found = Found {
                path: file.clone(),
                content_type,
                compressed: Some(with_end(&file, ".gz")).filter(|it| it.is_file()),
            };
            found.response(request, &pool)
        });
    }
}
