//! What a schema cannot be.

use std::{error::Error, fmt};

/// A schema that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaError(Box<str>);

impl SchemaError {
    #[cold]
    pub(crate) fn new(
        field: impl fmt::Display,
        found: impl fmt::Display,
        expected: impl fmt::Display,
    ) -> SchemaError {
        SchemaError(format!("schema: {field}: found {found}, expected {expected}").into())
    }
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for SchemaError {}
