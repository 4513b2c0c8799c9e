//! What a schema cannot be.

use std::{error::Error, fmt};

/// A schema that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaError {
    field: Box<str>,
    found: Box<str>,
    expected: Box<str>,
}

impl SchemaError {
    #[cold]
    pub(crate) fn new(
        field: impl fmt::Display,
        found: impl fmt::Display,
        expected: impl fmt::Display,
    ) -> SchemaError {
        SchemaError {
            field: field.to_string().into(),
            found: found.to_string().into(),
            expected: expected.to_string().into(),
        }
    }

    /// What is wrong: `names`, `shape`, `range of "age"`.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// What it holds.
    pub fn found(&self) -> &str {
        &self.found
    }

    /// What it may hold.
    pub fn expected(&self) -> &str {
        &self.expected
    }
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SchemaError { field, found, expected } = self;
        write!(f, "schema: {field}: found {found}, expected {expected}")
    }
}

impl Error for SchemaError {}
