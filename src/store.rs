//! The lock-free snapshot of all flags, and what feeds it.

mod cell;
#[cfg(test)]
mod cell_tests;
mod sync;

pub(crate) use self::cell::{Guard, SnapshotCell};
