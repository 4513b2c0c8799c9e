//! Runs graphs whose answer to a row is numbers.

use super::{
    super::{
        BatchAxis, Document, LARGEST_BATCH, LoadError, Loader, NonFiniteInput, Outputs, Plan, Rows,
        TensorInfo,
        batch::Batch,
        engine,
        row::{not_finite, wrong_length},
        schema, select,
        sidecar::Sidecar,
    },
    layout::{self, Layout, OutputKind},
};
use crate::{features::Schema, model::ModelError, tensor::Dtype};

/// A graph that is prepared for rows, and answers each with numbers.
pub(super) struct NumberPlans {
    plan: Plan,
    rows: Rows,
    /// The shape of one row, its first axis being 1.
    row_shape: Box<[usize]>,
    pub(super) features: usize,
    layout: Layout,
    pub(super) output: TensorInfo,
    pub(super) non_finite: NonFiniteInput,
    pub(super) schema: Option<Schema>,
    pub(super) golden: Vec<(Vec<f32>, Vec<f32>)>,
    pub(super) tolerance: f32,
    pub(super) sha256: Box<str>,
}

/// A plan whose output layout is not known yet.
struct Unproven<'a> {
    plan: &'a Plan,
    rows: Rows,
    row_shape: &'a [usize],
    features: usize,
    output: &'a TensorInfo,
    answer: OutputKind,
    /// Whether the plan gives labels beside the numbers.
    labelled: bool,
}

impl NumberPlans {
    pub(super) fn prepare(
        mut document: Document,
        options: &Loader,
        sha256: Box<str>,
        sidecar: Option<Sidecar>,
        answer: OutputKind,
    ) -> Result<NumberPlans, LoadError> {
        let mut declared = schema::declared(&document, sidecar, &sha256)?;
        declared.check_no_classes()?;
        let optional = declared.features.iter().flatten().any(|feature| feature.optional);
        let mut non_finite = options.non_finite;
        if optional && non_finite == NonFiniteInput::Refused {
            document.keep_nan();
            non_finite = NonFiniteInput::Missing;
        }
        let (row_shape, fixed) = select::row_shape(&document, options)?;
        let features = row_shape.iter().product();
        let output = output_of(&document, options, answer)?;
        let label = match answer {
            OutputKind::Number | OutputKind::Numbers => None,
            OutputKind::Labels => {
                document.outputs.iter().find(|output| output.dtype == Some(Dtype::I64))
            }
        };
        let mut names = vec![&*output.name];
        names.extend(label.map(|label| &*label.name));
        let build = |rows| {
            let plan = Plan::build(&document, rows, options.features, &names)?;
            let labelled = label.is_some();
            let unproven = Unproven {
                plan: &plan,
                rows,
                row_shape: &row_shape,
                features,
                output: &output,
                answer,
                labelled,
            };
            let layout = unproven.prove()?;
            Ok((plan, rows, layout))
        };
        let (plan, rows, layout) = match (fixed, options.batch) {
            (Some(count), _) | (None, BatchAxis::Pinned(count)) => build(Rows::Exactly(count))?,
            (None, BatchAxis::Symbolic) => build(Rows::Any)?,
            (None, BatchAxis::Automatic) => match build(Rows::Any) {
                Ok(built) => built,
                // Some graphs only run row by row. The first refusal is the one to show.
                Err(error) => build(Rows::Exactly(1)).map_err(|_| error)?,
            },
        };
        if answer == OutputKind::Number && layout.width() != 1 {
            return Err(LoadError::Shape {
                tensor: output.name.clone(),
                found: format!("{} numbers a row", layout.width()).into(),
                expected: "1; several are loaded with `load_vector`".into(),
            });
        }
        let schema = schema::of_rows(&mut declared, features)?;
        let tolerance = declared.tolerance.unwrap_or(schema::TOLERANCE);
        let golden = schema::golden_numbers(&mut declared, schema.as_ref(), features)?;
        Ok(NumberPlans {
            plan,
            rows,
            row_shape,
            features,
            layout,
            output,
            non_finite,
            schema,
            golden,
            tolerance,
            sha256,
        })
    }

    /// The number of values in an answer.
    pub(super) fn width(&self) -> usize {
        self.layout.width()
    }

    pub(super) fn check(&self, row: &[f32]) -> Result<(), ModelError> {
        if row.len() != self.features {
            return Err(wrong_length(row.len(), self.features));
        }
        if self.non_finite.allows(row, f32::is_finite, f32::is_nan) {
            return Ok(());
        }
        Err(not_finite(row, self.non_finite))
    }

    /// Answers a checked row.
    pub(super) fn one(&self, row: &[f32]) -> Result<Vec<f32>, ModelError> {
        match self.rows {
            Rows::Any | Rows::Exactly(1) => {
                self.numbers(&self.plan.run_rows(&self.row_shape, row)?, 1, 0)
            }
            Rows::Exactly(count) => {
                let shape = shape(&self.row_shape, count);
                self.numbers(&self.plan.run_rows(&shape, &row.repeat(count))?, count, 0)
            }
        }
    }

    /// The numbers of one row among `count`.
    fn numbers(&self, outputs: &Outputs, count: usize, row: usize) -> Result<Vec<f32>, ModelError> {
        let numbers = outputs.f32s(0).and_then(|values| self.layout.row(values, count, row));
        numbers.ok_or_else(|| {
            ModelError::new(format!(
                "output `{}`: found {} {:?}, expected {} numbers for each of {count} rows",
                self.output.name,
                outputs.type_name(0),
                outputs.shape(0),
                self.width()
            ))
        })
    }

