//! Changing what a table is made of, and publishing the table, as one step.

use std::sync::Arc;

use super::sync::{Mutex, MutexGuard, PoisonError};
use crate::flag::store::SnapshotCell;

/// What a table is made of. A change that panicked has changed what it has.
pub(crate) fn lock<C>(control: &Mutex<C>) -> MutexGuard<'_, C> {
    control.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Changes what the table is made of, and publishes the table that comes of it. Answers with the
/// table that was replaced.
///
/// Published under the lock: of two changes (an autopilot's share, an operator's block, new flags)
/// neither overtakes the other, and none brings back what another has taken away. A request that
/// begins after this has returned reads the new table. `tests/loom` checks both.
pub(crate) fn change<C, T, R>(
    control: &Mutex<C>,
    current: &SnapshotCell<T>,
    change: impl FnOnce(&mut C) -> R,
    table: impl FnOnce(&C) -> T,
) -> (R, Arc<T>)
where
    T: Send + Sync + 'static,
{
    let mut control = lock(control);
    let result = change(&mut control);
    let table = Arc::new(table(&control));
    (result, current.replace(table))
}
