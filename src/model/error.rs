//! Why one model call failed.

use std::{any::Any, borrow::Cow, error::Error, fmt};

/// Why a model did not answer.
///
/// Cheap to move (one pointer) and to clone, because a failed primary is also shown to the
/// comparison sinks.
#[derive(Clone)]
pub struct ModelError(std::sync::Arc<Inner>);

struct Inner {
    kind: ModelErrorKind,
    message: Cow<'static, str>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What kind of failure a [`ModelError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ModelErrorKind {
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
    /// Too many requests wait for the model; it was not asked.
    Overloaded,
}

impl ModelErrorKind {
    /// A stable name for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            ModelErrorKind::InvalidInput => "invalid_input",
            ModelErrorKind::Failed => "error",
            ModelErrorKind::Panicked => "panic",
            ModelErrorKind::NonFinite => "non_finite",
            ModelErrorKind::Deadline => "deadline",
            ModelErrorKind::NotLoaded => "not_loaded",
            ModelErrorKind::Overloaded => "overloaded",
        }
    }
}

impl ModelError {
    /// The model failed, for this reason: `.map_err(ModelError::new)?`.
    #[cold]
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> ModelError {
        ModelError::build(
            ModelErrorKind::Failed,
            Cow::Borrowed("model failed"),
            Some(source.into()),
        )
    }

    /// The caller's `field` held `found` where `expected` was needed.
    ///
    /// ```
    /// use modelgate::{ModelError, model::ModelErrorKind};
    ///
    /// let error = ModelError::invalid_input("features", "3 values", "64 values");
    /// assert_eq!(error.kind(), ModelErrorKind::InvalidInput);
    /// assert_eq!(error.to_string(), "features: found 3 values, expected 64 values");
    /// ```
    #[cold]
    pub fn invalid_input(
        field: impl fmt::Display,
        found: impl fmt::Display,
        expected: impl fmt::Display,
    ) -> ModelError {
        ModelError::build(
            ModelErrorKind::InvalidInput,
            format!("{field}: found {found}, expected {expected}").into(),
            None,
        )
    }

    /// A failure of this kind, in these words.
    #[cold]
    pub fn of_kind(kind: ModelErrorKind, message: impl Into<Cow<'static, str>>) -> ModelError {
        ModelError::build(kind, message.into(), None)
    }

    #[cold]
    pub(crate) fn not_loaded() -> ModelError {
        ModelError::of_kind(ModelErrorKind::NotLoaded, "the model is not loaded")
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
        ModelError::build(
            ModelErrorKind::Panicked,
            format!("model panicked: {message}").into(),
            None,
        )
    }

    /// A failure of this kind, in these words, for this reason.
    #[cold]
    pub(crate) fn with_source(
        kind: ModelErrorKind,
        message: &'static str,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> ModelError {
        ModelError::build(kind, Cow::Borrowed(message), Some(source.into()))
    }

    fn build(
        kind: ModelErrorKind,
        message: Cow<'static, str>,
        source: Option<Box<dyn Error + Send + Sync>>,
    ) -> ModelError {
        ModelError(std::sync::Arc::new(Inner { kind, message, source }))
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ModelErrorKind {
        self.0.kind
    }

    /// Whether the caller's features were at fault rather than the model.
    pub fn is_invalid_input(&self) -> bool {
        self.0.kind == ModelErrorKind::InvalidInput
    }
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
