//! The engines that run graphs, behind one face.

#[cfg(feature = "ort")]
mod runtime;
#[cfg(feature = "onnx")]
mod tract;

use std::panic::{AssertUnwindSafe, catch_unwind};

#[cfg(feature = "ort")]
pub use self::runtime::{OnnxRuntime, OnnxRuntimeError};
#[cfg(feature = "onnx")]
use super::ml::Direct;
use super::{EngineError, LoadError, TensorDescription};
#[cfg(feature = "ort")]
use crate::model::TensorData;
use crate::model::{Label, ModelError, Scores, Tensor};

/// Which engine runs a graph.
#[derive(Clone, Debug)]
pub(super) enum Engine {
    #[cfg(feature = "onnx")]
    Tract,
    #[cfg(feature = "ort")]
    Runtime(OnnxRuntime),
}

impl Engine {
    /// Reads and checks the bytes of a file; a panic over them comes back as an error.
    pub(super) fn read(&self, bytes: &[u8]) -> Result<Document, LoadError> {
        match self {
            #[cfg(feature = "onnx")]
            Engine::Tract => tract::read(bytes),
            #[cfg(feature = "ort")]
            Engine::Runtime(runtime) => runtime::read(bytes, runtime),
        }
    }
}

/// How many rows a plan takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    /// Always this many.
    Exactly(usize),
    /// As many as come.
    Any,
}

/// An ONNX file, read and checked.
pub(super) struct Document {
    pub(super) inputs: Vec<TensorDescription>,
    pub(super) outputs: Vec<TensorDescription>,
    graph: Graph,
}

/// What an engine makes its plans from.
enum Graph {
    #[cfg(feature = "onnx")]
    Tract(Box<tract::Proto>),
    #[cfg(feature = "ort")]
    Runtime(runtime::File),
}

impl Document {
    /// A plan for rows of this many values that goes without the engine, if the graph is simple
    /// enough for that.
    pub(super) fn direct(
        &self,
        row_shape: &[usize],
        label: Option<&str>,
        probabilities: &str,
    ) -> Option<Plan> {
        match (&self.graph, &self.inputs[..], row_shape) {
            #[cfg(feature = "onnx")]
            (Graph::Tract(proto), [input], [_, width]) => {
                let graph = proto.graph.as_ref()?;
                let direct = Direct::read(graph, (&input.name, *width), label, probabilities)?;
                Some(Plan::Direct(direct))
            }
            _ => {
                let _ = (label, probabilities);
                None
            }
        }
    }

    /// Whether a plan for single rows is faster than one for any number.
    pub(super) fn gains_by_two_plans(&self) -> bool {
        match &self.graph {
            #[cfg(feature = "onnx")]
            Graph::Tract(_) => true,
            #[cfg(feature = "ort")]
            Graph::Runtime(_) => false,
        }
    }
}

/// A graph made ready to run.
pub(super) enum Plan {
    #[cfg(feature = "onnx")]
    Direct(Direct),
    #[cfg(feature = "onnx")]
    Tract(tract::Plan),
    #[cfg(feature = "ort")]
    Runtime(runtime::Plan),
}

impl Plan {
    /// Makes the graph ready: `inputs` with these sizes for the axes the file leaves open (after
    /// the first, which `rows` decides), and these outputs, in this order.
    pub(super) fn build(
        document: &Document,
        rows: Rows,
        features: Option<usize>,
        outputs: &[&str],
    ) -> Result<Plan, LoadError> {
        match &document.graph {
            #[cfg(feature = "onnx")]
            Graph::Tract(proto) => {
                tract::Plan::build(proto, &document.inputs, rows, features, outputs)
                    .map(Plan::Tract)
            }
            // It takes any number of rows, and asks for no sizes beforehand.
            #[cfg(feature = "ort")]
            Graph::Runtime(file) => {
                let _ = (rows, features);
                runtime::Plan::build(file, &document.inputs, outputs).map(Plan::Runtime)
            }
        }
    }

