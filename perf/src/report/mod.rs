//! What a run tells: a table or JSON at its end, a bar while it lasts.

mod entries;
mod progress;

pub use entries::{Report, grouped, microseconds};
pub use progress::Progress;
