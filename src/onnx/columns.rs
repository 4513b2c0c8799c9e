//! A classifier whose inputs are the columns of a table, each of its own type.

mod column;
mod text;

use std::{fmt, sync::Arc};

use crate::hash::{NameSet, Names};
use smallvec::SmallVec;

use self::column::Column;
pub use self::text::TextClassifier;
use super::{
    AxisSize, Document, LARGEST_BATCH, LoadError, Loader, Outputs, Plan, Rows, TensorInfo,
    describe::shape_text,
    engine, read_scores,
    schema::{self, Classes},
    select::Selection,
    sidecar::Sidecar,
};
use crate::{
    features::{FeatureValue, Features, Name},
    model::{Acceptance, Classification, Label, Model, ModelError},
    tensor::Tensor,
};

/// A classifier whose inputs are the columns of a table, numbers and texts among them: it takes
/// [`Features`].
///
/// This is what scikit-learn's `ColumnTransformer` becomes when it is exported with an input for
/// each column: the names of the inputs are the names of the features, and their element types are
/// what each may hold. A [sidecar](Loader::sidecar) may narrow them, give others their names,
/// and is needed where one input holds several columns, whose names no exporter writes.
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
/// Loading runs a first row: the first golden row of the sidecar, or zeros and the first of the
/// `values` of a text. A model that refuses texts it does not know needs either.
#[derive(Clone)]
pub struct ColumnClassifier(Arc<ColumnPlans>);

struct ColumnPlans {
    /// For one row.
    plan: Plan,
    many: BatchRun,
    inputs: Vec<Input>,
    columns: Vec<Column>,
    places: Names<Box<str>, usize>,
    ignored: NameSet<Box<str>>,
    selection: Selection,
    classes: usize,
    names: Classes,
    golden: Vec<(Features, Classification)>,
    tolerance: f32,
    sha256: Box<str>,
}

/// How many rows are run.
enum BatchRun {
    /// At once, by a plan of their own.
    Plan(Plan),
    /// At once, by the plan for one.
    Same,
    OneByOne,
}

/// One input: a run of columns.
struct Input {
    description: TensorInfo,
    dtype: crate::tensor::Dtype,
    width: usize,
}

/// The values of a row, in the order of the columns.
type Row<'a> = SmallVec<[&'a FeatureValue; 32]>;

static MISSING: FeatureValue = FeatureValue::Null;

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
        self.0.columns.iter().map(|column| &*column.name)
    }

    /// The number of classes, and so of probabilities.
    pub fn classes(&self) -> usize {
        self.0.classes
    }

    /// As [`Classifier::class_labels`](super::Classifier::class_labels).
    pub fn class_labels(&self) -> Option<&[Label]> {
        self.0.names.names()
    }

    /// What the file takes.
    pub fn inputs(&self) -> impl ExactSizeIterator<Item = &TensorInfo> {
        self.0.inputs.iter().map(|input| &input.description)
    }

    /// Rows that fit, for two engines to be compared over: the golden ones among them.
    #[cfg(all(feature = "onnx", feature = "ort"))]
    pub(super) fn random_rows(
        &self,
        count: usize,
        share: &mut dyn FnMut() -> f64,
    ) -> Vec<Features> {
        let golden = self.0.golden.iter().map(|(features, _)| features.clone());
        let mut rows: Vec<Features> = golden.take(count / 2).collect();
        while rows.len() < count {
            rows.push(Features::row(self.0.columns.iter().map(|column| column.random(share))));
        }
        rows
    }

    /// How far answers may be off, as the sidecar says.
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
        options.check_axes_are_fixed()?;
        let mut said = schema::said(&document, sidecar, &sha256)?;
        let inputs = document.inputs.iter().map(Input::new).collect::<Result<Vec<_>, _>>()?;
        let columns = columns(&inputs, options, &mut said)?;
        let places: Names<Box<str>, usize> =
            columns.iter().map(|column| column.name.clone()).zip(0..).collect();
        if places.len() != columns.len() {
            return Err(said.wrong("features", "a name twice", "each name once"));
        }
        let selection = Selection::choose(&document, options)?;
        let names = selection.names();
        let build = |rows| Plan::build(&document, rows, None, &names);
        let (plan, many) = match document.gains_by_two_plans() {
            true => {
                let plan = build(Rows::Any).ok();
                (build(Rows::Exactly(1))?, plan.map_or(BatchRun::OneByOne, BatchRun::Plan))
            }
            false => (build(Rows::Any)?, BatchRun::Same),
        };
        drop(names);
        let graph = schema::Graph::of(&document, &selection);
        let mut table = ColumnPlans {
            plan,
            many,
            inputs,
            columns,
            places,
            ignored: std::mem::take(&mut said.also_accept).into_iter().collect(),
            selection,
            classes: 0,
            names: Classes::default(),
            golden: Vec::new(),
            tolerance: said.tolerance.unwrap_or(schema::TOLERANCE),
            sha256,
        };
        for (place, row) in std::mem::take(&mut said.golden).into_iter().enumerate() {
            let Some(label) = row.label else {
                let field = format_args!("golden[{place}].label");
                return Err(said.wrong(field, "nothing", "the label that is right"));
            };
            let scores = Classification { label, probabilities: row.probabilities };
            table.golden.push((row.features, scores));
        }
        table.prove(graph, &mut said)?;
        let model = ColumnClassifier(Arc::new(table));
        model.acceptance().accept(&model).map_err(LoadError::Golden)?;
        Ok(model)
    }
}

