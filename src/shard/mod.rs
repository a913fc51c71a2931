//! The shard: one thread, its event loop and everything it owns.
