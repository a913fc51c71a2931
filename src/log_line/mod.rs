//! Log lines that clients and other servers can cause: text that they chose is cut and escaped ([`Excerpt`]), and each
//! kind of line is limited ([`LineKind`], by its [`Quota`](quota::Quota)).
//!
//! ```ignore
//! static FAILED: LineKind = LineKind::new(Level::Warn, module_path!(), "handlers that failed");
//!
//! FAILED.write(|| format!("the handler of {:?} failed: {}", Excerpt(event), Excerpt(error)));
//! ```
//!
//! Left-out lines are reported after their interval: by the shards before they sleep ([`settle_before`]), and at the
//! end of a server ([`settle_all`]). Nothing ticks for this. Code that reports more than the number of left-out lines
//! has a `Quota` of its own.

mod excerpt;
mod kind;
pub(crate) mod quota;

pub(crate) use excerpt::Excerpt;
pub(crate) use kind::{LineKind, settle_all, settle_before};

static NO_RANDOM_NUMBERS: LineKind =
    LineKind::new(log::Level::Error, module_path!(), "random numbers that were not there");

/// The system has no random numbers, so everything that needs them fails, for any number of clients.
pub(crate) fn no_random_numbers(error: &getrandom::Error) {
    let error = *error;
    NO_RANDOM_NUMBERS.write(|| format!("no random numbers: {error}"));
}
