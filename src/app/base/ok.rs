//! `Ok` for closures.

use std::error::Error;

/// `Ok`, and the error is any. A handler that uses `?` ends with it, because a closure's result needs one type of errors. It is
/// called by its path: an import of it, also by `use kinglet::*`, hides Rust's own `Ok`.
///
/// ```no_run
/// # let mut server = kinglet::Server::new(kinglet::Config::default())?;
/// server.of("/").handle("join", |socket, room: String| {
///     socket.join(&room)?;
///     kinglet::Ok(socket.rooms())
/// });
/// # Ok::<(), kinglet::Error>(())
/// ```
#[expect(non_snake_case, reason = "it stands where `Ok` would")]
pub fn Ok<T>(value: T) -> Result<T, Box<dyn Error>> {
    Result::Ok(value)
}