/// The columns of these inputs, as the sidecar or the inputs name them.
fn columns(
    inputs: &[Input],
    options: &Loader,
    said: &mut Sidecar,
) -> Result<Vec<Column>, LoadError> {
    let width: usize = inputs.iter().fold(0, |width, input| width.saturating_add(input.width));
    let Some(features) = said.features.take() else {
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
        return Err(said.wrong(
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
                    said.wrong(format_args!("features[{place}].{field}"), found, expected)
                })
        })
        .collect()
}

impl Input {
    fn new(description: &TensorInfo) -> Result<Input, LoadError> {
        let wrong = |expected: &str| LoadError::Shape {
            tensor: description.name.clone(),
            found: shape_text(description.shape.as_deref()).into(),
            expected: expected.into(),
        };
        let width = match description.shape.as_deref() {
            Some([AxisSize::Fixed(count), ..]) if *count != 1 => {
                return Err(wrong("a first axis for any number of rows"));
            }
            Some([_]) => 1,
            Some([_, AxisSize::Fixed(width)]) if (1..=MOST_COLUMNS).contains(width) => *width,
            _ => return Err(wrong("[rows] or [rows, columns], with a number of columns")),
        };
        let Some(dtype) = description.dtype else {
            return Err(LoadError::Dtype {
                tensor: description.name.clone(),
                found: "?".into(),
                expected: "a type that is supported".into(),
            });
        };
        Ok(Input { description: description.clone(), dtype, width })
    }

    fn shape(&self, rows: usize) -> Vec<usize> {
        match self.description.shape.as_deref() {
            Some([_]) => vec![rows],
            _ => vec![rows, self.width],
        }
    }
}

/// An input of more columns is a mistake in the file.
const MOST_COLUMNS: usize = 1 << 20;

