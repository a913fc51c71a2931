//! Histories that failed once. They are lived through first.

/// Each one's seed, what of its plan the seed did not choose (empty for nothing), what it found, and when that was mended.
pub(super) const FAILED: &[(u64, &str, &str, &str)] = &[];
