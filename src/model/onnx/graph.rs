//! An ONNX graph of any inputs and outputs.

use std::{fmt, path::Path, sync::Arc};

use super::{
    AxisSize, Batch, Document, LabelSource, LoadError, OnnxBuilder, Plan, Rows, TensorDescription,
    UnsupportedOperator, describe::shape_text, select,
};
use crate::model::{Finite, Model, ModelError, Tensor, Tensors};

/// An ONNX graph of any inputs and outputs: named [`Tensors`] in, named tensors out.
///
/// Any number of threads call one graph at once; it holds no lock and no per-thread state, and a
/// clone is a pointer to the same graph. For a classifier of one row, [`OnnxModel`](super::OnnxModel)
/// is the faster and simpler form.
///
/// ```no_run
/// use modelgate::{Model, OnnxGraph, Tensor, Tensors};
///
/// let graph = OnnxGraph::load("two_inputs.onnx")?;
/// let inputs = Tensors::new()
///     .with("left", Tensor::new([1, 2], vec![1.0_f32, 2.0])?)
///     .with("right", Tensor::new([1, 2], vec![3.0_f32, 4.0])?);
/// let outputs = graph.predict(&inputs)?;
/// println!("{:?}", outputs.get("sum").and_then(Tensor::as_f32));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct OnnxGraph(Arc<Graph>);

struct Graph {
    plan: Plan,
    inputs: Vec<TensorDescription>,
    outputs: Vec<(TensorDescription, LabelSource)>,
    sha256: Box<str>,
}

impl OnnxGraph {
    /// Loads the graph in a file, with every option at its default.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the file and what to do.
    pub fn load(path: impl AsRef<Path>) -> Result<OnnxGraph, LoadError> {
        OnnxBuilder::new().load_graph(path)
    }

    /// Loads the graph in these bytes, with every option at its default.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the bytes and what to do.
    pub fn from_bytes(bytes: &[u8]) -> Result<OnnxGraph, LoadError> {
        OnnxBuilder::new().graph_from_bytes(bytes)
    }

    /// What the graph takes.
    pub fn inputs(&self) -> &[TensorDescription] {
        &self.0.inputs
    }

    /// What the graph gives, in order.
    pub fn outputs(&self) -> impl Iterator<Item = &TensorDescription> {
        self.0.outputs.iter().map(|(output, _)| output)
    }

    /// The SHA-256 of the file, in lower-case hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.0.sha256
    }

    pub(super) fn prepare(
        document: Document,
        options: &OnnxBuilder,
        sha256: Box<str>,
    ) -> Result<OnnxGraph, LoadError> {
        if let Some(name) = &options.input
            && !document.inputs.iter().any(|input| input.name == *name)
        {
            return Err(LoadError::NoSuchInput {
                expected: format!("`{name}`").into(),
                found: document.inputs.iter().map(|input| input.name.clone()).collect(),
            });
        }
        let outputs = match &options.outputs {
            None => document.outputs.clone(),
            Some(names) => names
                .iter()
                .map(|name| {
                    let found = document.outputs.iter().find(|output| output.name == *name);
                    found.cloned().ok_or_else(|| select::no_output(name, &document.outputs))
                })
                .collect::<Result<_, _>>()?,
        };
        let outputs: Vec<(TensorDescription, LabelSource)> = outputs
            .into_iter()
            .map(|output| {
                let source = document.label_source(&output.name);
                (output, source)
            })
            .collect();
        for (output, source) in &outputs {
            if matches!(source, LabelSource::LargestNumber(_) | LabelSource::LargestName(_)) {
                return Err(LoadError::Unsupported {
                    operators: vec![UnsupportedOperator {
                        name: "TreeEnsembleClassifier".into(),
                        domain: "ai.onnx.ml".into(),
                        node: output.name.clone(),
                        advice: "the engine labels binary tree ensembles wrongly; ask for the \
                                 other outputs only (`outputs([..])`), or load it as an \
                                 `OnnxModel`, which takes the label from the probabilities",
                    }],
                });
            }
        }
        let names: Vec<&str> = outputs.iter().map(|(output, _)| &*output.name).collect();
        let build = |rows| Plan::build(&document, rows, options.features, &names);
        let plan = match options.batch {
            Batch::Pinned(count) => build(Rows::Exactly(count))?,
            Batch::Symbolic => build(Rows::Any)?,
            Batch::Automatic => match build(Rows::Any) {
                Ok(plan) => plan,
                // The first refusal is the one to show: it is about the graph as it stands.
                Err(error) => build(Rows::Exactly(1)).map_err(|_| error)?,
            },
        };
        let inputs = document.inputs;
        Ok(OnnxGraph(Arc::new(Graph { plan, inputs, outputs, sha256 })))
    }
}

