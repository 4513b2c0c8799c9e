//! Flagsmith: environments, and the table of its operators.

mod environments;
mod operators;
