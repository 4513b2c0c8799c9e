//! Why a source did not deliver.

#[cfg(any(feature = "async", feature = "file", feature = "http"))]
use std::time::Duration;
use std::{borrow::Cow, error::Error as StdError, fmt};

use crate::flag::DocumentError;

/// Why a source could not start or could not deliver.
#[derive(Debug)]
pub struct Error {
    message: Cow<'static, str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error in these words.
    #[cold]
    pub fn new(message: impl Into<Cow<'static, str>>) -> Error {
        Error { message: message.into(), source: None }
    }

    /// An error in these words, caused by another.
    #[cold]
    pub fn with_source(
        message: impl Into<Cow<'static, str>>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Error {
        Error { message: message.into(), source: Some(source.into()) }
    }
}

impl From<DocumentError> for Error {
    fn from(error: DocumentError) -> Error {
        Error::with_source("document refused", error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// Refuses a time of nothing, where it would mean to ask without a pause, or never to wait.
///
/// # Errors
/// When the setting of this name is zero; `None` stands for a setting that is off.
#[cfg(any(feature = "async", feature = "file", feature = "http"))]
pub(crate) fn more_than_zero(
    setting: &'static str,
    found: impl Into<Option<Duration>>,
) -> Result<(), Error> {
    if found.into().is_some_and(|found| found.is_zero()) {
        return Err(Error::new(format!("{setting}: found 0 s, expected more than 0 s")));
    }
    Ok(())
}

/// The error and its causes in one line, for a status and for logs.
pub(crate) fn chain(error: &dyn StdError) -> String {
    use fmt::Write;

    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {cause}");
        next = cause.source();
    }
    text
}
