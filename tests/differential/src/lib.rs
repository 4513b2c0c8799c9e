//! modelgate's dialects beside their vendors' official Rust evaluators, on generated flags.
//!
//! A module for each dialect: what it generates, how each side is asked, and where the two differ
//! on purpose (`disagreements`). What is run is in `tests/`, a file for each dialect.

pub mod flagd;
pub mod flagsmith;
pub mod launchdarkly;
pub mod pool;
pub mod random;
pub mod same;
pub mod shrink;
pub mod unleash;
