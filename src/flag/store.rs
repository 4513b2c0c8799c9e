//! The lock-free snapshot of all flags, and what feeds it.

mod cell;
#[cfg(test)]
mod cell_tests;
mod core;
mod detail;
mod flags;
mod last_known_good;
mod snapshot;
mod status;
mod sync;
#[cfg(test)]
mod tests;

#[cfg(feature = "http")]
pub(crate) use self::last_known_good::digest;
pub(crate) use self::{
    cell::{Guard, SnapshotCell},
    core::{Core, SnapshotListener},
};
pub use self::{
    detail::{FlagDetail, FlagValue},
    flags::{Flags, FlagsBuilder, StartError},
    last_known_good::{LastKnownGood, LastKnownGoodError, Saved},
    snapshot::Snapshot,
    status::{ConnectionStatus, FlagsStatus, NotReady, SourceState, SourceStatus},
};
