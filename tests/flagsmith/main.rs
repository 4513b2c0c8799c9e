//! Flagsmith: environments, and the table of its operators.

mod assignments;
mod dependencies;
mod documents;
mod environments;
mod hostile;
mod operators;
mod updates;
