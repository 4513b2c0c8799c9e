//! What only rules of flagd are made of, beside the values that every dialect draws from.

pub use crate::pool::*;

pub const COMPARISONS: &[&str] = &["=", "!=", "<", "<=", ">", ">=", "^", "~", "==", ""];
