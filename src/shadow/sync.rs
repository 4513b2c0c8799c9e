//! What the pool's threads synchronise with. A file of its own so that the models in `tests/loom`
//! compile the very same code over loom's doubles of these.

pub(crate) use crossbeam_channel::{Receiver, Sender, unbounded};
pub(crate) use std::{
    sync::atomic::{AtomicBool, Ordering, fence},
    thread::{Thread, current, park, park_timeout},
};
