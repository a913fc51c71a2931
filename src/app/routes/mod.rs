//! Routes: requests beside Socket.IO that the program answers.

mod call;
mod files;
mod handler;
mod table;

pub use self::handler::IntoResponse;
pub(crate) use self::table::Routes;
