//! What the snapshot cell synchronises with. A file of its own so that the model in `tests/loom`
//! compiles the very same cell over loom's doubles of these.

pub(crate) use std::{
    sync::{
        Mutex, PoisonError, RwLock, TryLockError,
        atomic::{AtomicU64, Ordering},
    },
    thread_local,
};
