//! Models that answer later: the promises of the router, awaited.

#![cfg(feature = "async")]

#[path = "../support/doubles.rs"]
mod doubles;
#[path = "../support/mod.rs"]
mod support;

mod asking;
mod batch;
mod batched;
mod deadlines;
mod hangs;
mod router;
mod shadows;
