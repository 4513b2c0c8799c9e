//! [`Regressor`], [`VectorModel`] and [`MultiLabelClassifier`]: a row of numbers in, numbers out.

mod layout;
mod plans;

#[cfg(feature = "onnx")]
use std::path::Path;
use std::{fmt, sync::Arc};

pub(super) use self::plans::within;
use self::{layout::OutputKind, plans::NumberPlans};
#[cfg(all(feature = "onnx", feature = "ort"))]
use super::verify;
use super::{Document, LoadError, Loader, TensorInfo, sidecar::Sidecar};
use crate::{
    features::{Schema, SchemaError, SchemaModel},
    model::{Acceptance, Model, ModelError},
};

/// A regressor in an ONNX file: one row of `f32` in, one number out.
///
/// Rankers, and any other model with a single score, are loaded as one too. It has all that a
/// [`Classifier`](super::Classifier) has: batches, a schema, and golden rows in a sidecar
/// (`{"features": [..], "outputs": [1.5]}`), which are checked when it is loaded.
///
/// ```no_run
/// use modelgate::{Model, onnx};
///
/// let model = onnx::Regressor::load("price.onnx")?;
/// let price: f32 = model.predict(&[3.0, 120.0, 1987.0])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Regressor(Arc<NumberPlans>);

/// A model in an ONNX file with a vector for an answer: several targets, or an embedding.
///
/// The rows need not be along the first axis of the output: their axis is found when the model is
/// loaded.
///
/// ```no_run
/// use modelgate::{Model, onnx};
///
/// let model = onnx::VectorModel::load("embedding.onnx")?;
/// let embedding: Vec<f32> = model.predict(&[0.5; 64])?;
/// assert_eq!(embedding.len(), model.output_len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct VectorModel(Arc<NumberPlans>);

/// A classifier in an ONNX file that gives each row any number of labels: one probability for each label.
///
/// Exporters write such outputs in several forms, all of which are read: a probability for each label
/// (`[rows, labels]`), two for each, no and yes (`[labels, rows, 2]`, `[rows, labels, 2]`, or a sequence
/// of one tensor for each label), and all noes before all yeses (`[rows, 2 * labels]`, beside an output of
/// labels that shows how many there are). A no and a yes that do not add up to 1 are refused.
///
/// ```no_run
/// use modelgate::{Model, onnx};
///
/// let model = onnx::MultiLabelClassifier::load("topics.onnx")?;
/// let probabilities: Vec<f32> = model.predict(&[0.5; 64])?;
/// let topics = probabilities.iter().enumerate().filter(|(_, probability)| **probability > 0.5);
/// println!("{:?}", topics.map(|(label, _)| label).collect::<Vec<_>>());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct MultiLabelClassifier(Arc<NumberPlans>);

