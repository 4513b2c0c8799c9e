//! What turns a vendor's document into flags: the [`Dialect`] trait.

use crate::{
    flag::{DocumentError, FlagSet},
    flagd::Flagd,
};

/// Makes flags of a document: what a source does with the text it fetched.
///
/// Implemented by the dialects and by closures.
pub trait Dialect: Send + 'static {
    /// Compiles a whole document.
    ///
    /// # Errors
    ///
    /// When the document as a whole cannot be read. A single bad flag is no error: it goes into
    /// [`FlagSet::problems`].
    fn compile(&self, text: &str) -> Result<FlagSet, DocumentError>;
}

impl<C> Dialect for C
where
    C: Fn(&str) -> Result<FlagSet, DocumentError> + Send + 'static,
{
    fn compile(&self, text: &str) -> Result<FlagSet, DocumentError> {
        self(text)
    }
}

impl Dialect for Flagd {
    fn compile(&self, text: &str) -> Result<FlagSet, DocumentError> {
        Flagd::compile(self, text)
    }
}

#[cfg(feature = "launchdarkly-dialect")]
impl Dialect for crate::launchdarkly::LaunchDarkly {
    fn compile(&self, text: &str) -> Result<FlagSet, DocumentError> {
        crate::launchdarkly::LaunchDarkly::compile(self, text)
    }
}

#[cfg(feature = "flagsmith-dialect")]
impl Dialect for crate::flagsmith::Flagsmith {
    fn compile(&self, text: &str) -> Result<FlagSet, DocumentError> {
        crate::flagsmith::Flagsmith::compile(self, text)
    }
}

#[cfg(feature = "unleash-dialect")]
impl Dialect for crate::unleash::Unleash {
    fn compile(&self, text: &str) -> Result<FlagSet, DocumentError> {
        crate::unleash::Unleash::compile(self, text)
    }
}

/// The text without the byte order mark that some editors put before it.
pub(crate) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}