impl ColumnPlans {
    /// The values of these features in the order of the columns, each checked.
    fn row<'a>(&self, features: &'a Features) -> Result<Row<'a>, ModelError> {
        if !features.is_named() {
            return self.ordered(features);
        }
        let mut row: SmallVec<[Option<&FeatureValue>; 32]> =
            SmallVec::from_elem(None, self.columns.len());
        for (name, value) in features.entries() {
            let place = self.places.get(name).copied();
            let Some((column, slot)) =
                place.and_then(|place| Some((self.columns.get(place)?, row.get_mut(place)?)))
            else {
                if self.ignored.contains(name) {
                    continue;
                }
                let expected = "only names of the model's features";
                return Err(ModelError::unknown_name(Name(name), expected));
            };
            if slot.is_some() {
                let (found, expected) = ("a second value", "each name once");
                return Err(ModelError::wrong_form(Name(name), found, expected));
            }
            column
                .check(value)
                .map_err(|expected| ModelError::invalid_input(Name(name), value, expected))?;
            *slot = Some(value);
        }
        let value = |(value, column): (Option<&'a FeatureValue>, &Column)| match value {
            Some(value) => Ok(value),
            None if column.optional => Ok(&MISSING),
            None => {
                let expected = column.expectation();
                Err(ModelError::wrong_form(Name(&column.name), "nothing", expected))
            }
        };
        row.into_iter().zip(&self.columns).map(value).collect()
    }

    fn ordered<'a>(&self, features: &'a Features) -> Result<Row<'a>, ModelError> {
        if features.len() != self.columns.len() {
            return Err(ModelError::wrong_form(
                "features",
                format_args!("{} values", features.len()),
                format_args!("{} values", self.columns.len()),
            ));
        }
        let check = |(place, (value, column)): (usize, (&'a FeatureValue, &Column))| {
            column.check(value).map(|()| value).map_err(|expected| {
                let field = format_args!("features[{place}] ({})", column.name).to_string();
                ModelError::invalid_input(field, value, expected)
            })
        };
        features.values().iter().zip(&self.columns).enumerate().map(check).collect()
    }

    /// Runs checked rows.
    fn run(&self, plan: &Plan, rows: &[&Row<'_>]) -> Result<Outputs, ModelError> {
        let mut tensors = Vec::with_capacity(self.inputs.len());
        let mut first = 0_usize;
        for input in &self.inputs {
            let end = first.saturating_add(input.width);
            let mut data = column::room(input.dtype, rows.len().saturating_mul(input.width));
            for row in rows {
                let values = row.get(first..end).unwrap_or_default();
                let columns = self.columns.get(first..end).unwrap_or_default();
                for (value, column) in values.iter().zip(columns) {
                    column.push(value, &mut data);
                }
            }
            tensors.push(Tensor::new(input.shape(rows.len()), data).map_err(ModelError::new)?);
            first = end;
        }
        plan.run(tensors.iter())
    }

    fn batch_plan(&self) -> Option<&Plan> {
        match &self.many {
            BatchRun::Plan(plan) => Some(plan),
            BatchRun::Same => Some(&self.plan),
            BatchRun::OneByOne => None,
        }
    }

    fn one(&self, row: &Row<'_>) -> Result<Classification, ModelError> {
        let outputs = self.run(&self.plan, &[row])?;
        self.scores(&outputs, 1, 0)
    }

    /// Answers rows, as many at once as may be.
    fn many<'a>(
        &self,
        rows: impl ExactSizeIterator<Item = Result<Row<'a>, ModelError>>,
    ) -> Vec<Result<Classification, ModelError>> {
        let plan = self.batch_plan().filter(|_| rows.len() > 1);
        let mut answers = Vec::with_capacity(rows.len());
        let mut rows = rows.peekable();
        while rows.peek().is_some() {
            let read: Vec<Result<Row<'_>, ModelError>> =
                rows.by_ref().take(LARGEST_BATCH).collect();
            let good: Vec<&Row<'_>> = read.iter().filter_map(|row| row.as_ref().ok()).collect();
            let plan = plan.filter(|_| !good.is_empty());
            let outputs = plan.and_then(|plan| self.run(plan, &good).ok());
            let count = good.len();
            let mut place = 0_usize;
            for row in &read {
                answers.push(match (row, &outputs) {
                    (Err(error), _) => Err(error.clone()),
                    (Ok(_), Some(outputs)) => {
                        let answer = self.scores(outputs, count, place);
                        place = place.saturating_add(1);
                        answer
                    }
                    // The batch failed as a whole: a row that would succeed alone still must.
                    (Ok(row), None) => self.one(row),
                });
            }
        }
        answers
    }

    fn scores(
        &self,
        outputs: &Outputs,
        rows: usize,
        row: usize,
    ) -> Result<Classification, ModelError> {
        read_scores(&self.selection, &self.names, self.classes, outputs, rows, row)
    }

    /// Runs a first row and a first batch, which settle the number of classes.
    fn prove(&mut self, graph: schema::Graph, said: &mut Sidecar) -> Result<(), LoadError> {
        let examples = Features::row(self.columns.iter().map(Column::example));
        let first = self.golden.first().map_or(examples, |(features, _)| features.clone());
        let row = self
            .row(&first)
            .map_err(|error| said.wrong("golden[0]", error, "features that fit the model"))?;
        let run = |plan: &Plan, rows: &[&Row<'_>]| {
            engine::guarded("running a first row", || self.run(plan, rows))
        };
        let classes = self.selection.prove(&run(&self.plan, &[&row])?, 1)?;
        let batch = self.batch_plan().map(|plan| run(plan, &[&row, &row, &row]));
        let proven = batch.is_some_and(|outputs| {
            let count = outputs.and_then(|outputs| self.selection.prove(&outputs, 3));
            count.is_ok_and(|count| count == classes)
        });
        let answer = {
            self.classes = classes;
            self.one(&row)
        };
        drop(row);
        if !proven {
            self.many = BatchRun::OneByOne;
        }
        self.names = Classes::new(graph, said, classes)?;
        if let Ok(answer) = answer {
            let label = self.names.named(answer.label);
            self.names.check(&label);
        }
        Ok(())
    }
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
        f.debug_struct("OnnxColumns")
            .field("features", &self.0.columns.len())
            .field("classes", &self.0.classes)
            .field("sha256", &self.0.sha256)
            .finish_non_exhaustive()
    }
}
