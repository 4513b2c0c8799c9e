//! What the router's own protocols synchronise with. A file of its own so that the models in
//! `tests/loom` compile the very same code over loom's doubles of these.

pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
