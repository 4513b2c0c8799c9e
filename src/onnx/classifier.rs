//! [`Classifier`]: rows of numbers in, classes out.

mod loaded;

#[cfg(feature = "onnx")]
use std::path::Path;
use std::{fmt, sync::Arc};

pub(super) use self::loaded::LoadedClassifier;
use super::TensorInfo;
#[cfg(feature = "onnx")]
use super::{Engine, LoadError, Loader};
use crate::features::{Schema, SchemaError, SchemaModel};
use crate::model::{Acceptance, Classification, Label, Model, ModelError};

/// A classifier in an ONNX file: one row of `f32` in, [`Classification`] out.
///
/// Any number of threads call one model at once; it holds no lock and no per-thread state, and a
/// clone is a pointer to the same graph. Loading checks the file, prepares the graph and runs a
/// first row through it, so that a graph the engine cannot run is refused before any request.
///
/// ```no_run
/// use modelgate::{Model, onnx};
///
/// let model = onnx::Classifier::load("examples/models/digits_v2.onnx")?;
/// let scores = model.predict(&[0.0; 64])?;
/// println!("{} of {}", scores.label, scores.probabilities.len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A model file is code: a hostile one can make the engine use any amount of time and memory. Load
/// files you trust, and pin them ([`Loader::sha256`]).
///
/// The probabilities of a row in a batch may differ by rounding (about 1e-7) from those of the
/// same row alone: the engine sums the products of larger matrices in another order.
#[derive(Clone)]
pub struct Classifier(pub(super) Arc<LoadedClassifier>);

impl Classifier {
    /// Loads the classifier in a file, with every option at its default.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the file and what to do.
    #[cfg(feature = "onnx")]
    pub fn load(path: impl AsRef<Path>) -> Result<Classifier, LoadError> {
        Classifier::builder().load(path)
    }

    /// Loads the classifier in these bytes, with every option at its default.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the bytes and what to do.
    #[cfg(feature = "onnx")]
    pub fn from_bytes(bytes: &[u8]) -> Result<Classifier, LoadError> {
        Classifier::builder().from_bytes(bytes)
    }

    /// Options for loading.
    #[cfg(feature = "onnx")]
    pub fn builder() -> Loader {
        Loader::new(Engine::Tract)
    }

    /// The number of values in a row.
    pub fn input_len(&self) -> usize {
        self.0.features
    }

    /// The number of classes, and so of probabilities.
    pub fn classes(&self) -> usize {
        self.0.classes
    }

    /// The names of the classes, in the order of the probabilities: those of the
    /// [sidecar](Loader::sidecar), else those that the graph holds. `None` where neither says
    /// them: then labels are what the graph gives, or the index of the largest probability.
    pub fn class_labels(&self) -> Option<&[Label]> {
        self.0.metadata.classes.names()
    }

    /// What the model's features are called and may hold, if the file or its
    /// [sidecar](Loader::sidecar) says it.
    pub fn schema(&self) -> Option<&Schema> {
        self.0.metadata.schema.as_ref()
    }

    /// This model behind its own schema: it takes [`Features`](crate::Features).
    ///
    /// ```no_run
    /// use modelgate::{Features, Model, onnx};
    ///
    /// // Beside it stands fraud-v2.schema.json.
    /// let model = onnx::Classifier::load("fraud-v2.onnx")?.with_schema()?;
    /// let scores = model.predict(&Features::named([("amount", 12.5), ("age", 40.0)]))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When neither the file nor a sidecar names the features.
    pub fn with_schema(self) -> Result<SchemaModel<Classifier>, SchemaError> {
        match self.schema().cloned() {
            Some(schema) => Ok(schema.model(self)),
            None => Err(SchemaError::new(
                "names",
                "none in the model file, and no sidecar",
                "the features in a sidecar beside the file, or a schema of your own",
            )),
        }
    }

    /// The golden rows of the model's sidecar; empty where it has none. Loading has already checked
    /// them: this is for holding the same model, in another form or run by another engine, to them.
    pub fn acceptance(&self) -> Acceptance<[f32], Classification> {
        self.0.metadata.acceptance()
    }

    /// Whether a batch runs as one; if not, its rows are run one by one.
    pub fn runs_batches(&self) -> bool {
        self.0.largest_batch() > 1
    }

    /// What the file takes.
    pub fn inputs(&self) -> &[TensorInfo] {
        &self.0.inputs
    }

    /// What the file gives, used here or not.
    pub fn outputs(&self) -> &[TensorInfo] {
        &self.0.outputs
    }

    /// The SHA-256 of the file, in lower-case hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.0.sha256
    }
}

impl Model<[f32], Classification> for Classifier {
    fn predict(&self, row: &[f32]) -> Result<Classification, ModelError> {
        self.0.check(row)?;
        self.0.one(row)
    }

    fn predict_batch(&self, rows: &[&[f32]]) -> Vec<Result<Classification, ModelError>> {
        let mut answers: Vec<Result<Classification, ModelError>> = Vec::with_capacity(rows.len());
        for rows in rows.chunks(self.0.largest_batch()) {
            self.0.many(rows, &mut answers);
        }
        answers
    }
}

impl fmt::Debug for Classifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Classifier")
            .field("features", &self.0.features)
            .field("classes", &self.0.classes)
            .field("sha256", &self.0.sha256)
            .finish_non_exhaustive()
    }
}
