//! Calling what is not ours.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::model::ModelError;

/// What `call` returns; `None` if it panicked. Nothing of the panic goes further, not even one of
/// its payload's own `Drop`.
pub(crate) fn contained<T>(call: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|payload| drop(ModelError::panicked(payload))).ok()
}
