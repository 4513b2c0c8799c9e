//! modelgate's flagd dialect beside the official Rust evaluator, on generated flags.
//!
//! See `tests/flagd.rs` for what is run, `disagreements.rs` for where the two differ on purpose.

pub mod case;
pub mod coverage;
pub mod disagreements;
pub mod expression;
pub mod fractional;
pub mod generate;
pub mod official;
pub mod ours;
pub mod pool;
pub mod random;
pub mod reference;
