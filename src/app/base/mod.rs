//! The base of `app`: arguments and answers, also those that are awaited, the guard around the program's handlers, work for shards.

mod answers;
pub(in crate::app) mod args;
mod failure;
mod guard;
mod missing;
mod ok;
mod pending;
mod shards;
mod subject;

pub use self::answers::{Answers, MissingAnswers};
#[cfg(feature = "testing")]
pub(crate) use self::args::written;
pub use self::args::{Args, Writer};
pub use self::failure::HandlerError;
pub(in crate::app) use self::failure::{Failure, Fault, catch, find_error};
pub(in crate::app) use self::guard::{attempt, caught, guard, panicked, record};
pub use self::missing::MissingServers;
pub use self::ok::Ok;
pub use self::pending::Pending;
pub(in crate::app) use self::shards::{everywhere, for_each_socket, on_any_shard, on_shard};
pub(in crate::app) use self::subject::Subject;