macro_rules! of_numbers {
    ($type:ident, $answer:ty, $load:ident, $from_bytes:ident, $form:expr, $made:expr, $slice:expr) => {
        impl $type {
            /// Loads the model in a file, with every option at its default.
            ///
            /// # Errors
            ///
            /// [`LoadError`], which says what is wrong with the file and what to do.
            #[cfg(feature = "onnx")]
            pub fn load(path: impl AsRef<Path>) -> Result<$type, LoadError> {
                super::Classifier::builder().$load(path)
            }

            /// Loads the model in these bytes, with every option at its default.
            ///
            /// # Errors
            ///
            /// [`LoadError`], which says what is wrong with the bytes and what to do.
            #[cfg(feature = "onnx")]
            pub fn from_bytes(bytes: &[u8]) -> Result<$type, LoadError> {
                super::Classifier::builder().$from_bytes(bytes)
            }

            pub(super) fn prepare(
                document: Document,
                options: &Loader,
                sha256: Box<str>,
                sidecar: Option<Sidecar>,
            ) -> Result<$type, LoadError> {
                let core = NumberPlans::prepare(document, options, sha256, sidecar, $form)?;
                let model = $type(Arc::new(core));
                model.acceptance().accept(&model).map_err(LoadError::Golden)?;
                Ok(model)
            }

            #[cfg(all(feature = "onnx", feature = "ort"))]
            pub(super) fn verify(&self, reference: &$type) -> Result<(), LoadError> {
                let NumberPlans { schema, features, non_finite, tolerance, .. } = &*self.0;
                let rows = verify::rows(schema.as_ref(), *features, *non_finite);
                let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
                verify::compare(
                    (self, reference),
                    &rows,
                    |found: &$answer, expected| {
                        verify::numbers_agree(*tolerance, $slice(found), $slice(expected))
                    },
                    verify::some,
                    |answer| verify::some($slice(answer)),
                )
            }

            /// The number of values in a row.
            pub fn input_len(&self) -> usize {
                self.0.features
            }

            /// The names of the model's features and the values they may have, if the file or its
            /// [sidecar](Loader::sidecar) states them.
            pub fn schema(&self) -> Option<&Schema> {
                self.0.schema.as_ref()
            }

            /// This model behind its own schema: it takes [`Features`](crate::Features).
            ///
            /// # Errors
            ///
            /// When neither the file nor a sidecar names the features.
            pub fn with_schema(self) -> Result<SchemaModel<$type>, SchemaError> {
                match self.schema().cloned() {
                    Some(schema) => Ok(schema.model(self)),
                    None => Err(SchemaError::new(
                        "names",
                        "none in the model file, and no sidecar",
                        "the features in a sidecar beside the file, or a schema of your own",
                    )),
                }
            }

            /// The golden rows of the model's sidecar, for holding the same model to them in
            /// another form, or run by another engine.
            pub fn acceptance(&self) -> Acceptance<[f32], $answer> {
                let tolerance = self.0.tolerance;
                let rows = self.0.golden.iter();
                let rows = rows
                    .filter_map(|(row, expected)| Some((row.clone(), $made(expected.clone())?)));
                Acceptance::new().golden(rows, move |expected: &$answer, found: &$answer| {
                    within(tolerance, $slice(expected), $slice(found))
                })
            }

            /// The output that is read.
            pub fn output(&self) -> &TensorInfo {
                &self.0.output
            }

            /// The SHA-256 of the file, in lower-case hexadecimal.
            pub fn sha256(&self) -> &str {
                &self.0.sha256
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($type))
                    .field("features", &self.0.features)
                    .field("outputs", &self.0.width())
                    .field("sha256", &self.0.sha256)
                    .finish_non_exhaustive()
            }
        }
    };
}

of_numbers!(
    Regressor,
    f32,
    load_regressor,
    regressor_from_bytes,
    OutputKind::Number,
    |answer: Vec<f32>| answer.first().copied(),
    std::slice::from_ref
);
of_numbers!(
    VectorModel,
    Vec<f32>,
    load_vector,
    vector_from_bytes,
    OutputKind::Numbers,
    Some,
    Vec::as_slice
);
of_numbers!(
    MultiLabelClassifier,
    Vec<f32>,
    load_multi_label,
    multi_label_from_bytes,
    OutputKind::Labels,
    Some,
    Vec::as_slice
);

/// The output of a model whose answer is one number.
pub(super) fn number_output(
    document: &Document,
    options: &Loader,
) -> Result<TensorInfo, LoadError> {
    plans::output_of(document, options, OutputKind::Number)
}

impl VectorModel {
    /// The number of values in an answer.
    pub fn output_len(&self) -> usize {
        self.0.width()
    }
}

impl MultiLabelClassifier {
    /// The number of labels, and so of probabilities.
    pub fn labels(&self) -> usize {
        self.0.width()
    }
}

impl Model<[f32], f32> for Regressor {
    fn predict(&self, row: &[f32]) -> Result<f32, ModelError> {
        self.0.check(row)?;
        self.0.one(row).map(first)
    }

    fn predict_batch(&self, rows: &[&[f32]]) -> Vec<Result<f32, ModelError>> {
        self.0.many(rows).into_iter().map(|answer| answer.map(first)).collect()
    }
}

/// Never empty: the width was checked when the model was loaded.
fn first(answer: Vec<f32>) -> f32 {
    answer.first().copied().unwrap_or(f32::NAN)
}

macro_rules! answers_vectors {
    ($($type:ty),*) => {
        $(impl Model<[f32], Vec<f32>> for $type {
            fn predict(&self, row: &[f32]) -> Result<Vec<f32>, ModelError> {
                self.0.check(row)?;
                self.0.one(row)
            }

            fn predict_batch(&self, rows: &[&[f32]]) -> Vec<Result<Vec<f32>, ModelError>> {
                self.0.many(rows)
            }
        })*
    };
}
answers_vectors!(VectorModel, MultiLabelClassifier);
