//! [`ColumnClassifier`] and [`ColumnRegressor`]: the named columns of a table in, each of its own type.

mod column;
mod input;
mod plans;
mod regressor;
mod text;

use std::{fmt, sync::Arc};

use self::{
    column::Column,
    input::Input,
    plans::{BatchRun, ColumnPlans, ReadAnswer, ReadClasses},
};
pub use self::{regressor::ColumnRegressor, text::TextClassifier};
use super::{
    Document, LoadError, Loader, Plan, Rows, TensorInfo,
    schema::{self, Classes},
    select::Selection,
    sidecar::Sidecar,
};
use crate::{
    features::Features,
    hash::Names,
    model::{Acceptance, Classification, Label, Model, ModelError},
};

/// A classifier whose inputs are the columns of a table, of numbers or strings: it takes
/// [`Features`].
///
/// This is what scikit-learn's `ColumnTransformer` becomes when it is exported with an input for
/// each column: the names of the inputs are the names of the features, and the element types say
/// what each may hold. A [sidecar](Loader::sidecar) may narrow the types and rename features; it
/// is required where one input holds several columns, as no exporter writes their names.
///
/// ```no_run
/// use modelgate::{Features, Model, features::FeatureValue, onnx};
///
/// let model = onnx::ColumnClassifier::load("churn.onnx")?;
/// let values: [(&str, FeatureValue); 3] =
///     [("age", 62.0.into()), ("income", 65_699.0.into()), ("plan", "team".into())];
/// println!("{}", model.predict(&Features::named(values))?.label);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Loading runs a first row: the sidecar's first golden row, or else zeros and, for a string
/// feature, the first of its `values`. A model that refuses unknown strings needs one or the other.
#[derive(Clone)]
pub struct ColumnClassifier(Arc<ColumnPlans<ReadClasses>>);

impl ColumnClassifier {
    /// Loads the classifier in a file, with every option at its default.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the file and what to do.
    #[cfg(feature = "onnx")]
    pub fn load(path: impl AsRef<std::path::Path>) -> Result<ColumnClassifier, LoadError> {
        super::Classifier::builder().load_columns(path)
    }

    /// The names of the features, in the order of a row without names.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.column_names()
    }

    /// The number of classes, and so of probabilities.
    pub fn classes(&self) -> usize {
        self.0.reader.classes
    }

    /// As [`Classifier::class_labels`](super::Classifier::class_labels).
    pub fn class_labels(&self) -> Option<&[Label]> {
        self.0.reader.names.names()
    }

    /// What the file takes.
    pub fn inputs(&self) -> impl ExactSizeIterator<Item = &TensorInfo> {
        self.0.descriptions()
    }

    /// Valid rows for comparing two engines, the golden ones among them. `share` draws uniformly
    /// from 0 to 1.
    #[cfg(all(feature = "onnx", feature = "ort"))]
    pub(super) fn random_rows(
        &self,
        count: usize,
        share: &mut dyn FnMut() -> f64,
    ) -> Vec<Features> {
        self.0.random_rows(count, share)
    }

    /// How far probabilities may be off: the sidecar's tolerance, or the default.
    #[cfg(all(feature = "onnx", feature = "ort"))]
    pub(super) fn tolerance(&self) -> f32 {
        self.0.tolerance
    }

    /// The SHA-256 of the file, in lower-case hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.0.sha256
    }

    /// As [`Classifier::acceptance`](super::Classifier::acceptance).
    pub fn acceptance(&self) -> Acceptance<Features, Classification> {
        let (rows, tolerance) = (self.0.golden.iter().cloned(), self.0.tolerance);
        Acceptance::new().golden(rows, schema::golden_within(tolerance))
    }

    pub(super) fn prepare(
        document: Document,
        options: &Loader,
        sha256: Box<str>,
        sidecar: Option<Sidecar>,
    ) -> Result<ColumnClassifier, LoadError> {
        let mut declared = schema::declared(&document, sidecar, &sha256)?;
        let selection = Selection::choose(&document, options)?;
        let graph = schema::Graph::of(&document, &selection);
        let outputs: Vec<Box<str>> = selection.names().into_iter().map(Box::from).collect();
        let reader = ReadClasses { selection, classes: 0, names: Classes::default() };
        let mut table =
            ColumnPlans::prepare(&document, options, sha256, &mut declared, &outputs, reader)?;
        for (place, row) in std::mem::take(&mut declared.golden).into_iter().enumerate() {
            let Some(label) = row.label else {
                let field = format_args!("golden[{place}].label");
                return Err(declared.wrong(field, "nothing", "the label that is right"));
            };
            let scores = Classification { label, probabilities: row.probabilities };
            table.golden.push((row.features, scores));
        }
        let answer = table.prove(&declared)?;
        let reader = &mut table.reader;
        reader.names = Classes::new(graph, &mut declared, reader.classes)?;
        if let Ok(answer) = answer {
            let label = reader.names.named(answer.label);
            reader.names.check(&label);
        }
        let model = ColumnClassifier(Arc::new(table));
        model.acceptance().accept(&model).map_err(LoadError::Golden)?;
        Ok(model)
    }
}