    /// Runs the plan on one input of this shape.
    pub(super) fn run_rows(&self, shape: &[usize], rows: &[f32]) -> Result<Outputs, ModelError> {
        match self {
            #[cfg(feature = "onnx")]
            Plan::Direct(direct) => {
                let outputs = direct.many(rows).ok_or_else(no_class)?;
                Ok(Outputs::Direct(DirectOutputs::new(direct, outputs)))
            }
            #[cfg(feature = "onnx")]
            Plan::Tract(plan) => plan.run_rows(shape, rows).map(Outputs::Tract),
            #[cfg(feature = "ort")]
            Plan::Runtime(plan) => plan.run_rows(shape, rows).map(Outputs::Owned),
        }
    }

    /// The answer for one row, if that needs no engine.
    pub(super) fn answer(&self, row: &[f32]) -> Option<Result<Scores, ModelError>> {
        match self {
            #[cfg(feature = "onnx")]
            Plan::Direct(direct) => Some(direct.one(row).ok_or_else(no_class)),
            _ => {
                let _ = row;
                None
            }
        }
    }

    /// Runs the plan on one tensor for each input, in order.
    pub(super) fn run<'a>(
        &self,
        inputs: impl Iterator<Item = &'a Tensor>,
    ) -> Result<Outputs, ModelError> {
        match self {
            #[cfg(feature = "onnx")]
            Plan::Direct(_) => Err(ModelError::new("a plan for rows takes no tensors")),
            #[cfg(feature = "onnx")]
            Plan::Tract(plan) => plan.run(inputs).map(Outputs::Tract),
            #[cfg(feature = "ort")]
            Plan::Runtime(plan) => plan.run(inputs).map(Outputs::Owned),
        }
    }

    /// Tells whether anybody still uses the prepared graph.
    #[cfg(all(test, feature = "onnx"))]
    pub(super) fn in_use(&self) -> Box<dyn Fn() -> bool> {
        match self {
            Plan::Tract(plan) => {
                let weak = plan.weak();
                Box::new(move || weak.strong_count() > 0)
            }
            Plan::Direct(_) => Box::new(|| true),
            #[cfg(feature = "ort")]
            Plan::Runtime(_) => Box::new(|| true),
        }
    }
}

#[cfg(feature = "onnx")]
#[cold]
fn no_class() -> ModelError {
    ModelError::new("a row has a class that does not exist")
}

/// What a plan gave, in the order its outputs were asked for.
pub(super) enum Outputs {
    #[cfg(feature = "onnx")]
    Direct(DirectOutputs),
    #[cfg(feature = "onnx")]
    Tract(tract::Outputs),
    /// Or the name of an element type that no tensor of ours has.
    #[cfg(feature = "ort")]
    Owned(Vec<Result<Tensor, String>>),
}

impl Outputs {
    /// The shape of an output.
    pub(super) fn shape(&self, output: usize) -> &[usize] {
        match self {
            #[cfg(feature = "onnx")]
            Outputs::Direct(outputs) => outputs.shape(output),
            #[cfg(feature = "onnx")]
            Outputs::Tract(outputs) => outputs.shape(output),
            #[cfg(feature = "ort")]
            Outputs::Owned(tensors) => tensor(tensors, output).map_or(&[], Tensor::shape),
        }
    }

    /// The elements of an output, if they are 32-bit floats.
    pub(super) fn f32s(&self, output: usize) -> Option<&[f32]> {
        match self {
            #[cfg(feature = "onnx")]
            Outputs::Direct(outputs) => outputs.f32s(output),
            #[cfg(feature = "onnx")]
            Outputs::Tract(outputs) => outputs.f32s(output),
            #[cfg(feature = "ort")]
            Outputs::Owned(tensors) => tensor(tensors, output)?.as_f32(),
        }
    }

    /// The label at a place of an output that holds `count` integers or texts.
    pub(super) fn label(&self, output: usize, count: usize, place: usize) -> Option<Label> {
        match self {
            #[cfg(feature = "onnx")]
            Outputs::Direct(outputs) => outputs.label(output, count, place),
            #[cfg(feature = "onnx")]
            Outputs::Tract(outputs) => outputs.label(output, count, place),
            #[cfg(feature = "ort")]
            Outputs::Owned(tensors) => {
                let data = tensor(tensors, output)?.data();
                if data.len() != count {
                    return None;
                }
                Some(match data {
                    TensorData::I64(values) => Label::Int(*values.get(place)?),
                    TensorData::I32(values) => Label::Int((*values.get(place)?).into()),
                    TensorData::Text(values) => Label::Text(values.get(place)?.clone()),
                    _ => return None,
                })
            }
        }
    }

