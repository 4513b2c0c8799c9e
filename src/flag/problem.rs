//! What is wrong with a flag document, said so that its author can mend it.

use std::{error::Error, fmt};

use super::DocumentTooLarge;

/// Something wrong in one flag: where, what was found, what was expected.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[non_exhaustive]
pub struct Problem {
    /// The flag's key; empty where the document as a whole is meant.
    pub key: String,
    /// The place inside the flag, as a JSON pointer (`/targeting/if/0`); empty for the flag itself.
    pub path: String,
    /// What stands there.
    pub found: String,
    /// What should.
    pub expected: String,
    /// Whether the flag was refused or only warned about.
    pub severity: ProblemSeverity,
}

/// How bad a [`Problem`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProblemSeverity {
    /// The flag works, but perhaps not as its author thinks.
    Warning,
    /// The flag was refused: its last good form stays in force.
    Rejected,
}

impl Problem {
    /// A flag that was refused: give the set [this problem](crate::FlagSet::with_problem) and not
    /// the flag, and its last good form stays in force.
    pub fn rejected(
        key: impl AsRef<str>,
        path: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Problem {
        Problem {
            key: key.as_ref().to_owned(),
            path: path.into(),
            found: found.into(),
            expected: expected.into(),
            severity: ProblemSeverity::Rejected,
        }
    }

    /// A flag that works, but perhaps not as its author thinks.
    pub fn warning(
        key: impl AsRef<str>,
        path: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Problem {
        Problem {
            severity: ProblemSeverity::Warning,
            ..Problem::rejected(key, path, found, expected)
        }
    }
}

/// A member's name as a JSON pointer writes it (RFC 6901).
pub(crate) fn pointer_segment(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "flag `{}`{}{}: found {}, expected {}",
            self.key,
            if self.path.is_empty() { "" } else { " at " },
            self.path,
            self.found,
            self.expected
        )
    }
}

/// A whole document that could not be read: nothing of it is used, what was good stays in force.
#[derive(Debug)]
pub struct DocumentError {
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl DocumentError {
    /// An error in these words: for a dialect of your own.
    #[cold]
    pub fn new(message: impl Into<String>) -> DocumentError {
        DocumentError { message: message.into(), source: None }
    }

    /// An error in these words, caused by another.
    #[cold]
    pub fn with_source(
        message: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> DocumentError {
        DocumentError { message: message.into(), source: Some(source.into()) }
    }

    /// The sizes, where the document was refused for the memory that it would take.
    pub fn too_large(&self) -> Option<&DocumentTooLarge> {
        self.source.as_ref()?.downcast_ref()
    }
}

impl From<DocumentTooLarge> for DocumentError {
    #[cold]
    fn from(error: DocumentTooLarge) -> DocumentError {
        DocumentError::with_source("document is too large", error)
    }
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for DocumentError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
