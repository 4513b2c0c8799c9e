//! Tokens and keys.

use std::fmt;

/// A token or key: never shown.
#[derive(Clone)]
pub(crate) struct Secret(Box<str>);

impl Secret {
    pub(crate) fn new(text: impl Into<Box<str>>) -> Secret {
        Secret(text.into())
    }

    /// The text itself, to be sent to its server and nowhere else.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The URL of a server: shown without what may be secret in it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address(String);

impl<T: Into<String>> From<T> for Address {
    fn from(url: T) -> Address {
        Address(url.into())
    }
}

impl std::ops::Deref for Address {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::public_part(&self.0))
    }
}