    /// The number of elements of an output.
    pub(super) fn len(&self, output: usize) -> usize {
        match self {
            #[cfg(feature = "onnx")]
            Outputs::Direct(outputs) => outputs.shape(output).iter().product(),
            #[cfg(feature = "onnx")]
            Outputs::Tract(outputs) => outputs.len(output),
            #[cfg(feature = "ort")]
            Outputs::Owned(tensors) => {
                tensor(tensors, output).map_or(0, |tensor| tensor.data().len())
            }
        }
    }

    /// The element type of an output, in the engine's words.
    pub(super) fn type_name(&self, output: usize) -> String {
        match self {
            #[cfg(feature = "onnx")]
            Outputs::Direct(_) => "f32 or a label".to_owned(),
            #[cfg(feature = "onnx")]
            Outputs::Tract(outputs) => outputs.type_name(output),
            #[cfg(feature = "ort")]
            Outputs::Owned(tensors) => match tensors.get(output) {
                Some(Ok(tensor)) => tensor.dtype().to_string(),
                Some(Err(name)) => name.clone(),
                None => "nothing".to_owned(),
            },
        }
    }

    /// The outputs as tensors of ours.
    pub(super) fn into_tensors(
        self,
        count: usize,
    ) -> impl Iterator<Item = Result<Tensor, ModelError>> {
        let mut place = 0;
        std::iter::from_fn(move || {
            let output = place;
            place += 1;
            (output < count).then(|| {
                let found = match &self {
                    #[cfg(feature = "onnx")]
                    Outputs::Direct(_) => None,
                    #[cfg(feature = "onnx")]
                    Outputs::Tract(outputs) => outputs.tensor(output),
                    #[cfg(feature = "ort")]
                    Outputs::Owned(tensors) => tensor(tensors, output).cloned(),
                };
                found.ok_or_else(|| {
                    let found = self.type_name(output);
                    ModelError::new(format!("output {output} has the element type {found}"))
                })
            })
        })
    }
}

/// The labels and probabilities of some rows.
#[cfg(feature = "onnx")]
pub(super) struct DirectOutputs {
    labels: Vec<Label>,
    probabilities: Vec<f32>,
    labels_shape: [usize; 1],
    shape: [usize; 2],
    labelled: bool,
}

#[cfg(feature = "onnx")]
impl DirectOutputs {
    fn new(direct: &Direct, (labels, probabilities): (Vec<Label>, Vec<f32>)) -> DirectOutputs {
        DirectOutputs {
            labels_shape: [labels.len()],
            shape: [labels.len(), direct.classes()],
            labelled: direct.is_labelled(),
            labels,
            probabilities,
        }
    }

    fn shape(&self, output: usize) -> &[usize] {
        match (output, self.labelled) {
            (0, true) => &self.labels_shape,
            (1, true) | (0, false) => &self.shape,
            _ => &[],
        }
    }

    fn f32s(&self, output: usize) -> Option<&[f32]> {
        (output == usize::from(self.labelled)).then_some(&*self.probabilities)
    }

    fn label(&self, output: usize, count: usize, place: usize) -> Option<Label> {
        let labels = output == 0 && self.labelled && count == self.labels.len();
        self.labels.get(place).filter(|_| labels).cloned()
    }
}

#[cfg(feature = "ort")]
fn tensor(tensors: &[Result<Tensor, String>], output: usize) -> Option<&Tensor> {
    tensors.get(output)?.as_ref().ok()
}

/// Runs a step of loading; the engine's errors and panics come back as [`LoadError`].
pub(super) fn guarded<T, E: Into<EngineError>>(
    step: &'static str,
    run: impl FnOnce() -> Result<T, E>,
) -> Result<T, LoadError> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(LoadError::Engine { step, source: error.into() }),
        Err(payload) => {
            let message = ModelError::panicked(payload).to_string();
            Err(LoadError::Panicked { step, message: message.into() })
        }
    }
}
