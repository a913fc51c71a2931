//! The starter's application.

fn main() {}
