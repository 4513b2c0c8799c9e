//! A graph that is prepared for classifying rows, and how it is prepared.

use super::super::{
    BatchAxis, Document, LARGEST_BATCH, LoadError, Loader, NonFiniteInput, Outputs, Plan, Rows,
    TensorInfo,
    batch::Batch,
    engine,
    row::{not_finite, wrong_length},
    schema::{self, ClassifierMetadata},
    scores::read_scores,
    select::{self, Selection},
    sidecar::Sidecar,
};
use crate::{
    features::Schema,
    model::{Classification, ModelError},
};

/// A graph that is prepared for classifying rows, with its metadata.
pub(in crate::onnx) struct LoadedClassifier {
    /// For one row, and for batches where `batch_plan` is `None`.
    pub(in crate::onnx) plan: Plan,
    /// How many rows `plan` takes.
    pub(in crate::onnx) rows: Rows,
    /// For any number of rows, where a plan of its own is worth having.
    pub(in crate::onnx) batch_plan: Option<Plan>,
    /// The shape of one row, its first axis being 1.
    pub(in crate::onnx) row_shape: Box<[usize]>,
    pub(in crate::onnx) features: usize,
    pub(in crate::onnx) classes: usize,
    pub(in crate::onnx) selection: Selection,
    pub(in crate::onnx) non_finite: NonFiniteInput,
    pub(in crate::onnx) inputs: Vec<TensorInfo>,
    pub(in crate::onnx) outputs: Vec<TensorInfo>,
    pub(in crate::onnx) sha256: Box<str>,
    pub(in crate::onnx) metadata: ClassifierMetadata,
}

impl LoadedClassifier {
    pub(in crate::onnx) fn check(&self, row: &[f32]) -> Result<(), ModelError> {
        if row.len() != self.features {
            return Err(wrong_length(row.len(), self.features));
        }
        if self.non_finite.allows(row, f32::is_finite, f32::is_nan) {
            return Ok(());
        }
        Err(not_finite(row, self.non_finite))
    }

    pub(in crate::onnx) fn one(&self, row: &[f32]) -> Result<Classification, ModelError> {
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

    pub(in crate::onnx) fn largest_batch(&self) -> usize {
        match (&self.batch_plan, self.rows) {
            (Some(_), _) | (None, Rows::Any) => LARGEST_BATCH,
            (None, Rows::Exactly(count)) => count.max(1),
        }
    }

    /// Answers at most [`largest_batch`](Self::largest_batch) rows.
    pub(in crate::onnx) fn many(
        &self,
        rows: &[&[f32]],
        answers: &mut Vec<Result<Classification, ModelError>>,
    ) {
        if let [row] = rows {
            answers.push(self.check(row).and_then(|()| self.one(row)));
            return;
        }
        let (plan, takes) = match &self.batch_plan {
            Some(plan) => (plan, Rows::Any),
            None => (&self.plan, self.rows),
        };
        Batch::new(rows, self.features, |row| self.check(row)).answer(
            takes,
            |count, values| plan.run_rows(&self.shape(count), values),
            |outputs, count, place| self.scores(outputs, count, place),
            |row| self.one(row),
            answers,
        );
    }

    pub(in crate::onnx) fn shape(&self, rows: usize) -> Box<[usize]> {
        let mut shape = self.row_shape.clone();
        if let Some(first) = shape.first_mut() {
            *first = rows;
        }
        shape
    }

    pub(in crate::onnx) fn scores(
        &self,
        outputs: &Outputs,
        rows: usize,
        row: usize,
    ) -> Result<Classification, ModelError> {
        read_scores(&self.selection, &self.metadata.classes, self.classes, outputs, rows, row)
    }
}

impl LoadedClassifier {
    /// Prepares a document's graph and checks that it runs.
    pub(in crate::onnx) fn prepare(
        mut document: Document,
        options: &Loader,
        bytes: usize,
        sha256: Box<str>,
        sidecar: Option<Sidecar>,
    ) -> Result<LoadedClassifier, LoadError> {
        let declared = schema::declared(&document, sidecar, &sha256)?;
        // A feature that may be left out reads as NaN.
        let optional = declared.features.iter().flatten().any(|feature| feature.optional);
        if optional && options.non_finite == NonFiniteInput::Refused {
            document.keep_nan();
        }
        let (row_shape, fixed) = select::row_shape(&document, options)?;
        let features = row_shape.iter().product();
        let mut selection = Selection::choose(&document, options)?;
        let direct = match fixed {
            None => {
                document.direct(&row_shape, selection.label.as_deref(), selection.probabilities())
            }
            Some(_) => None,
        };
        let (plan, rows, batch_plan) = match direct {
            Some(plan) => (plan, Rows::Any, None),
            None => build_plans(&document, options, &selection.names(), fixed, bytes)?,
        };
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
        classifier.describe(declared, graph)?;
        Ok(classifier)
    }

    /// Fills in the metadata, and checks the classes against an answer.
    fn describe(&mut self, declared: Sidecar, graph: schema::Graph) -> Result<(), LoadError> {
        self.metadata = ClassifierMetadata::rows(declared, graph, self.features, self.classes)?;
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

    /// Runs a first row and a first batch of zeros, whose answers settle the number of classes. A
    /// batch plan that fails, or answers in another form than the plan for one row, is dropped.
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
                "the graph cannot run a batch: rows are run one by one"
            );
        }
        Ok(classes)
    }
}

/// The plan for one row, how many rows it takes, and a plan for batches where one is worth having.
fn build_plans(
    document: &Document,
    options: &Loader,
    names: &[&str],
    fixed: Option<usize>,
    bytes: usize,
) -> Result<(Plan, Rows, Option<Plan>), LoadError> {
    let build = |rows| Plan::build(document, rows, options.features, names);
    Ok(match (fixed, options.batch) {
        (Some(count), _) | (None, BatchAxis::Pinned(count)) => {
            (build(Rows::Exactly(count))?, Rows::Exactly(count), None)
        }
        (None, BatchAxis::Symbolic) => (build(Rows::Any)?, Rows::Any, None),
        (None, BatchAxis::Automatic) if bytes <= TWO_PLANS && document.gains_by_two_plans() => {
            // A graph that cannot run a batch runs row by row.
            (build(Rows::Exactly(1))?, Rows::Exactly(1), build(Rows::Any).ok())
        }
        (None, BatchAxis::Automatic) => match build(Rows::Any) {
            Ok(plan) => (plan, Rows::Any, None),
            Err(_) => (build(Rows::Exactly(1))?, Rows::Exactly(1), None),
        },
    })
}

/// Files up to this many bytes get a second plan for batches. For larger ones, the microsecond
/// that it saves is not worth holding the weights twice.
const TWO_PLANS: usize = 32 << 20;