impl<R: ReadAnswer> ColumnPlans<R> {
    /// Builds the plans, which are not proven yet and have no golden rows.
    fn prepare(
        document: &Document,
        options: &Loader,
        sha256: Box<str>,
        declared: &mut Sidecar,
        outputs: &[Box<str>],
        reader: R,
    ) -> Result<ColumnPlans<R>, LoadError> {
        options.check_axes_are_fixed()?;
        let inputs = document.inputs.iter().map(Input::new).collect::<Result<Vec<_>, _>>()?;
        let columns = columns(&inputs, options, declared)?;
        let places: Names<Box<str>, usize> =
            columns.iter().map(|column| column.name.clone()).zip(0..).collect();
        if places.len() != columns.len() {
            return Err(declared.wrong("features", "a name twice", "each name once"));
        }
        let names: Vec<&str> = outputs.iter().map(|name| &**name).collect();
        let build = |rows| Plan::build(document, rows, None, &names);
        let (plan, many) = match document.gains_by_two_plans() {
            true => {
                let plan = build(Rows::Any).ok();
                (build(Rows::Exactly(1))?, plan.map_or(BatchRun::OneByOne, BatchRun::Plan))
            }
            false => (build(Rows::Any)?, BatchRun::Same),
        };
        Ok(ColumnPlans {
            plan,
            many,
            inputs,
            columns,
            places,
            ignored: std::mem::take(&mut declared.also_accept).into_iter().collect(),
            reader,
            golden: Vec::new(),
            tolerance: declared.tolerance.unwrap_or(schema::TOLERANCE),
            sha256,
        })
    }

    fn column_names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.columns.iter().map(|column| &*column.name)
    }

    fn descriptions(&self) -> impl ExactSizeIterator<Item = &TensorInfo> {
        self.inputs.iter().map(|input| &input.description)
    }

    /// Valid rows, the golden ones among them. `share` draws uniformly from 0 to 1.
    #[cfg(all(feature = "onnx", feature = "ort"))]
    fn random_rows(&self, count: usize, share: &mut dyn FnMut() -> f64) -> Vec<Features> {
        let golden = self.golden.iter().map(|(features, _)| features.clone());
        let mut rows: Vec<Features> = golden.take(count / 2).collect();
        while rows.len() < count {
            rows.push(Features::row(self.columns.iter().map(|column| column.random(share))));
        }
        rows
    }
}

/// The columns of these inputs, as the sidecar or the inputs name them.
fn columns(
    inputs: &[Input],
    options: &Loader,
    declared: &mut Sidecar,
) -> Result<Vec<Column>, LoadError> {
    let width: usize = inputs.iter().fold(0, |width, input| width.saturating_add(input.width));
    let Some(features) = declared.features.take() else {
        if let Some(wide) = inputs.iter().find(|input| input.width != 1) {
            return Err(LoadError::Schema {
                from: "the model file".into(),
                field: "features".into(),
                found: format!(
                    "no names for the {} columns of `{}`",
                    wide.width, wide.description.name
                )
                .into(),
                expected: "a sidecar that names every feature".into(),
            });
        }
        let column = |input: &Input| {
            Column::plain(input.description.name.clone(), input.dtype, options.non_finite)
        };
        return Ok(inputs.iter().map(column).collect());
    };
    if features.len() != width {
        return Err(declared.wrong(
            "features",
            features.len(),
            format_args!("{width}, as the model has columns"),
        ));
    }
    let types = inputs.iter().flat_map(|input| std::iter::repeat_n(input.dtype, input.width));
    features
        .into_iter()
        .zip(types)
        .enumerate()
        .map(|(place, (feature, dtype))| {
            Column::plain(feature.name.clone(), dtype, options.non_finite)
                .described(feature)
                .map_err(|(field, found, expected)| {
                    declared.wrong(format_args!("features[{place}].{field}"), found, expected)
                })
        })
        .collect()
}

impl Model<Features, Classification> for ColumnClassifier {
    fn predict(&self, features: &Features) -> Result<Classification, ModelError> {
        self.0.one(&self.0.row(features)?)
    }

    fn predict_batch(&self, rows: &[&Features]) -> Vec<Result<Classification, ModelError>> {
        self.0.many(rows.iter().map(|row| self.0.row(row)))
    }
}

impl fmt::Debug for ColumnClassifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ColumnClassifier")
            .field("features", &self.0.columns.len())
            .field("classes", &self.0.reader.classes)
            .field("sha256", &self.0.sha256)
            .finish_non_exhaustive()
    }
}
