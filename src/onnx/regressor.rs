//! Models that answer numbers: one a row, or several.

#[cfg(feature = "onnx")]
use std::path::Path;
use std::{fmt, sync::Arc};

#[cfg(all(feature = "onnx", feature = "ort"))]
use super::verify;
use super::{
    BatchAxis, Document, LARGEST_BATCH, LoadError, Loader, NonFiniteInput, Plan, Rows, TensorInfo,
    engine, not_finite, schema, select, sidecar::Sidecar, wrong_length,
};
use crate::{
    features::{Schema, SchemaError, SchemaModel},
    model::{Acceptance, Model, ModelError},
    tensor::Dtype,
};

/// A regressor in an ONNX file: one row of `f32` in, one number out.
///
/// Rankers and models of one score are loaded with it as well. It has what a
/// [`Classifier`](super::Classifier) has: batches, a schema, and golden rows in a sidecar
/// (`{"features": [..], "outputs": [1.5]}`), which it proves when it is loaded.
///
/// ```no_run
/// use modelgate::{Model, onnx};
///
/// let model = onnx::Regressor::load("price.onnx")?;
/// let price: f32 = model.predict(&[3.0, 120.0, 1987.0])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Regressor(Arc<VectorPlans>);

/// A model in an ONNX file that answers a vector: several targets, an embedding, or a score for each
/// of several labels.
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
pub struct VectorModel(Arc<VectorPlans>);

struct VectorPlans {
    plan: Plan,
    rows: Rows,
    /// The shape of one row, its first axis being 1.
    row_shape: Box<[usize]>,
    features: usize,
    /// How many numbers a row is answered with.
    width: usize,
    output: TensorInfo,
    non_finite: NonFiniteInput,
    schema: Option<Schema>,
    golden: Vec<(Vec<f32>, Vec<f32>)>,
    tolerance: f32,
    sha256: Box<str>,
}

