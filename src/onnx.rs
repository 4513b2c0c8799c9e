//! ONNX graphs, run by tract or ONNX Runtime.

mod axes;
mod builder;
mod columns;
mod describe;
mod engine;
mod graph;
#[cfg(feature = "onnx")]
mod interpreter;
mod load_error;
#[cfg(feature = "onnx")]
mod ml;
mod names;
mod numbers;
mod schema;
mod select;
mod sidecar;
#[cfg(all(test, feature = "onnx"))]
mod tests;
#[cfg(all(feature = "onnx", feature = "ort"))]
mod verify;

#[cfg(feature = "onnx")]
use std::path::Path;
use std::{borrow::Cow, fmt, sync::Arc};

#[cfg(feature = "ort")]
pub use self::engine::{Runtime, RuntimeError};
pub use self::{
    axes::AxisSizes,
    builder::{BatchAxis, Loader, NonFiniteInput},
    columns::{ColumnClassifier, TextClassifier},
    describe::{AxisSize, TensorInfo},
    graph::Graph,
    load_error::{EngineError, LoadError, UnsupportedOperator},
    numbers::{MultiLabelClassifier, Regressor, VectorModel},
};
use self::{
    engine::{Beside, Document, Engine, Outputs, Plan, Rows},
    schema::{Classes, ClassifierMetadata},
    select::Selection,
    sidecar::Sidecar,
};
use crate::features::{Schema, SchemaError, SchemaModel};
use crate::model::{Acceptance, Classification, Label, Model, ModelError, classification::argmax};

/// A classifier in an ONNX file: one row of `f32` in, [`Classification`] out.
///
/// Any number of threads call one model at once; it holds no lock and no per-thread state, and a
/// clone is a pointer to the same graph. Loading checks the file, prepares the graph and runs a
/// first row through it, so that what this engine cannot run is known before any request.
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
/// A file is code: a hostile one can make the engine take time and memory without end. Load files
/// you trust, and pin them ([`Loader::sha256`]).
///
/// A row in a batch may differ from the same row alone by the rounding of a sum (some 1e-7): the
/// engine multiplies larger matrices in another order.
#[derive(Clone)]
pub struct Classifier(Arc<LoadedClassifier>);

struct LoadedClassifier {
    /// For one row; also for many when there is no other.
    plan: Plan,
    /// How many rows that plan takes.
    rows: Rows,
    /// For many rows, where that is another plan.
    batch_plan: Option<Plan>,
    /// The shape of one row, its first axis being 1.
    row_shape: Box<[usize]>,
    features: usize,
    classes: usize,
    selection: Selection,
    non_finite: NonFiniteInput,
    inputs: Vec<TensorInfo>,
    outputs: Vec<TensorInfo>,
    sha256: Box<str>,
    metadata: ClassifierMetadata,
}

/// Rows are run in batches of at most this many, so that a large request needs no more memory for
/// what lies between the layers than a middling one.
const LARGEST_BATCH: usize = 1024;

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
    /// them: then labels are what the graph gives, or the place of the largest probability.
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

    /// The golden rows of the model's sidecar, as something to prove; nothing to prove where there
    /// are none. The model itself has proved them when it was loaded: this is for the same model in
    /// another form, or run by another engine.
    pub fn acceptance(&self) -> Acceptance<[f32], Classification> {
        self.0.metadata.acceptance()
    }

    /// Whether a batch is run at once; if not, its rows are run one by one.
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

impl LoadedClassifier {
    fn check(&self, row: &[f32]) -> Result<(), ModelError> {
        if row.len() != self.features {
            return Err(wrong_length(row.len(), self.features));
        }
        if self.non_finite.allows(row, f32::is_finite, f32::is_nan) {
            return Ok(());
        }
        Err(not_finite(row, self.non_finite))
    }

    fn one(&self, row: &[f32]) -> Result<Classification, ModelError> {
        if let Some(answer) = self.plan.answer(row) {
            let Classification { label, probabilities } = answer?;
            return Ok(Classification { label: self.metadata.classes.named(label), probabilities });
        }
        match self.rows {
            Rows::Any | Rows::Exactly(1) => {
                let outputs = self.plan.run_rows(&self.row_shape, row)?;
                self.scores(&outputs, 1, 0)
            }
            Rows::Exactly(count) => {
                let padded = row.repeat(count);
                let outputs = self.plan.run_rows(&self.shape(count), &padded)?;
                self.scores(&outputs, count, 0)
            }
        }
    }

    fn largest_batch(&self) -> usize {
        match (&self.batch_plan, self.rows) {
            (Some(_), _) | (None, Rows::Any) => LARGEST_BATCH,
            (None, Rows::Exactly(count)) => count.max(1),
        }
    }

