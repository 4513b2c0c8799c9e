//! The engines that run graphs, behind one interface.

mod external;
#[cfg(feature = "onnx")]
mod forms;
mod outputs;
mod parsed_file;
mod plan;
#[cfg(feature = "onnx")]
mod probe;
mod proto;
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
pub(super) use self::{external::ExternalData, outputs::Outputs, plan::Plan};
#[cfg(feature = "onnx")]
use super::ml::Direct;
use super::{
    AxisSize, EngineError, LoadError, TensorInfo,
    axes::{self, Axis},
};
use crate::model::{Label, ModelError};

/// Which engine runs a graph.
#[derive(Clone, Debug)]
pub(super) enum Engine {
    #[cfg(feature = "onnx")]
    Tract,
    #[cfg(feature = "ort")]
    Runtime(Runtime),
}

impl Engine {
    /// Parses and checks the bytes of a file; a panic while doing so comes back as an error.
    pub(super) fn read(
        &self,
        bytes: &[u8],
        external_data: &ExternalData<'_>,
    ) -> Result<Document, LoadError> {
        match self {
            #[cfg(feature = "onnx")]
            Engine::Tract => tract::read(bytes, external_data),
            #[cfg(feature = "ort")]
            Engine::Runtime(runtime) => runtime::read(bytes, external_data, runtime),
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

    /// Sets the size of an axis that the file leaves open.
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
            // ONNX Runtime takes any size; callers refuse those other than this one.
            #[cfg(feature = "ort")]
            Graph::Runtime(_) => {}
        }
    }

    /// Rewrites what would swallow a NaN, so that one in an input reaches the outputs.
    pub(super) fn keep_nan(&mut self) {
        match &mut self.graph {
            #[cfg(feature = "onnx")]
            Graph::Tract(proto) => tract::keep_nan(proto),
            // ONNX Runtime propagates NaN as the specification says.
            #[cfg(feature = "ort")]
            Graph::Runtime(_) => {}
        }
    }

    /// A plan for rows that needs no engine, if the graph is one of the simple ones that
    /// [`Direct`](super::ml::Direct) evaluates.
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

    /// Whether the engine runs a single row faster in a plan for one row than in one for any number.
    pub(super) fn gains_by_two_plans(&self) -> bool {
        match &self.graph {
            #[cfg(feature = "onnx")]
            Graph::Tract(_) => true,
            #[cfg(feature = "ort")]
            Graph::Runtime(_) => false,
        }
    }
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
