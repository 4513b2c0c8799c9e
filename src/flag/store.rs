//! The lock-free snapshot of all flags, and what feeds it.

mod cell;
#[cfg(test)]
mod cell_tests;
mod core;
pub(crate) mod details;
pub(crate) mod flags;
mod listeners;
mod not_ready;
mod snapshot;
mod status;
mod sync;
#[cfg(test)]
mod tests;

pub(crate) use self::{
    cell::{Guard, SnapshotCell},
    core::{Core, SnapshotListener},
    details::FlagValue,
    flags::Flags,
};
pub use self::{
    flags::{Builder, StartError},
    not_ready::NotReadyError,
    snapshot::Snapshot,
    status::{ConnectionStatus, SourceState, SourceStatus, Status},
};