impl Model<Tensors, Tensors> for OnnxGraph {
    fn predict(&self, tensors: &Tensors) -> Result<Tensors, ModelError> {
        let graph = &*self.0;
        let mut ordered = Vec::with_capacity(graph.inputs.len());
        for input in &graph.inputs {
            let tensor = tensors.get(&input.name).ok_or_else(|| {
                ModelError::invalid_input(
                    format_args!("inputs.{}", input.name),
                    "nothing",
                    format_args!("a tensor {input}"),
                )
            })?;
            check(input, tensor)?;
            ordered.push(tensor);
        }
        if tensors.len() > ordered.len() {
            let known = |name: &str| graph.inputs.iter().any(|input| *input.name == *name);
            if let Some((name, _)) = tensors.iter().find(|(name, _)| !known(name)) {
                return Err(ModelError::invalid_input(
                    format_args!("inputs.{name}"),
                    "an unknown name",
                    "the names of the graph's inputs only",
                ));
            }
        }
        let given = graph.plan.run(ordered.into_iter())?;
        let mut outputs = Tensors::new();
        for (place, (output, source)) in graph.outputs.iter().enumerate() {
            let tensor = given.tensor(place)?;
            outputs.insert(output.name.clone(), name_labels(tensor, source)?);
        }
        Ok(outputs)
    }
}

fn check(input: &TensorDescription, tensor: &Tensor) -> Result<(), ModelError> {
    let field = format_args!("inputs.{}", input.name);
    if let Some(expected) = input.dtype
        && expected != tensor.dtype()
    {
        return Err(ModelError::invalid_input(field, tensor.dtype(), expected));
    }
    if let Some(axes) = &input.shape {
        let fits = axes.len() == tensor.shape().len()
            && axes.iter().zip(tensor.shape()).all(|(axis, size)| match axis {
                AxisSize::Fixed(expected) => expected == size,
                AxisSize::Named(_) | AxisSize::Free => true,
            });
        if !fits {
            return Err(ModelError::invalid_input(
                field,
                format_args!("shape {:?}", tensor.shape()),
                format_args!("shape {}", shape_text(Some(axes))),
            ));
        }
    }
    if !tensor.is_finite() {
        return Err(ModelError::invalid_input(field, "a NaN or infinity", "finite numbers"));
    }
    Ok(())
}

fn name_labels(tensor: Tensor, source: &LabelSource) -> Result<Tensor, ModelError> {
    let LabelSource::NameOf(names) = source else { return Ok(tensor) };
    let named: Option<Vec<Box<str>>> = tensor.as_i64().and_then(|places| {
        places.iter().map(|place| names.get(usize::try_from(*place).ok()?).cloned()).collect()
    });
    let named = named.ok_or_else(|| ModelError::new("the label is none of the classes"))?;
    Tensor::new(tensor.shape(), named).map_err(ModelError::new)
}

impl fmt::Debug for OnnxGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnnxGraph")
            .field("inputs", &self.0.inputs)
            .field("outputs", &self.outputs().collect::<Vec<_>>())
            .field("sha256", &self.0.sha256)
            .finish_non_exhaustive()
    }
}
