//! Routes: requests beside Socket.IO that the program answers.

mod call;
mod files;
mod handler;
mod table;

#[cfg(any(test, fuzzing))]
pub use self::files::fuzz::file_path;
pub use self::handler::IntoResponse;
pub(crate) use self::table::Routes;