    /// Answers at most [`largest_batch`](Self::largest_batch) rows.
    fn many(&self, rows: &[&[f32]], answers: &mut Vec<Result<Classification, ModelError>>) {
        if let [row] = rows {
            answers.push(self.check(row).and_then(|()| self.one(row)));
            return;
        }
        let checked: Vec<Result<(), ModelError>> = rows.iter().map(|row| self.check(row)).collect();
        let mut flat: Vec<f32> = Vec::with_capacity(rows.len().saturating_mul(self.features));
        let mut count = 0_usize;
        let mut last: &[f32] = &[];
        for (row, checked) in rows.iter().zip(&checked) {
            if checked.is_ok() {
                flat.extend_from_slice(row);
                count += 1;
                last = row;
            }
        }
        let (plan, run) = match (&self.batch_plan, self.rows) {
            (Some(plan), _) => (plan, count),
            (None, Rows::Any) => (&self.plan, count),
            (None, Rows::Exactly(exactly)) => (&self.plan, exactly),
        };
        for _ in count..run {
            flat.extend_from_slice(last);
        }
        // All rows bad: nothing to run, and no engine is asked about a batch of none.
        let outputs = if count == 0 { None } else { plan.run_rows(&self.shape(run), &flat).ok() };
        let mut place = 0;
        for (row, checked) in rows.iter().zip(checked) {
            answers.push(checked.and_then(|()| {
                let answer = match &outputs {
                    Some(outputs) => self.scores(outputs, run, place),
                    // The batch failed as a whole: a row that would succeed alone still must.
                    None => self.one(row),
                };
                place += 1;
                answer
            }));
        }
    }

    fn shape(&self, rows: usize) -> Box<[usize]> {
        let mut shape = self.row_shape.clone();
        if let Some(first) = shape.first_mut() {
            *first = rows;
        }
        shape
    }

    fn scores(
        &self,
        outputs: &Outputs,
        rows: usize,
        row: usize,
    ) -> Result<Classification, ModelError> {
        read_scores(&self.selection, &self.metadata.classes, self.classes, outputs, rows, row)
    }
}

/// The scores of one row among those that a plan gave.
fn read_scores(
    selection: &Selection,
    names: &Classes,
    classes: usize,
    outputs: &Outputs,
    rows: usize,
    row: usize,
) -> Result<Classification, ModelError> {
    let wrong = || wrong_output(selection, classes, outputs, rows);
    let all = outputs.f32s(selection.probabilities_place());
    let all = all.filter(|all| Some(all.len()) == rows.checked_mul(classes));
    let start = row.saturating_mul(classes);
    let probabilities = all.and_then(|all| all.get(start..start.saturating_add(classes)));
    let probabilities = probabilities.ok_or_else(wrong)?;
    let label = match &selection.label {
        Some(_) => Some(outputs.label(0, rows, row).ok_or_else(wrong)?),
        None => argmax(probabilities).and_then(|place| i64::try_from(place).ok()).map(Label::Int),
    };
    // Only NaN in every probability leaves no label; the first class keeps the answer whole, so
    // that it is the router's rule on non-finite answers that judges it.
    let label = names.named(label.unwrap_or(Label::Int(0)));
    Ok(Classification { label, probabilities: probabilities.to_vec() })
}

#[cold]
fn wrong_output(
    selection: &Selection,
    classes: usize,
    outputs: &Outputs,
    rows: usize,
) -> ModelError {
    let found: Vec<String> = (0..selection.places())
        .map(|place| format!("{} {:?}", outputs.type_name(place), outputs.shape(place)))
        .collect();
    ModelError::new(format!(
        "outputs: found {}, expected {classes} probabilities for each of {rows} rows",
        found.join(" and ")
    ))
}

#[cold]
fn wrong_length(found: usize, expected: usize) -> ModelError {
    let values = |count: usize| match count {
        1 => Cow::Borrowed("1 value"),
        count => Cow::Owned(format!("{count} values")),
    };
    ModelError::wrong_form("features", values(found), values(expected))
}

#[cold]
fn not_finite(row: &[f32], allowed: NonFiniteInput) -> ModelError {
    let refused = |value: f32| !allowed.allows(&[value], f32::is_finite, f32::is_nan);
    let bad = row.iter().enumerate().find(|(_, value)| refused(**value));
    let (index, found) = bad.map_or((0, f32::NAN), |(index, value)| (index, *value));
    let expected = match allowed {
        NonFiniteInput::Missing => "a finite number or NaN",
        _ => "a finite number",
    };
    ModelError::invalid_input(format_args!("features[{index}]"), found, expected)
}

impl fmt::Debug for Classifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnnxModel")
            .field("features", &self.0.features)
            .field("classes", &self.0.classes)
            .field("sha256", &self.0.sha256)
            .finish_non_exhaustive()
    }
}

