//! Lines of the log that clients and other servers can cause: what they chose is cut and escaped ([`Excerpt`]), and a kind of
//! line comes so often and no oftener ([`LineKind`], by its [`Quota`](quota::Quota)).
//!
//! ```ignore
//! static FAILED: LineKind = LineKind::new(Level::Warn, module_path!(), "handlers that failed");
//!
//! FAILED.write(|| format!("the handler of {:?} failed: {}", Excerpt(event), Excerpt(error)));
//! ```
//!
//! What was left out is told once its time is over, by whoever asks: the shards do so before they sleep
//! ([`settle_before`]), and the end of a server ([`settle_all`]). Nothing ticks for it. Who sums up what was left out in
//! another way than by its number keeps a `Quota` of its own.

mod excerpt;
mod kind;
pub(crate) mod quota;

pub(crate) use excerpt::Excerpt;
pub(crate) use kind::{LineKind, settle_all, settle_before};

static NO_RANDOM_NUMBERS: LineKind =
    LineKind::new(log::Level::Error, module_path!(), "random numbers that were not there");

/// The system has no random numbers: whatever needs them fails, for as many clients as come.
pub(crate) fn no_random_numbers(error: &getrandom::Error) {
    let error = *error;
    NO_RANDOM_NUMBERS.write(|| format!("no random numbers: {error}"));
}
