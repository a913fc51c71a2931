//! Routes to the files of a folder.

mod client;
mod file;
mod folder;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod kinds;

use std::io;
use std::path::Path;
use std::sync::Arc;

use self::file::Found;
use self::folder::{Folder, Meant};
use super::handler::{BlockingRoute, Runs};
use super::table::Routes;
use crate::app::declare::Pool;
use crate::http::{LongResponse, Method, Request, Response};

impl Routes {
    /// Declares routes to the files of a folder: below `path`, and at `path` itself.
    pub(crate) fn add_files(&mut self, path: &str, folder: &Path) {
        let opened = Folder::open(folder).map(Arc::new);
        let opened = opened.map_err(|error| format!("the folder {} cannot be read: {error}", folder.display()));
        let folder = match opened {
            Ok(folder) => folder,
            Err(why) => return self.refuse(path, &why),
        };
        let bare = path.strip_suffix('/').unwrap_or(path);
        for path in [bare, &format!("{bare}/*")].into_iter().filter(|path| !path.is_empty()) {
            let (folder, pool) = (Arc::clone(&folder), Arc::clone(&self.pool));
            self.declare_file(path, move |request| response(&folder, request, &pool));
        }
    }

    /// Declares a route to a file that `response` finds. One that is not there is answered `404`.
    fn declare_file(
        &mut self,
        path: &str,
        response: impl Fn(&Request) -> io::Result<LongResponse> + Send + Sync + 'static,
    ) {
        self.pool.want();
        let handler: Arc<BlockingRoute> = Arc::new(move |request| match response(request) {
            Ok(response) => Ok(response),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Response::new(404).into()),
            Err(error) => Err(error.to_string()),
        });
        self.declare(Method::Get, path, Runs::OnPool(handler));
    }
}

/// The answer to a request for a file of a folder.
fn response(folder: &Folder, request: &Request, pool: &Arc<Pool>) -> io::Result<LongResponse> {
    match folder.find(request) {
        Meant::Nothing => Err(io::ErrorKind::NotFound.into()),
        Meant::FolderWithoutSlash => Ok(Response::new(301).header("Location", &request.with_slash()).into()),
        Meant::File(path) => {
            let compressed = folder.within(&file::with_end(&path, ".gz")).filter(|path| path.is_file());
            Found { content_type: kinds::of(&path), path, compressed }.response(request, pool)
        }
    }
}
