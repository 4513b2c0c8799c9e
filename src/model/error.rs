//! Why one model call failed.

use std::{any::Any, borrow::Cow, error::Error, fmt};

/// Why a model did not answer.
///
/// Cheap to move (one pointer) and to clone, because a failed primary is also shown to the
/// comparison sinks.
///
/// # Three texts
///
/// `Display` is the error's own sentence, without its cause, for callers that walk the chain of
/// [`source`](Error::source)s. [`detailed`](ModelError::detailed) is that sentence and all causes:
/// an answer to whoever sent the features. [`redacted`](ModelError::redacted) is what logs and
/// comparison files get: the same without what may hold features, which are the value that
/// [`invalid_input`](ModelError::invalid_input) found, the text of a panic, the words of an
/// inference server or an engine, and what was declared
/// [`confidential`](ModelError::confidential).
///
/// ```
/// use modelgate::ModelError;
///
/// let error = ModelError::invalid_input("features.income", 123_456, "a number below 100000");
/// assert_eq!(
///     error.to_string(),
///     "features.income: found 123456, expected a number below 100000"
/// );
/// assert_eq!(error.redacted().to_string(), "features.income: expected a number below 100000");
///
/// let error = ModelError::new("no such table");
/// assert_eq!(error.to_string(), "model failed");
/// assert_eq!(error.detailed().to_string(), "model failed: no such table");
/// assert_eq!(error.redacted().to_string(), "model failed: no such table");
/// ```
#[derive(Clone)]
pub struct ModelError(std::sync::Arc<ErrorParts>);

struct ErrorParts {
    kind: ErrorKind,
    message: Cow<'static, str>,
    /// What may be logged, where the message or its causes may hold features.
    redacted: Option<Cow<'static, str>>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What kind of failure a [`ModelError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The caller's features do not fit the model: its caller is to blame, not the model.
    InvalidInput,
    /// The model returned an error.
    Failed,
    /// The model panicked.
    Panicked,
    /// The model answered with NaN or an infinity where that was declared a failure.
    NonFinite,
    /// The deadline passed before the answer came.
    Deadline,
    /// The model is not loaded.
    NotLoaded,
    /// Too many requests wait for the model; it was not asked. No breaker counts it.
    Overloaded,
}

impl ErrorKind {
    /// All kinds, each at its [`index`](Self::index).
    pub(crate) const ALL: [ErrorKind; 7] = [
        ErrorKind::InvalidInput,
        ErrorKind::Failed,
        ErrorKind::Panicked,
        ErrorKind::NonFinite,
        ErrorKind::Deadline,
        ErrorKind::NotLoaded,
        ErrorKind::Overloaded,
    ];

    /// The kind's place in tables of counts.
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// Whether a failure of this kind speaks against the model: neither the caller's features nor a
    /// queue that is full do, and no breaker counts them.
    pub(crate) fn is_models_fault(self) -> bool {
        !matches!(self, ErrorKind::InvalidInput | ErrorKind::Overloaded)
    }

    /// A stable name for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorKind::InvalidInput => "invalid_input",
            ErrorKind::Failed => "error",
            ErrorKind::Panicked => "panic",
            ErrorKind::NonFinite => "non_finite",
            ErrorKind::Deadline => "deadline",
            ErrorKind::NotLoaded => "not_loaded",
            ErrorKind::Overloaded => "overloaded",
        }
    }
}

impl ModelError {
    /// The model failed, for this reason: `.map_err(ModelError::new)?`.
    ///
    /// The text of `source` and of its causes is logged; [`confidential`](ModelError::confidential)
    /// is for one that quotes features.
    #[cold]
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> ModelError {
        ModelError::build(ErrorKind::Failed, Cow::Borrowed("model failed"), Some(source.into()))
    }

    /// The model failed, for a reason whose text may hold features: it is shown to the caller, and
    /// left out of logs and of comparisons that do not record features.
    ///
    /// ```
    /// use modelgate::ModelError;
    ///
    /// let error = ModelError::confidential("no row for `diabetes`");
    /// assert_eq!(error.detailed().to_string(), "model failed: no row for `diabetes`");
    /// assert_eq!(error.redacted().to_string(), "model failed");
    /// ```
    #[cold]
    pub fn confidential(source: impl Into<Box<dyn Error + Send + Sync>>) -> ModelError {
        ModelError::new(source).redacted_as("model failed")
    }

    /// The caller's `field` held `found` where `expected` was needed.
    ///
    /// `found` is left out of logs; [`wrong_form`](ModelError::wrong_form) is for a size or a type.
    ///
    /// ```
    /// use modelgate::{ModelError, model::ErrorKind};
    ///
    /// let error = ModelError::invalid_input("features", "3 values", "64 values");
    /// assert_eq!(error.kind(), ErrorKind::InvalidInput);
    /// assert_eq!(error.to_string(), "features: found 3 values, expected 64 values");
    /// ```
    #[cold]
    pub fn invalid_input(
        field: impl fmt::Display,
        found: impl fmt::Display,
        expected: impl fmt::Display,
    ) -> ModelError {
        ModelError::wrong_form(&field, found, &expected)
            .redacted_as(format!("{field}: expected {expected}"))
    }

