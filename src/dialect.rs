//! What turns a vendor's document into flags: the [`Dialect`] trait.

use crate::{
    flag::{DocumentError, FlagSet},
    flagd::Flagd,
    flagsmith::Flagsmith,
    launchdarkly::LaunchDarkly,
    unleash::Unleash,
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

impl Dialect for LaunchDarkly {
    fn compile(&self, text: &str) -> Result<FlagSet, DocumentError> {
        LaunchDarkly::compile(self, text)
    }
}

impl Dialect for Flagsmith {
    fn compile(&self, text: &str) -> Result<FlagSet, DocumentError> {
        Flagsmith::compile(self, text)
    }
}

impl Dialect for Unleash {
    fn compile(&self, text: &str) -> Result<FlagSet, DocumentError> {
        Unleash::compile(self, text)
    }
}
