//! [`Graph`]: named tensors in, named tensors out.

#[cfg(feature = "onnx")]
use std::path::Path;
use std::{fmt, sync::Arc};

use smallvec::SmallVec;

use super::{
    AxisSize, AxisSizes, BatchAxis, Document, LoadError, Loader, NonFiniteInput, Plan, Rows,
    TensorInfo, axes::Axis, describe::shape_text, select,
};
use crate::{
    model::{Model, ModelError},
    tensor::{Data, F16, Tensor, Tensors},
};

/// An ONNX graph with any inputs and outputs: named [`Tensors`] in, named tensors out.
///
/// Any number of threads call one graph at once; it holds no lock and no per-thread state, and a
/// clone is a pointer to the same graph. To classify rows of numbers,
/// [`Classifier`](super::Classifier) is simpler and faster.
///
/// ```no_run
/// use modelgate::{Model, onnx, tensor::{Tensor, Tensors}};
///
/// let graph = onnx::Graph::load("two_inputs.onnx")?;
/// let inputs = Tensors::new()
///     .with("left", Tensor::new([1, 2], vec![1.0_f32, 2.0])?)
///     .with("right", Tensor::new([1, 2], vec![3.0_f32, 4.0])?);
/// let outputs = graph.predict(&inputs)?;
/// println!("{:?}", outputs.get("sum").and_then(Tensor::as_f32));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Graph(Arc<LoadedGraph>);

struct LoadedGraph {
    /// One for each combination of sizes that the caller listed; a single one if none are listed.
    forms: Vec<Form>,
    /// The axes that have a list or a range of sizes.
    axes: Vec<Axis>,
    inputs: Vec<TensorInfo>,
    outputs: Vec<TensorInfo>,
    non_finite: NonFiniteInput,
    sha256: Box<str>,
}

/// The graph, prepared for one combination of sizes.
struct Form {
    /// The sizes of the axes that have a list of them, in the order of the axes.
    sizes: Vec<usize>,
    plan: Plan,
}

/// The most combinations of sizes that a graph is prepared for: each holds the weights anew.
const MOST_FORMS: usize = 64;

impl Graph {
    /// Loads the graph in a file, with every option at its default.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the file and what to do.
    #[cfg(feature = "onnx")]
    pub fn load(path: impl AsRef<Path>) -> Result<Graph, LoadError> {
        super::Classifier::builder().load_graph(path)
    }

    /// Loads the graph in these bytes, with every option at its default.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the bytes and what to do.
    #[cfg(feature = "onnx")]
    pub fn from_bytes(bytes: &[u8]) -> Result<Graph, LoadError> {
        super::Classifier::builder().graph_from_bytes(bytes)
    }

    /// Options for loading: ends with [`load_graph`](Loader::load_graph).
    #[cfg(feature = "onnx")]
    pub fn builder() -> Loader {
        super::Classifier::builder()
    }

    /// The inputs of the graph.
    pub fn inputs(&self) -> &[TensorInfo] {
        &self.0.inputs
    }

    /// The outputs that the graph returns: all of the file's, or those that were
    /// [asked for](Loader::outputs).
    pub fn outputs(&self) -> impl Iterator<Item = &TensorInfo> {
        self.0.outputs.iter()
    }