    /// The caller's `field` has a form, a size or a type, that is not the `expected` one. Unlike
    /// [`invalid_input`](ModelError::invalid_input) this logs what was found: let it hold no value.
    ///
    /// ```
    /// use modelgate::ModelError;
    ///
    /// let error = ModelError::wrong_form("features", "3 values", "64 values");
    /// assert!(error.is_invalid_input());
    /// let logged = error.redacted().to_string();
    /// assert_eq!(logged, "features: found 3 values, expected 64 values");
    /// ```
    #[cold]
    pub fn wrong_form(
        field: impl fmt::Display,
        found: impl fmt::Display,
        expected: impl fmt::Display,
    ) -> ModelError {
        ModelError::build(
            ErrorKind::InvalidInput,
            format!("{field}: found {found}, expected {expected}").into(),
            None,
        )
    }

    /// The caller gave something a name that is not known. It is the caller's word: not logged.
    #[cold]
    pub(crate) fn unknown_name(
        field: impl fmt::Display,
        expected: impl fmt::Display,
    ) -> ModelError {
        ModelError::wrong_form(field, "an unknown name", &expected)
            .redacted_as(format!("found an unknown name, expected {expected}"))
    }

    /// A failure of this kind, in these words, which are logged.
    #[cold]
    pub fn of_kind(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> ModelError {
        ModelError::build(kind, message.into(), None)
    }

    #[cold]
    pub(crate) fn not_loaded() -> ModelError {
        ModelError::of_kind(ErrorKind::NotLoaded, "the model is not loaded")
    }

    #[cold]
    pub(crate) fn panicked(payload: Box<dyn Any + Send>) -> ModelError {
        let message = match payload.downcast_ref::<&'static str>() {
            Some(text) => (*text).to_owned(),
            None => {
                payload.downcast_ref::<String>().cloned().unwrap_or_else(|| "no message".into())
            }
        };
        // A payload whose own `Drop` panics must not escape from here: it would unwind into the
        // caller of `predict`.
        if let Err(again) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(payload)))
        {
            std::mem::forget(again);
        }
        ModelError::build(ErrorKind::Panicked, format!("model panicked: {message}").into(), None)
            .redacted_as("model panicked")
    }

    /// Shows only this where features must not be seen.
    #[cold]
    pub(crate) fn redacted_as(self, text: impl Into<Cow<'static, str>>) -> ModelError {
        match std::sync::Arc::try_unwrap(self.0) {
            Ok(inner) => {
                let redacted = Some(text.into());
                ModelError(std::sync::Arc::new(ErrorParts { redacted, ..inner }))
            }
            // Shared already: an error is only changed while it is made.
            Err(shared) => ModelError(shared),
        }
    }

    /// A failure of this kind, in these words, for this reason.
    #[cold]
    pub(crate) fn with_source(
        kind: ErrorKind,
        message: &'static str,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> ModelError {
        ModelError::build(kind, Cow::Borrowed(message), Some(source.into()))
    }

    fn build(
        kind: ErrorKind,
        message: Cow<'static, str>,
        source: Option<Box<dyn Error + Send + Sync>>,
    ) -> ModelError {
        ModelError(std::sync::Arc::new(ErrorParts { kind, message, redacted: None, source }))
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The error and its causes in one line, for whoever sent the features.
    pub fn detailed(&self) -> impl fmt::Display + '_ {
        LazyText(|f: &mut fmt::Formatter<'_>| {
            fmt::Display::fmt(self, f)?;
            let mut next = self.source();
            while let Some(cause) = next {
                write!(f, ": {cause}")?;
                next = cause.source();
            }
            Ok(())
        })
    }

    /// The error and its causes in one line, without what may hold features: for logs.
    pub fn redacted(&self) -> impl fmt::Display + '_ {
        redacted(self)
    }

    /// Whether the caller's features were at fault rather than the model.
    pub fn is_invalid_input(&self) -> bool {
        self.0.kind == ErrorKind::InvalidInput
    }
}

/// What a closure writes.
pub(crate) struct LazyText<W>(pub(crate) W);

impl<W: Fn(&mut fmt::Formatter<'_>) -> fmt::Result> fmt::Display for LazyText<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0)(f)
    }
}

/// Any error and its causes in one line, up to the first that may hold features.
pub(crate) fn redacted<'e>(error: &'e (dyn Error + 'static)) -> impl fmt::Display + 'e {
    LazyText(move |f: &mut fmt::Formatter<'_>| {
        let mut next = Some(error);
        let mut separator = "";
        while let Some(error) = next {
            f.write_str(separator)?;
            separator = ": ";
            let model_error = error.downcast_ref::<ModelError>();
            if let Some(text) = model_error.and_then(|error| error.0.redacted.as_deref()) {
                return f.write_str(text);
            }
            write!(f, "{error}")?;
            next = error.source();
        }
        Ok(())
    })
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelError")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("source", &self.0.source)
            .finish()
    }
}

impl Error for ModelError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_stands_at_its_index_under_a_name_of_its_own() {
        let mut names: Vec<_> = ErrorKind::ALL.map(ErrorKind::as_str).into();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ErrorKind::ALL.len());
        for (index, kind) in ErrorKind::ALL.into_iter().enumerate() {
            assert_eq!(kind.index(), index, "{kind:?}");
        }
    }
}