macro_rules! of_numbers {
    ($type:ident, $answer:ty, $load:ident, $from_bytes:ident, $width:expr, $made:expr, $slice:expr) => {
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
                let core = VectorPlans::prepare(document, options, sha256, sidecar)?;
                let expected: Option<usize> = $width;
                if let Some(expected) = expected.filter(|expected| core.width != *expected) {
                    return Err(LoadError::Shape {
                        tensor: core.output.name.clone(),
                        found: format!("{} numbers a row", core.width).into(),
                        expected: format!("{expected}; several are loaded with `load_vector`")
                            .into(),
                    });
                }
                let model = $type(Arc::new(core));
                model.acceptance().accept(&model).map_err(LoadError::Golden)?;
                Ok(model)
            }

            #[cfg(all(feature = "onnx", feature = "ort"))]
            pub(super) fn verify(&self, reference: &$type) -> Result<(), LoadError> {
                let VectorPlans { schema, features, non_finite, tolerance, .. } = &*self.0;
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

            /// What the model's features are called and may hold, if the file or its
            /// [sidecar](Loader::sidecar) says it.
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

            /// The golden rows of the model's sidecar, as something to prove: for the same model in
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
                    .field("outputs", &self.0.width)
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
    Some(1),
    |answer: Vec<f32>| answer.first().copied(),
    std::slice::from_ref
);
of_numbers!(VectorModel, Vec<f32>, load_vector, vector_from_bytes, None, Some, Vec::as_slice);

impl VectorModel {
    /// How many numbers a row is answered with.
    pub fn output_len(&self) -> usize {
        self.0.width
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

/// There is one: the width was checked when the model was loaded.
fn first(answer: Vec<f32>) -> f32 {
    answer.first().copied().unwrap_or(f32::NAN)
}

impl Model<[f32], Vec<f32>> for VectorModel {
    fn predict(&self, row: &[f32]) -> Result<Vec<f32>, ModelError> {
        self.0.check(row)?;
        self.0.one(row)
    }

    fn predict_batch(&self, rows: &[&[f32]]) -> Vec<Result<Vec<f32>, ModelError>> {
        self.0.many(rows)
    }
}

impl VectorPlans {
    fn prepare(
        document: Document,
        options: &Loader,
        sha256: Box<str>,
        sidecar: Option<Sidecar>,
    ) -> Result<VectorPlans, LoadError> {
        let mut document = document;
        let mut said = schema::said(&document, sidecar, &sha256)?;
        let optional = said.features.iter().flatten().any(|feature| feature.optional);
        let mut non_finite = options.non_finite;
        if optional && non_finite == NonFiniteInput::Refused {
            document.keep_nan();
            non_finite = NonFiniteInput::Missing;
        }
        let (row_shape, fixed) = select::row_shape(&document, options)?;
        let features = row_shape.iter().product();
        let output = output_of(&document, options)?;
        let build = |rows| Plan::build(&document, rows, options.features, &[&output.name]);
        let (plan, rows) = match (fixed, options.batch) {
            (Some(count), _) | (None, BatchAxis::Pinned(count)) => {
                (build(Rows::Exactly(count))?, Rows::Exactly(count))
            }
            (None, BatchAxis::Symbolic) => (build(Rows::Any)?, Rows::Any),
            (None, BatchAxis::Automatic) => match build(Rows::Any) {
                Ok(plan) => (plan, Rows::Any),
                Err(_) => (build(Rows::Exactly(1))?, Rows::Exactly(1)),
            },
        };
        let schema = schema::of_rows(&mut said, features)?;
        let tolerance = said.tolerance.unwrap_or(schema::TOLERANCE);
        let golden = schema::golden_numbers(&mut said, schema.as_ref(), features)?;
        let mut core = VectorPlans {
            plan,
            rows,
            row_shape,
            features,
            width: 0,
            output,
            non_finite,
            schema,
            golden,
            tolerance,
            sha256,
        };
        core.width = core.prove()?;
        Ok(core)
    }

    /// Runs first rows of zeros: what they give settles how many numbers a row is answered with.
    fn prove(&self) -> Result<usize, LoadError> {
        let counts: &[usize] = match self.rows {
            Rows::Any => &[1, 3],
            Rows::Exactly(_) => &[0],
        };
        let mut width = None;
        for count in counts {
            let count = if let Rows::Exactly(exactly) = self.rows { exactly } else { *count };
            let zeros = vec![0.0; count.saturating_mul(self.features)];
            let outputs = engine::guarded("running a first row", || {
                self.plan.run_rows(&self.shape(count), &zeros)
            })?;
            let Some(values) = outputs.f32s(0) else {
                return Err(LoadError::Dtype {
                    tensor: self.output.name.clone(),
                    found: outputs.type_name(0).into(),
                    expected: "f32".into(),
                });
            };
            let each = values.len().checked_div(count).unwrap_or(0);
            let whole = each > 0 && each.checked_mul(count) == Some(values.len());
            if !whole || width.is_some_and(|width| width != each) {
                return Err(LoadError::Shape {
                    tensor: self.output.name.clone(),
                    found: format!("{:?}", outputs.shape(0)).into(),
                    expected: format!("as many numbers for each of {count} rows").into(),
                });
            }
            width = Some(each);
        }
        Ok(width.unwrap_or(0))
    }

    fn shape(&self, rows: usize) -> Box<[usize]> {
        let mut shape = self.row_shape.clone();
        if let Some(first) = shape.first_mut() {
            *first = rows;
        }
        shape
    }

    fn check(&self, row: &[f32]) -> Result<(), ModelError> {
        if row.len() != self.features {
            return Err(wrong_length(row.len(), self.features));
        }
        if self.non_finite.allows(row, f32::is_finite, f32::is_nan) {
            return Ok(());
        }
        Err(not_finite(row, self.non_finite))
    }

    fn one(&self, row: &[f32]) -> Result<Vec<f32>, ModelError> {
        let count = if let Rows::Exactly(count) = self.rows { count } else { 1 };
        let mut answers = self.run(&row.repeat(count), count)?;
        answers.truncate(self.width);
        Ok(answers)
    }

    fn run(&self, rows: &[f32], count: usize) -> Result<Vec<f32>, ModelError> {
        let outputs = self.plan.run_rows(&self.shape(count), rows)?;
        let values = outputs.f32s(0).filter(|v| Some(v.len()) == count.checked_mul(self.width));
        values.map(<[f32]>::to_vec).ok_or_else(|| {
            ModelError::new(format!(
                "output `{}`: found {} {:?}, expected {} numbers for each of {count} rows",
                self.output.name,
                outputs.type_name(0),
                outputs.shape(0),
                self.width
            ))
        })
    }

    fn many(&self, rows: &[&[f32]]) -> Vec<Result<Vec<f32>, ModelError>> {
        let most = if let Rows::Exactly(count) = self.rows { count } else { LARGEST_BATCH };
        rows.chunks(most.max(1)).flat_map(|rows| self.chunk(rows)).collect()
    }

    fn chunk(&self, rows: &[&[f32]]) -> Vec<Result<Vec<f32>, ModelError>> {
        let checked: Vec<Result<(), ModelError>> = rows.iter().map(|row| self.check(row)).collect();
        let good = || rows.iter().zip(&checked).filter(|(_, checked)| checked.is_ok());
        let mut flat: Vec<f32> = good().flat_map(|(row, _)| row.iter().copied()).collect();
        let found = good().count();
        let run = if let Rows::Exactly(count) = self.rows { count } else { found };
        if let Some((last, _)) = good().next_back() {
            (found..run).for_each(|_| flat.extend_from_slice(last));
        }
        // A batch that fails as a whole: a row that would succeed alone still must.
        let answers = if found == 0 { None } else { self.run(&flat, run).ok() };
        let mut each = answers.as_ref().map(|all| all.chunks(self.width.max(1)));
        rows.iter()
            .zip(checked)
            .map(|(row, checked)| {
                checked?;
                match each.as_mut().and_then(Iterator::next) {
                    Some(answer) => Ok(answer.to_vec()),
                    None => self.one(row),
                }
            })
            .collect()
    }
}

/// The output that is asked for, or the first of floats.
fn output_of(document: &Document, options: &Loader) -> Result<TensorInfo, LoadError> {
    let outputs = &document.outputs;
    let asked = options.outputs.as_ref().and_then(|names| names.first());
    let found = match asked {
        Some(name) => outputs.iter().find(|output| output.name == *name),
        None => outputs.iter().find(|output| output.dtype == Some(Dtype::F32)),
    };
    found.cloned().ok_or_else(|| {
        let expected = asked.map_or_else(|| "f32".to_owned(), |name| name.to_string());
        select::no_output(&expected, outputs)
    })
}

/// Whether all numbers are as near as a golden row asks for.
fn within(tolerance: f32, expected: &[f32], found: &[f32]) -> Result<(), String> {
    let near = |a: f32, b: f32| a == b || (a - b).abs() <= tolerance * a.abs().max(1.0);
    let fits = expected.len() == found.len()
        && expected.iter().zip(found).all(|(expected, found)| near(*expected, *found));
    if fits { Ok(()) } else { Err(format!("found {found:?}, expected {expected:?}")) }
}
