//! The other kinglets that share the Redis, each an *instance*, and what they tell each other about their clients.
//!
//! Instances know each other. One that has subscribed says HELLO to all, and each other one answers it with WELCOME; one that
//! ends says BYE. Nothing is sent while nothing happens. What one instance tells another is numbered, and so never lacks
//! anything in between: a hole ends everything that is under way between the two, and they greet each other anew.
//!
//! | files | what they do |
//! |---|---|
//! | `instance` | an instance's name, and this one's, which changes if another has it |
//! | `message` | what instances tell each other |
//! | `envelope`, `key` | the form of a message, and its signature |
//! | `record` | a lost socket, as a server that ends leaves it in Redis |
//! | `directory` | the instances that are known, and which messages count: no I/O |
//! | `seeking` | instances that are not known, although clients name them |
//! | `presence` | this instance among the others: greetings, what is said, and what became of it |
//! | `handle` | all of that for the rest of the server |

mod directory;
mod envelope;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod handle;
mod instance;
mod key;
pub(crate) mod message;
mod presence;
pub(crate) mod record;
mod seeking;

pub(crate) use handle::Peers;
pub(crate) use instance::{Instance, OwnInstance};
pub(crate) use message::Body;
pub(crate) use presence::Unheard;