    /// The SHA-256 of the file, in lower-case hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.0.sha256
    }

    pub(super) fn prepare(
        document: Document,
        options: &Loader,
        sha256: Box<str>,
    ) -> Result<Graph, LoadError> {
        if let Some(name) = &options.input
            && !document.inputs.iter().any(|input| input.name == *name)
        {
            return Err(LoadError::NoSuchInput {
                expected: format!("`{name}`").into(),
                found: document.inputs.iter().map(|input| input.name.clone()).collect(),
            });
        }
        let outputs: Vec<TensorInfo> = match &options.outputs {
            None => document.outputs.clone(),
            Some(names) => names
                .iter()
                .map(|name| {
                    let found = document.outputs.iter().find(|output| output.name == *name);
                    found.cloned().ok_or_else(|| select::no_output(name, &document.outputs))
                })
                .collect::<Result<_, _>>()?,
        };
        let names: Vec<&str> = outputs.iter().map(|output| &*output.name).collect();
        let axes = options.axes.iter().filter(|(_, sizes)| !matches!(sizes, AxisSizes::Fixed(_)));
        let axes = axes.map(|(name, sizes)| Axis::find(name, sizes, &document.inputs));
        let axes: Vec<Axis> = axes.collect::<Result<_, _>>()?;
        let mut forms = Vec::new();
        for sizes in combinations(&axes)? {
            let mut document = document.clone();
            let several = axes.iter().filter(|axis| !axis.sizes.prepared().is_empty());
            for (axis, size) in several.zip(&sizes) {
                document.fix(axis, *size);
            }
            forms.push(Form { plan: prepare_plan(&document, options, &names)?, sizes });
        }
        let inputs = document.inputs;
        let non_finite = options.non_finite;
        Ok(Graph(Arc::new(LoadedGraph { forms, axes, inputs, outputs, non_finite, sha256 })))
    }
}

impl Model<Tensors, Tensors> for Graph {
    fn predict(&self, tensors: &Tensors) -> Result<Tensors, ModelError> {
        let graph = &*self.0;
        let mut ordered = Vec::with_capacity(graph.inputs.len());
        for input in &graph.inputs {
            let tensor = tensors.get(&input.name).ok_or_else(|| {
                ModelError::wrong_form(
                    format_args!("inputs.{}", input.name),
                    "nothing",
                    format_args!("a tensor {input}"),
                )
            })?;
            check(input, tensor, graph.non_finite)?;
            ordered.push(tensor);
        }
        if tensors.len() > ordered.len() {
            let known = |name: &str| graph.inputs.iter().any(|input| *input.name == *name);
            if let Some((name, _)) = tensors.iter().find(|(name, _)| !known(name)) {
                return Err(ModelError::unknown_name(
                    format_args!("inputs.{name}"),
                    "the names of the graph's inputs only",
                ));
            }
        }
        check_names(&graph.inputs, &ordered)?;
        let plan = graph.plan(&ordered)?;
        let given = plan.run(ordered.into_iter())?;
        let mut outputs = Tensors::new();
        for (output, tensor) in graph.outputs.iter().zip(given.into_tensors(graph.outputs.len())) {
            outputs.insert(output.name.clone(), tensor?);
        }
        Ok(outputs)
    }
}

/// A plan for any number of rows, or for one row where the graph runs in no other way.
fn prepare_plan(document: &Document, options: &Loader, names: &[&str]) -> Result<Plan, LoadError> {
    let build = |rows| Plan::build(document, rows, options.features, names);
    match options.batch {
        BatchAxis::Pinned(count) => build(Rows::Exactly(count)),
        BatchAxis::Symbolic => build(Rows::Any),
        BatchAxis::Automatic => match build(Rows::Any) {
            Ok(plan) => Ok(plan),
            // The first error is the one to report: it is about the graph as the file has it.
            Err(error) => build(Rows::Exactly(1)).map_err(|_| error),
        },
    }
}

/// Every combination of the sizes that the graph is prepared for.
fn combinations(axes: &[Axis]) -> Result<Vec<Vec<usize>>, LoadError> {
    let mut all: Vec<Vec<usize>> = vec![Vec::new()];
    for sizes in axes.iter().map(|axis| axis.sizes.prepared()).filter(|sizes| !sizes.is_empty()) {
        if all.len().saturating_mul(sizes.len()) > MOST_FORMS {
            return Err(LoadError::Option {
                option: "axis",
                found: format!("more than {MOST_FORMS} combinations of sizes").into(),
                expected: "fewer sizes, or a range".into(),
            });
        }
        let longer = |known: &Vec<usize>| {
            let known = known.clone();
            sizes.iter().map(move |size| [&*known, &[*size]].concat())
        };
        all = all.iter().flat_map(longer).collect();
    }
    Ok(all)
}

