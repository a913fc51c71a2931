//! Reaching the server: its URL and addresses, sockets, TLS.

mod alarm;
mod source;
mod stream;
mod target;
mod url;

pub use alarm::Alarm;
pub use source::Sources;
pub use stream::Stream;
pub use target::Target;
pub use url::Url;
