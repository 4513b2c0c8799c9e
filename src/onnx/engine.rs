//! The engines that run graphs, behind one face.

mod external;
#[cfg(feature = "onnx")]
mod forms;
mod outputs;
mod parsed_file;
#[cfg(feature = "onnx")]
mod probe;
#[cfg(feature = "ort")]
mod runtime;
#[cfg(feature = "onnx")]
mod tract;

use std::panic::{AssertUnwindSafe, catch_unwind};

use self::parsed_file::ParsedFile;
#[cfg(all(feature = "onnx", feature = "ort"))]
pub(super) use self::probe::{Numbers, probe_inputs};
#[cfg(feature = "ort")]
pub use self::runtime::{Runtime, RuntimeError};
#[cfg(feature = "onnx")]
pub(super) use self::tract::{from_engine, to_engine};
pub(super) use self::{external::Beside, outputs::Outputs};
use super::{
    AxisSize, EngineError, LoadError, TensorInfo,
    axes::{self, Axis},
};
#[cfg(feature = "onnx")]
use super::{
    UnsupportedOperator,
    interpreter::{Program, Unknown},
    ml::Direct,
};
use crate::{
    model::{Classification, Label, ModelError},
    tensor::Tensor,
};

/// Which engine runs a graph.
#[derive(Clone, Debug)]
pub(super) enum Engine {
    #[cfg(feature = "onnx")]
    Tract,
    #[cfg(feature = "ort")]
    Runtime(Runtime),
}

