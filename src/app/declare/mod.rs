//! The declarations of a program, and the arguments of its handlers: namespaces, sockets, rooms, bare sessions.

mod admission;
mod blocking;
mod children;
mod failures;
mod namespace;
mod permission;
mod pool;
mod queue;
mod rooms;
mod session;
mod socket;

pub(in crate::app) use self::children::{Bounds, Change, Children};
pub use self::namespace::Namespace;
pub(in crate::app) use self::namespace::{ConnectHandler, Middleware};
pub(crate) use self::permission::Permission;
pub(crate) use self::pool::Pool;
pub(in crate::app) use self::pool::Refused;
pub use self::rooms::Room;
pub use self::session::Session;
pub use self::socket::Socket;