    /// Answers rows, in batches that are as large as the plan allows.
    pub(super) fn many(&self, rows: &[&[f32]]) -> Vec<Result<Vec<f32>, ModelError>> {
        let most = if let Rows::Exactly(count) = self.rows { count } else { LARGEST_BATCH };
        let mut answers = Vec::with_capacity(rows.len());
        for rows in rows.chunks(most.max(1)) {
            Batch::new(rows, self.features, |row| self.check(row)).answer(
                self.rows,
                |count, values| self.plan.run_rows(&shape(&self.row_shape, count), values),
                |outputs, count, place| self.numbers(outputs, count, place),
                |row| self.one(row),
                &mut answers,
            );
        }
        answers
    }
}

impl Unproven<'_> {
    /// Runs first rows, whose outputs show where the numbers of a row are.
    fn prove(&self) -> Result<Layout, LoadError> {
        let count = if let Rows::Exactly(count) = self.rows { count } else { SEVERAL };
        let outputs = self.run(count, &vec![0.0; count.saturating_mul(self.features)])?;
        let found = outputs.shape(0).to_vec();
        let wrong = |expected: String| LoadError::Shape {
            tensor: self.output.name.clone(),
            found: format!("{found:?}").into(),
            expected: expected.into(),
        };
        let Some(values) = outputs.f32s(0) else {
            return Err(LoadError::Dtype {
                tensor: self.output.name.clone(),
                found: outputs.type_name(0).into(),
                expected: "f32".into(),
            });
        };
        let axis = match self.rows {
            Rows::Any => {
                let alone = self.run(1, &vec![0.0; self.features])?;
                layout::growing_axis(alone.shape(0), &found, count)
            }
            Rows::Exactly(_) => self.fixed_axis(&found, count)?,
        };
        let layout = axis.and_then(|axis| Some((axis, Layout::of(&found, axis, count)?)));
        let Some((axis, layout)) = layout else {
            return Err(wrong(format!("as many numbers for each of {count} rows")));
        };
        if self.answer != OutputKind::Labels {
            return Ok(layout);
        }
        let labels = self.labelled.then(|| outputs.len(1).checked_div(count)).flatten();
        let layout = layout.of_labels(&found, axis, labels);
        layout.filter(|layout| (0..count).all(|row| layout.adds_up(values, count, row))).ok_or_else(
            || {
                wrong(
                    "the probability of each of several labels, or of no and of yes for each (one \
                     class a row is loaded with `load`)"
                        .to_owned(),
                )
            },
        )
    }

    /// The axis of a fixed number of rows. If several axes have that size, running the rows in reverse tells.
    fn fixed_axis(&self, shape: &[usize], count: usize) -> Result<Option<usize>, LoadError> {
        let axes = layout::fixed_axes(shape, count);
        if axes.len() < 2 || count < 2 {
            return Ok(axes.first().copied());
        }
        let values = count.saturating_mul(self.features);
        let rows: Vec<f32> = (0..values).map(|place| (place % 89) as f32 / 89.0).collect();
        let turned: Vec<f32> = rows.chunks(self.features.max(1)).rev().flatten().copied().collect();
        let (given, turned) = (self.run(count, &rows)?, self.run(count, &turned)?);
        let (Some(given), Some(turned)) = (given.f32s(0), turned.f32s(0)) else { return Ok(None) };
        Ok(axes.into_iter().find(|axis| layout::is_reversed(shape, *axis, given, turned)))
    }

    fn run(&self, count: usize, rows: &[f32]) -> Result<Outputs, LoadError> {
        let shape = shape(self.row_shape, count);
        engine::guarded("running a first row", || self.plan.run_rows(&shape, rows))
    }
}

/// A number of rows that the axes of an output are unlikely to have by chance.
const SEVERAL: usize = 3;

fn shape(row: &[usize], rows: usize) -> Box<[usize]> {
    let mut shape: Box<[usize]> = row.into();
    if let Some(first) = shape.first_mut() {
        *first = rows;
    }
    shape
}

/// The output that is asked for, or the first of floats; of labels, a sequence of floats as well, whose
/// type no tensor has.
pub(super) fn output_of(
    document: &Document,
    options: &Loader,
    answer: OutputKind,
) -> Result<TensorInfo, LoadError> {
    let outputs = &document.outputs;
    let asked = match options.outputs.as_deref() {
        None => None,
        Some([name]) => Some(name),
        Some(names) => {
            return Err(LoadError::Option {
                option: "outputs",
                found: format!("{} names", names.len()).into(),
                expected: "1, of the output to read".into(),
            });
        }
    };
    let of_type = |dtype| outputs.iter().find(|output| output.dtype == dtype);
    let found = match asked {
        Some(name) => outputs.iter().find(|output| output.name == *name),
        None => of_type(Some(Dtype::F32))
            .or_else(|| of_type(None).filter(|_| answer == OutputKind::Labels)),
    };
    found.cloned().ok_or_else(|| {
        let expected = asked.map_or_else(|| "f32".to_owned(), |name| name.to_string());
        select::no_output(&expected, outputs)
    })
}

/// Whether all numbers are within the tolerance of a golden row.
pub(in crate::onnx) fn within(
    tolerance: f32,
    expected: &[f32],
    found: &[f32],
) -> Result<(), String> {
    let near = |a: f32, b: f32| a == b || (a - b).abs() <= tolerance * a.abs().max(1.0);
    let fits = expected.len() == found.len()
        && expected.iter().zip(found).all(|(expected, found)| near(*expected, *found));
    if fits { Ok(()) } else { Err(format!("found {found:?}, expected {expected:?}")) }
}