impl Engine {
    /// Reads and checks the bytes of a file; a panic over them comes back as an error.
    pub(super) fn read(&self, bytes: &[u8], beside: &Beside<'_>) -> Result<Document, LoadError> {
        match self {
            #[cfg(feature = "onnx")]
            Engine::Tract => tract::read(bytes, beside),
            #[cfg(feature = "ort")]
            Engine::Runtime(runtime) => runtime::read(bytes, beside, runtime),
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
#[derive(Clone)]
pub(super) struct Document {
    pub(super) inputs: Vec<TensorInfo>,
    pub(super) outputs: Vec<TensorInfo>,
    parsed_file: ParsedFile,
    graph: Graph,
}

/// What an engine makes its plans from.
#[derive(Clone)]
enum Graph {
    #[cfg(feature = "onnx")]
    Tract(Box<tract::Proto>),
    #[cfg(feature = "ort")]
    Runtime(runtime::File),
}

impl Document {
    /// The metadata under this key.
    pub(super) fn metadata(&self, key: &str) -> Option<&str> {
        self.parsed_file.metadata(key)
    }

    /// The classes in the order of the probabilities, as far as the graph says them.
    pub(super) fn class_labels(
        &self,
        label: Option<&str>,
        probabilities: &str,
    ) -> Option<Vec<Label>> {
        self.parsed_file.class_labels(label, probabilities)
    }

    /// Decides the size of an axis.
    pub(super) fn fix(&mut self, axis: &Axis, size: usize) {
        for (input, place) in &axis.places {
            let shape = self.inputs.get_mut(*input).and_then(|input| input.shape.as_mut());
            if let Some(axis) = shape.and_then(|shape| shape.get_mut(*place)) {
                *axis = AxisSize::Fixed(size);
            }
        }
        for found in self.outputs.iter_mut().flat_map(|output| output.shape.iter_mut().flatten()) {
            if let AxisSize::Named(name) = found
                && axes::mentions(name, &axis.name)
            {
                *found = if *name == axis.name { AxisSize::Fixed(size) } else { AxisSize::Free };
            }
        }
        match &mut self.graph {
            #[cfg(feature = "onnx")]
            Graph::Tract(proto) => tract::fix(proto, &axis.name, &self.inputs),
            // It takes any sizes; others than these are refused before.
            #[cfg(feature = "ort")]
            Graph::Runtime(_) => {}
        }
    }

    /// Makes a graph of which NaN comes out where it went in.
    pub(super) fn keep_nan(&mut self) {
        match &mut self.graph {
            #[cfg(feature = "onnx")]
            Graph::Tract(proto) => tract::keep_nan(proto),
            // It keeps NaN anyway.
            #[cfg(feature = "ort")]
            Graph::Runtime(_) => {}
        }
    }

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
    Tract {
        plan: tract::Plan,
        /// The same graph to be interpreted, for what the engine fails at.
        reference: Option<Box<Program>>,
    },
    #[cfg(feature = "onnx")]
    Interpreted(Box<Program>),
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
            Graph::Tract(proto) => Plan::checked(proto, &document.inputs, rows, features, outputs),
            // It takes any number of rows, and asks for no sizes beforehand.
            #[cfg(feature = "ort")]
            Graph::Runtime(file) => {
                let _ = (rows, features);
                runtime::Plan::build(file, &document.inputs, outputs).map(Plan::Runtime)
            }
        }
    }

    /// A plan of the engine that answers as the interpreter does, or else the interpreter's.
    #[cfg(feature = "onnx")]
    fn checked(
        proto: &tract::Proto,
        inputs: &[TensorInfo],
        rows: Rows,
        features: Option<usize>,
        outputs: &[&str],
    ) -> Result<Plan, LoadError> {
        let names: Vec<&str> = inputs.iter().map(|input| &*input.name).collect();
        let program = || Program::new(proto, &names, outputs).map(Box::new);
        let graph = proto.graph.as_ref();
        if graph.is_some_and(|graph| forms::is_wrong(graph, proto)) {
            let program = program().map_err(|unknown| unsupported(&unknown))?;
            if probe::fails(&program, inputs, rows, features, false) {
                return Err(LoadError::Engine {
                    step: "running a first row",
                    source: EngineError::new("the interpreter cannot run the graph"),
                });
            }
            return Ok(Plan::Interpreted(program));
        }
        let plan = match tract::Plan::build(proto, inputs, rows, features, outputs) {
            Ok(plan) => plan,
            Err(error) => {
                // What neither can run is refused now, not when it is asked.
                let only_rows = graph
                    .is_some_and(|graph| graph.node.iter().any(|node| node.domain == "ai.onnx.ml"));
                return match program() {
                    Ok(program) if !probe::fails(&program, inputs, rows, features, only_rows) => {
                        Ok(Plan::Interpreted(program))
                    }
                    _ => Err(about_axes(error, inputs, features)),
                };
            }
        };
        let weights = graph.map_or(0, |graph| {
            graph.initializer.iter().map(|tensor| tensor.raw_data.len()).sum::<usize>()
        });
        let Some(reference) = program().ok().filter(|_| weights <= LARGEST_REFERENCE) else {
            return Ok(Plan::Tract { plan, reference: None });
        };
        match probe::compare(&plan, &reference, inputs, rows, features) {
            probe::ProbeResult::Different => Ok(Plan::Interpreted(reference)),
            probe::ProbeResult::Broken => Err(LoadError::Engine {
                step: "running a first row",
                source: EngineError::new("neither the engine nor the interpreter can run it"),
            }),
            probe::ProbeResult::Same | probe::ProbeResult::Unknown => {
                Ok(Plan::Tract { plan, reference: Some(reference) })
            }
        }
    }

    /// Runs the plan on one input of this shape.
    pub(super) fn run_rows(&self, shape: &[usize], rows: &[f32]) -> Result<Outputs, ModelError> {
        match self {
            #[cfg(feature = "onnx")]
            Plan::Direct(direct) => {
                let outputs = direct.many(rows).ok_or_else(no_class)?;
                Ok(Outputs::Direct(outputs::DirectOutputs::new(direct, outputs)))
            }
            #[cfg(feature = "onnx")]
            Plan::Tract { plan, reference } => {
                let answer = caught(|| plan.run_rows(shape, rows)).map(Outputs::Tract);
                let Some(reference) = reference.as_ref().filter(|_| answer.is_err()) else {
                    return answer;
                };
                interpreted(reference, shape, rows).or(answer)
            }
            #[cfg(feature = "onnx")]
            Plan::Interpreted(program) => interpreted(program, shape, rows),
            #[cfg(feature = "ort")]
            Plan::Runtime(plan) => plan.run_rows(shape, rows).map(Outputs::Owned),
        }
    }

    /// The answer for one row, if that needs no engine.
    pub(super) fn answer(&self, row: &[f32]) -> Option<Result<Classification, ModelError>> {
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
            Plan::Tract { plan, reference } => {
                let inputs: Vec<&Tensor> = inputs.collect();
                let answer = caught(|| plan.run(inputs.iter().copied())).map(Outputs::Tract);
                let Some(reference) = reference.as_ref().filter(|_| answer.is_err()) else {
                    return answer;
                };
                run_program(reference, inputs.into_iter()).or(answer)
            }
            #[cfg(feature = "onnx")]
            Plan::Interpreted(program) => run_program(program, inputs),
            #[cfg(feature = "ort")]
            Plan::Runtime(plan) => plan.run(inputs).map(Outputs::Owned),
        }
    }