impl LoadedGraph {
    /// The plan for inputs of these sizes.
    fn plan(&self, tensors: &[&Tensor]) -> Result<&Plan, ModelError> {
        let mut wanted: SmallVec<[usize; 4]> = SmallVec::new();
        for axis in &self.axes {
            for (input, place) in &axis.places {
                let shape = tensors.get(*input).map_or(&[][..], |tensor| tensor.shape());
                let found = shape.get(*place).copied().unwrap_or(0);
                if !axis.sizes.allows(found) {
                    let name = self.inputs.get(*input).map_or("", |input| &*input.name);
                    return Err(ModelError::invalid_input(
                        format_args!("inputs.{name}: axis `{}`", axis.name),
                        found,
                        &axis.sizes,
                    ));
                }
                if !axis.sizes.prepared().is_empty()
                    && axis.places.first() == Some(&(*input, *place))
                {
                    wanted.push(found);
                }
            }
        }
        let form = self.forms.iter().find(|form| *form.sizes == *wanted);
        // Cannot fail: every combination of allowed sizes has a form.
        let form =
            form.ok_or_else(|| ModelError::new("the graph is not prepared for these sizes"))?;
        Ok(&form.plan)
    }
}

/// Checks that axes with the same name have the same size.
fn check_names(inputs: &[TensorInfo], tensors: &[&Tensor]) -> Result<(), ModelError> {
    let mut known: Vec<(&str, usize)> = Vec::new();
    for (input, tensor) in inputs.iter().zip(tensors) {
        for (axis, size) in input.shape.iter().flatten().zip(tensor.shape()) {
            let AxisSize::Named(name) = axis else { continue };
            match known.iter().find(|(known, _)| *known == &**name) {
                None => known.push((name, *size)),
                Some((_, expected)) if expected == size => {}
                Some((_, expected)) => {
                    return Err(ModelError::invalid_input(
                        format_args!("inputs.{}: axis `{name}`", input.name),
                        size,
                        format_args!("{expected}, as another input has"),
                    ));
                }
            }
        }
    }
    Ok(())
}

fn check(
    input: &TensorInfo,
    tensor: &Tensor,
    non_finite: NonFiniteInput,
) -> Result<(), ModelError> {
    let field = format_args!("inputs.{}", input.name);
    if let Some(expected) = input.dtype
        && expected != tensor.dtype()
    {
        return Err(ModelError::wrong_form(field, tensor.dtype(), expected));
    }
    if let Some(axes) = &input.shape {
        let fits = axes.len() == tensor.shape().len()
            && axes.iter().zip(tensor.shape()).all(|(axis, size)| match axis {
                AxisSize::Fixed(expected) => expected == size,
                AxisSize::Named(_) | AxisSize::Free => true,
            });
        if !fits {
            return Err(ModelError::wrong_form(
                field,
                format_args!("shape {:?}", tensor.shape()),
                format_args!("shape {}", shape_text(Some(axes))),
            ));
        }
    }
    let allowed = match tensor.data() {
        Data::F32(values) => non_finite.allows(values, f32::is_finite, f32::is_nan),
        Data::F64(values) => non_finite.allows(values, f64::is_finite, f64::is_nan),
        Data::F16(values) => non_finite.allows(values, F16::is_finite, F16::is_nan),
        _ => true,
    };
    if !allowed {
        let (found, expected) = match non_finite {
            NonFiniteInput::Missing => ("an infinity", "finite numbers or NaN"),
            _ => ("a NaN or infinity", "finite numbers"),
        };
        return Err(ModelError::wrong_form(field, found, expected));
    }
    Ok(())
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Graph")
            .field("inputs", &self.0.inputs)
            .field("outputs", &self.outputs().collect::<Vec<_>>())
            .field("sha256", &self.0.sha256)
            .finish_non_exhaustive()
    }
}
