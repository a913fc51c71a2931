//! Files as responses: read by the pool, in pieces if they are long, and not at all if the client has them.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use bytes::Bytes;

use crate::app::declare::Pool;
use crate::http::{Coding, GivePiece, LongResponse, Method, Piece, Request, Response, Rest, Source};

/// Bytes of a file that are read at once, and that one client makes the server keep.
const PIECE: u64 = 64 * 1024;

/// A file to answer with.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) content_type: &'static str,
    /// The same file compressed with gzip, if there is one.
    pub(super) compressed: Option<PathBuf>,
}

impl Found {
    /// The response with the file, or that the client has it already.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(super) fn response(&self, request: &Request, pool: &Arc<Pool>) -> io::Result<LongResponse> {
        let accepts =
            request.header("accept-encoding").is_some_and(|accepted| Coding::accepted(accepted) == Some(Coding::Gzip));
        let compressed = self.compressed.as_deref().filter(|_| accepts);
        let file = File::open(compressed.unwrap_or(&self.path))?;
        let tag = tag(&file)?;
        let response = self.headers(Response::new(200), &tag, compressed.is_some());
        if request.header("if-none-match").is_some_and(|known| names(known, &tag)) {
            return Ok(response.status(304).into());
        }
        let response = response.header("Content-Type", self.content_type);
        let length = file.metadata()?.len();
        let mut body = Body { file, left: length, pool: Arc::clone(pool) };
        let first = if request.method() == Method::Head { Bytes::new() } else { body.next()? };
        let rest = Some(body).filter(|body| body.left > 0).map(Body::rest);
        Ok(LongResponse { first: response.with(first), rest })
    }

    fn headers(&self, response: Response, tag: &str, is_compressed: bool) -> Response {
        let response = response.header("ETag", tag).header("Cache-Control", "public, max-age=0");
        let response = response.header("X-Content-Type-Options", "nosniff");
        let response = if self.compressed.is_some() { response.header("Vary", "Accept-Encoding") } else { response };
        if is_compressed { response.header("Content-Encoding", "gzip") } else { response }
    }
}

/// What follows of a file that is being sent.
struct Body {
    file: File,
    left: u64,
    pool: Arc<Pool>,
}

impl Body {
    /// Reads the next piece.
    fn next(&mut self) -> io::Result<Bytes> {
        let length = self.left.min(PIECE);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        // A file that has become shorter meanwhile is an error: its length was told.
        self.file.read_exact(&mut bytes)?;
        self.left -= length;
        Ok(bytes.into())
    }

    fn rest(self) -> Rest {
        Rest { length: self.left, source: Box::new(self) }
    }
}

impl Source for Body {
    fn read(mut self: Box<Self>, give: GivePiece) {
        let pool = Arc::clone(&self.pool);
        pool.go_on(move || {
            let bytes = self.next().inspect_err(|error| log::debug!("a file cannot be read any further: {error}")).ok();
            let rest = Some(*self).filter(|body| body.left > 0).map(Body::rest);
            give(Piece { bytes, rest });
        });
    }
}

/// The `ETag` of a file: another one as soon as it is written to.
fn tag(file: &File) -> io::Result<String> {
    let metadata = file.metadata()?;
    let written = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(format!("\"{:x}-{:x}\"", metadata.len(), written.as_nanos()))
}

/// Whether a value of `If-None-Match` names a tag.
fn names(known: &str, tag: &str) -> bool {
    known.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

/// The path of a file whose name has something more at its end.
pub(super) fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_may_know_several_tags() {
        let tag = "\"1-2\"";
        for (known, is_known) in [
            ("\"1-2\"", true),
            ("\"0\", W/\"1-2\"", true),
            ("*", true),
            ("1-2", false),
            ("\"1-3\"", false),
            ("", false),
        ] {
            assert_eq!(names(known, tag), is_known, "{known}");
        }
    }
}
