//! Graphs that are prepared for the rows of a table.

use smallvec::SmallVec;

use super::{
    super::{
        LARGEST_BATCH, LoadError, Outputs, Plan, TensorInfo, batch, engine, schema::Classes,
        scores::read_scores, select::Selection, sidecar::Sidecar,
    },
    column::{self, Column},
    input::Input,
};
use crate::{
    features::{FeatureValue, Features, Name},
    hash::{NameSet, Names},
    model::{Classification, ModelError},
    tensor::Tensor,
};

/// What a graph's outputs say of a row.
pub(super) trait ReadAnswer {
    type Answer;

    /// Learns from the outputs for a first row, or refuses them.
    fn prove(&mut self, first: &Outputs) -> Result<(), LoadError>;

    /// Whether the outputs for so many rows have an answer for each.
    fn fits(&self, outputs: &Outputs, rows: usize) -> bool;

    /// The answer to one row among many.
    fn read(&self, outputs: &Outputs, rows: usize, row: usize) -> Result<Self::Answer, ModelError>;
}

/// Outputs that classify.
pub(super) struct ReadClasses {
    pub(super) selection: Selection,
    pub(super) classes: usize,
    pub(super) names: Classes,
}

/// An output with one number for each row.
pub(super) struct ReadNumber {
    pub(super) output: TensorInfo,
}

pub(super) struct ColumnPlans<R: ReadAnswer> {
    /// For one row.
    pub(super) plan: Plan,
    pub(super) many: BatchRun,
    pub(super) inputs: Vec<Input>,
    pub(super) columns: Vec<Column>,
    pub(super) places: Names<Box<str>, usize>,
    pub(super) ignored: NameSet<Box<str>>,
    pub(super) reader: R,
    pub(super) golden: Vec<(Features, R::Answer)>,
    pub(super) tolerance: f32,
    pub(super) sha256: Box<str>,
}

/// How a batch of rows is run.
pub(super) enum BatchRun {
    /// At once, by a plan for batches.
    Plan(Plan),
    /// At once, by the plan that runs single rows too.
    Same,
    /// Row by row.
    OneByOne,
}

/// The values of a row, in the order of the columns.
pub(super) type Row<'a> = SmallVec<[&'a FeatureValue; 32]>;

static MISSING: FeatureValue = FeatureValue::Null;

impl<R: ReadAnswer> ColumnPlans<R> {
    /// Checks these features and puts their values in the order of the columns.
    pub(super) fn row<'a>(&self, features: &'a Features) -> Result<Row<'a>, ModelError> {
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
            let capacity = rows.len().saturating_mul(input.width);
            let mut data = column::with_capacity(input.dtype, capacity);
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

    pub(super) fn one(&self, row: &Row<'_>) -> Result<R::Answer, ModelError> {
        let outputs = self.run(&self.plan, &[row])?;
        self.reader.read(&outputs, 1, 0)
    }

    /// Answers these rows in batches that are as large as the plan and `LARGEST_BATCH` allow.
    pub(super) fn many<'a>(
        &self,
        rows: impl ExactSizeIterator<Item = Result<Row<'a>, ModelError>>,
    ) -> Vec<Result<R::Answer, ModelError>> {
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
            batch::extend(
                &mut answers,
                read.iter().map(|row| row.as_ref().map_err(Clone::clone)),
                outputs.as_ref(),
                |outputs, place| self.reader.read(outputs, count, place),
                |row| self.one(row),
            );
        }
        answers
    }

    /// Runs a first row and a first batch, from which the reader learns. Returns the first row's answer.
    pub(super) fn prove(
        &mut self,
        declared: &Sidecar,
    ) -> Result<Result<R::Answer, ModelError>, LoadError> {
        let examples = Features::row(self.columns.iter().map(Column::example));
        let first = self.golden.first().map_or(examples, |(features, _)| features.clone());
        let row = self
            .row(&first)
            .map_err(|error| declared.wrong("golden[0]", error, "features that fit the model"))?;
        let run = |plan: &Plan, rows: &[&Row<'_>]| {
            engine::guarded("running a first row", || self.run(plan, rows))
        };
        let alone = run(&self.plan, &[&row])?;
        let batch = self.batch_plan().map(|plan| run(plan, &[&row, &row, &row]));
        drop(row);
        self.reader.prove(&alone)?;
        let fits = |outputs: Result<Outputs, _>| outputs.is_ok_and(|all| self.reader.fits(&all, 3));
        if !batch.is_some_and(fits) {
            self.many = BatchRun::OneByOne;
        }
        Ok(self.reader.read(&alone, 1, 0))
    }
}

impl ReadAnswer for ReadClasses {
    type Answer = Classification;

    fn prove(&mut self, first: &Outputs) -> Result<(), LoadError> {
        self.classes = self.selection.prove(first, 1)?;
        Ok(())
    }

    fn fits(&self, outputs: &Outputs, rows: usize) -> bool {
        self.selection.prove(outputs, rows).is_ok_and(|classes| classes == self.classes)
    }

    fn read(
        &self,
        outputs: &Outputs,
        rows: usize,
        row: usize,
    ) -> Result<Classification, ModelError> {
        read_scores(&self.selection, &self.names, self.classes, outputs, rows, row)
    }
}

impl ReadAnswer for ReadNumber {
    type Answer = f32;

    fn prove(&mut self, first: &Outputs) -> Result<(), LoadError> {
        let tensor = || self.output.name.clone();
        let Some(numbers) = first.f32s(0) else {
            let (found, expected) = (first.type_name(0).into(), "f32".into());
            return Err(LoadError::Dtype { tensor: tensor(), found, expected });
        };
        if numbers.len() == 1 {
            return Ok(());
        }
        Err(LoadError::Shape {
            tensor: tensor(),
            found: format!("{} numbers a row", numbers.len()).into(),
            expected: "1; several are loaded with `load_graph`".into(),
        })
    }

    fn fits(&self, outputs: &Outputs, rows: usize) -> bool {
        outputs.f32s(0).is_some_and(|numbers| numbers.len() == rows)
    }

    // One number a row: whichever axis holds the rows, the numbers stand in their order.
    fn read(&self, outputs: &Outputs, rows: usize, row: usize) -> Result<f32, ModelError> {
        let numbers = outputs.f32s(0).filter(|numbers| numbers.len() == rows);
        numbers.and_then(|numbers| numbers.get(row).copied()).ok_or_else(|| {
            ModelError::new(format!(
                "output `{}`: found {} {:?}, expected a number for each of {rows} rows",
                self.output.name,
                outputs.type_name(0),
                outputs.shape(0),
            ))
        })
    }
}