    /// Tells whether anybody still uses the prepared graph.
    #[cfg(all(test, feature = "onnx"))]
    pub(super) fn in_use(&self) -> Box<dyn Fn() -> bool> {
        match self {
            Plan::Interpreted(_) => Box::new(|| true),
            Plan::Tract { plan, .. } => {
                let weak = plan.weak();
                Box::new(move || weak.strong_count() > 0)
            }
            Plan::Direct(_) => Box::new(|| true),
            #[cfg(feature = "ort")]
            Plan::Runtime(_) => Box::new(|| true),
        }
    }
}

/// An engine's refusal, where axes that the file leaves open may be why.
#[cfg(feature = "onnx")]
#[cold]
fn about_axes(error: LoadError, inputs: &[TensorInfo], features: Option<usize>) -> LoadError {
    let axes = axes::open(inputs, 1);
    match error {
        LoadError::Engine { source, .. } if features.is_none() && !axes.is_empty() => {
            LoadError::OpenAxes { axes, source }
        }
        error => error,
    }
}

#[cfg(feature = "onnx")]
#[cold]
fn no_class() -> ModelError {
    ModelError::new("a row has a class that does not exist")
}

#[cfg(feature = "onnx")]
fn run_program<'a>(
    program: &Program,
    inputs: impl Iterator<Item = &'a Tensor>,
) -> Result<Outputs, ModelError> {
    let given = caught(|| program.run(inputs, &std::cell::Cell::new(u64::MAX)))?;
    Ok(Outputs::Owned(given.into_iter().map(Ok).collect()))
}

#[cfg(feature = "onnx")]
fn interpreted(program: &Program, shape: &[usize], rows: &[f32]) -> Result<Outputs, ModelError> {
    let tensor = Tensor::new(shape, rows.to_vec()).map_err(ModelError::new)?;
    run_program(program, std::iter::once(&tensor))
}

/// Files with more bytes of weights than this are not kept a second time to be interpreted.
#[cfg(feature = "onnx")]
const LARGEST_REFERENCE: usize = 32 << 20;

#[cfg(feature = "onnx")]
#[cold]
fn unsupported(unknown: &Unknown) -> LoadError {
    LoadError::Unsupported {
        operators: vec![UnsupportedOperator {
            name: unknown.operator.as_str().into(),
            domain: unknown.domain.as_str().into(),
            node: unknown.node.as_str().into(),
            advice: "it stands beside one that only the interpreter runs rightly; export the model \
                     without either",
        }],
    }
}

/// Runs a plan; a panic of the engine is the model's error at every face of it, not the caller's end.
#[cfg(feature = "onnx")]
fn caught<T>(run: impl FnOnce() -> Result<T, ModelError>) -> Result<T, ModelError> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| Err(ModelError::panicked(payload)))
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