impl LoadedClassifier {
    /// Prepares a document's graph and proves that it runs.
    fn prepare(
        mut document: Document,
        options: &Loader,
        bytes: usize,
        sha256: Box<str>,
        sidecar: Option<Sidecar>,
    ) -> Result<LoadedClassifier, LoadError> {
        let said = schema::said(&document, sidecar, &sha256)?;
        // A feature that may be left out reads as NaN.
        let optional = said.features.iter().flatten().any(|feature| feature.optional);
        if optional && options.non_finite == NonFiniteInput::Refused {
            document.keep_nan();
        }
        let (row_shape, fixed) = select::row_shape(&document, options)?;
        let features = row_shape.iter().product();
        let mut selection = Selection::choose(&document, options)?;
        let names = selection.names();
        let build = |rows| Plan::build(&document, rows, options.features, &names);
        let label = selection.label.as_deref();
        let probabilities = names.last().copied().unwrap_or_default();
        let direct = match fixed {
            None => document.direct(&row_shape, label, probabilities),
            Some(_) => None,
        };
        let (plan, rows, batch_plan) = match (direct, fixed, options.batch) {
            (Some(plan), ..) => (plan, Rows::Any, None),
            (None, Some(count), _) => (build(Rows::Exactly(count))?, Rows::Exactly(count), None),
            (None, None, BatchAxis::Pinned(count)) => {
                (build(Rows::Exactly(count))?, Rows::Exactly(count), None)
            }
            (None, None, BatchAxis::Symbolic) => (build(Rows::Any)?, Rows::Any, None),
            (None, None, BatchAxis::Automatic)
                if bytes <= TWO_PLANS && document.gains_by_two_plans() =>
            {
                // Some graphs only run row by row: they do, then.
                (build(Rows::Exactly(1))?, Rows::Exactly(1), build(Rows::Any).ok())
            }
            (None, None, BatchAxis::Automatic) => match build(Rows::Any) {
                Ok(plan) => (plan, Rows::Any, None),
                Err(_) => (build(Rows::Exactly(1))?, Rows::Exactly(1), None),
            },
        };
        drop(names);
        let graph = schema::Graph::of(&document, &selection);
        let Document { inputs, outputs, .. } = document;
        let mut classifier = LoadedClassifier {
            plan,
            rows,
            batch_plan,
            row_shape,
            features,
            classes: 0,
            selection: Selection::default(),
            non_finite: options.non_finite,
            inputs,
            outputs,
            sha256,
            metadata: ClassifierMetadata::default(),
        };
        classifier.classes = classifier.prove(&mut selection)?;
        classifier.selection = selection;
        classifier.tell(said, graph)?;
        Ok(classifier)
    }

    /// Says what is known about the model, and holds that against what it answers.
    fn tell(&mut self, said: Sidecar, graph: schema::Graph) -> Result<(), LoadError> {
        self.metadata = ClassifierMetadata::rows(said, graph, self.features, self.classes)?;
        // A feature that may be left out reads as NaN.
        let optional = self.metadata.schema.as_ref().is_some_and(Schema::has_optional);
        if optional && self.non_finite == NonFiniteInput::Refused {
            self.non_finite = NonFiniteInput::Missing;
        }
        if let Ok(first) = self.one(&vec![0.0; self.features]) {
            self.metadata.classes.check(&first.label);
        }
        Ok(())
    }

    /// Runs a first row, and a first batch, of zeros: what they give settles the number of
    /// classes. A batch plan that does not give what it should is dropped.
    fn prove(&mut self, selection: &mut Selection) -> Result<usize, LoadError> {
        let alone = match self.rows {
            Rows::Exactly(count) => count,
            Rows::Any => 1,
        };
        let run = |plan: &Plan, rows: usize| {
            let zeros = vec![0.0; rows.saturating_mul(self.features)];
            engine::guarded("running a first row", || plan.run_rows(&self.shape(rows), &zeros))
        };
        let classes = selection.prove(&run(&self.plan, alone)?, alone)?;
        if self.rows == Rows::Any {
            selection.prove(&run(&self.plan, 2)?, 2)?;
        }
        let proven = self.batch_plan.as_ref().is_some_and(|plan| {
            let outputs = run(plan, 3).ok();
            outputs.is_some_and(|outputs| selection.prove(&outputs, 3).is_ok_and(|n| n == classes))
        });
        if !proven && self.batch_plan.take().is_some() {
            tracing::debug!(
                target: "modelgate::model",
                sha256 = &*self.sha256,
                "a batch does not run at once: its rows are run one by one"
            );
        }
        Ok(classes)
    }
}

/// Files up to this many bytes get a plan of their own for batches; above, the weights held twice
/// would cost more than the microsecond it saves.
const TWO_PLANS: usize = 32 << 20;
