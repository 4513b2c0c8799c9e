//! The sentence in which errors say what is wrong: `field: found …, expected …`.

use std::fmt;

/// A field, what was found in it and what was expected. Errors whose variants callers match on carry
/// the same three as fields of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mismatch<F = &'static str> {
    pub(crate) field: F,
    found: String,
    expected: String,
}

impl<F> Mismatch<F> {
    #[cold]
    pub(crate) fn new(
        field: F,
        found: impl fmt::Display,
        expected: impl fmt::Display,
    ) -> Mismatch<F> {
        Mismatch { field, found: found.to_string(), expected: expected.to_string() }
    }
}

impl<F: fmt::Display> fmt::Display for Mismatch<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mismatch { field, found, expected } = self;
        write!(f, "{field}: found {found}, expected {expected}")
    }
}
