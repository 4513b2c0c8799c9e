//! Flagsmith: environments, and the table of its operators.

#[path = "../support/mod.rs"]
mod support;

mod environments;
mod operators;
