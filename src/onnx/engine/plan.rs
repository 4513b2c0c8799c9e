//! A graph that is prepared to run, by whichever engine computes it correctly.

#[cfg(feature = "onnx")]
use std::panic::{AssertUnwindSafe, catch_unwind};

#[cfg(feature = "onnx")]
use super::super::TensorInfo;
#[cfg(feature = "ort")]
use super::runtime;
use super::{super::LoadError, Document, Graph, Outputs, Rows};
#[cfg(feature = "onnx")]
use super::{
    super::{
        EngineError, UnsupportedOperator, axes,
        interpreter::{Program, Unknown},
        ml::Direct,
    },
    forms, outputs, probe, tract,
};
use crate::{
    model::{Classification, ModelError},
    tensor::Tensor,
};

/// A graph that is prepared to run.
pub(in crate::onnx) enum Plan {
    #[cfg(feature = "onnx")]
    Direct(Direct),
    #[cfg(feature = "onnx")]
    Tract {
        plan: tract::Plan,
        /// The same graph for the interpreter, which answers what tract fails at.
        reference: Option<Box<Program>>,
    },
    #[cfg(feature = "onnx")]
    Interpreted(Box<Program>),
    #[cfg(feature = "ort")]
    Runtime(runtime::Plan),
}

impl Plan {
    /// Prepares the graph for these outputs, in this order. `rows` is the size of the first axis of
    /// each input; `features`, if given, that of further axes which the file leaves open.
    pub(in crate::onnx) fn build(
        document: &Document,
        rows: Rows,
        features: Option<usize>,
        outputs: &[&str],
    ) -> Result<Plan, LoadError> {
        match &document.graph {
            #[cfg(feature = "onnx")]
            Graph::Tract(proto) => Plan::checked(proto, &document.inputs, rows, features, outputs),
            // ONNX Runtime needs no sizes beforehand.
            #[cfg(feature = "ort")]
            Graph::Runtime(file) => {
                let _ = (rows, features);
                runtime::Plan::build(file, &document.inputs, outputs).map(Plan::Runtime)
            }
        }
    }

    /// tract's plan if it answers as the interpreter does, or else the interpreter's.
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
                // A graph that neither can run is refused now, not at the first request.
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
            probe::ProbeResult::Broken(source) => {
                Err(LoadError::Engine { step: "running a first row", source })
            }
            probe::ProbeResult::Same | probe::ProbeResult::Unknown => {
                Ok(Plan::Tract { plan, reference: Some(reference) })
            }
        }
    }

    /// Runs the plan on one input of this shape.
    pub(in crate::onnx) fn run_rows(
        &self,
        shape: &[usize],
        rows: &[f32],
    ) -> Result<Outputs, ModelError> {
        match self {
            #[cfg(feature = "onnx")]
            Plan::Direct(direct) => {
                let outputs = caught(|| direct.many(rows).ok_or_else(no_class))?;
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
    pub(in crate::onnx) fn answer(
        &self,
        row: &[f32],
    ) -> Option<Result<Classification, ModelError>> {
        match self {
            #[cfg(feature = "onnx")]
            Plan::Direct(direct) => Some(caught(|| direct.one(row).ok_or_else(no_class))),
            _ => {
                let _ = row;
                None
            }
        }
    }

    /// Runs the plan on one tensor for each input, in order.
    pub(in crate::onnx) fn run<'a>(
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

    /// A test for whether the prepared graph is still in memory.
    #[cfg(all(test, feature = "onnx"))]
    pub(in crate::onnx) fn in_use(&self) -> Box<dyn Fn() -> bool> {
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

/// Points out the axes that the file leaves open, which may be why the engine refuses it.
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

/// Above this many bytes, the weights are not held a second time for the interpreter.
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
            advice: "only the interpreter computes another operator of this graph correctly, and it \
                     does not know this one; export the model without either",
        }],
    }
}

/// Runs a plan; a panic in the engine becomes an error of the model.
#[cfg(feature = "onnx")]
fn caught<T>(run: impl FnOnce() -> Result<T, ModelError>) -> Result<T, ModelError> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| Err(ModelError::panicked(payload)))
}
