//! An ONNX file, read for what ONNX Runtime does not check or tell: its external weights and the
//! description of its inputs and outputs.

mod wire;
mod zip_map;

use std::{collections::BTreeMap, sync::Arc};

use prost::{Message, bytes::Bytes};

use super::{
    Document, ExternalData, Graph, ParsedFile, Runtime,
    external::Files,
    proto::{self, Axis, Model, Node, Tensor, Value},
};
use crate::onnx::{AxisSize, LoadError, TensorInfo, describe};

/// A file to make sessions from.
#[derive(Clone)]
pub(in crate::onnx::engine) struct File {
    /// Shared with the plans, which create a session for shadows from it later.
    pub(super) bytes: Arc<Vec<u8>>,
    /// The files of external weights, by their `location` in the model.
    pub(super) external_data: Arc<BTreeMap<Box<str>, Arc<[u8]>>>,
    pub(super) runtime: Runtime,
}

/// Reads and checks the bytes of a file.
pub(super) fn read(
    bytes: &[u8],
    external_data: &ExternalData<'_>,
    runtime: &Runtime,
) -> Result<Document, LoadError> {
    let not_onnx = |detail: &str| LoadError::NotOnnx { detail: detail.into() };
    if bytes.is_empty() {
        return Err(not_onnx("the file is empty"));
    }
    let damaged = || not_onnx("the file is damaged, cut short, or of another format");
    let model = Model::decode(Bytes::copy_from_slice(bytes)).map_err(|_| damaged())?;
    let graph = model.graph.as_ref().ok_or_else(|| not_onnx("it holds no graph"))?;
    if graph.outputs.is_empty() {
        return Err(not_onnx("its graph has no output"));
    }
    if model.operator_sets.is_empty() {
        return Err(not_onnx("it names no operator set"));
    }
    let mut files = Files::new(external_data);
    for tensor in graph.initializers.iter().filter(|tensor| tensor.is_elsewhere()) {
        let entries = tensor.external_data.iter().map(|entry| (&*entry.key, &*entry.value));
        files.bytes(&tensor.name, (&tensor.dims, tensor.element), entries)?;
    }
    // ONNX Runtime would open these by itself, wherever they are.
    if let Some(name) = graph.nodes.iter().find_map(Node::elsewhere) {
        return Err(LoadError::ExternalData { tensor: name.into() });
    }
    let external_data = Arc::new(files.done()?);
    let mut outputs: Vec<TensorInfo> = graph.outputs.iter().map(Value::describe).collect();
    let maps = zip_map::find(bytes).ok_or_else(damaged)?;
    for map in &maps {
        for output in outputs.iter_mut().filter(|output| *output.name == *map.output) {
            *output = map.describe();
        }
    }
    let bytes = match &maps[..] {
        [] => bytes.to_vec(),
        maps => zip_map::replace(bytes, maps).ok_or_else(damaged)?,
    };
    let initial = |name: &str| graph.initializers.iter().any(|tensor| tensor.name == name);
    let inputs = graph.inputs.iter().filter(|input| !initial(&input.name));
    let inputs = inputs.map(Value::describe).collect();
    let file = File { bytes: Arc::new(bytes), external_data, runtime: runtime.clone() };
    Ok(Document {
        inputs,
        outputs,
        parsed_file: ParsedFile::of(model),
        graph: Graph::Runtime(file),
    })
}

impl Node {
    /// The first tensor inside the node, or a graph in it, whose weights are in another file.
    fn elsewhere(&self) -> Option<&str> {
        self.attributes.iter().find_map(|attribute| {
            let graphs = attribute.graph.iter().map(|graph| &**graph).chain(&attribute.graphs);
            let own = attribute.tensor.iter().chain(&attribute.tensors);
            let within = graphs.clone().flat_map(|graph| &graph.initializers);
            let tensor = own.chain(within).find(|tensor| tensor.is_elsewhere());
            tensor
                .map(|tensor| &*tensor.name)
                .or_else(|| graphs.flat_map(|graph| &graph.nodes).find_map(Node::elsewhere))
        })
    }
}

impl Tensor {
    fn is_elsewhere(&self) -> bool {
        self.data_location == 1 || !self.external_data.is_empty()
    }
}

impl Value {
    fn describe(&self) -> TensorInfo {
        let tensor = self.r#type.as_ref().and_then(|r#type| r#type.tensor.as_ref());
        let shape = tensor.and_then(|tensor| tensor.shape.as_ref());
        TensorInfo {
            name: self.name.as_str().into(),
            dtype: tensor.and_then(|tensor| describe::dtype(tensor.element)),
            shape: shape.map(|shape| shape.axes.iter().map(Axis::describe).collect()),
        }
    }
}

impl Axis {
    fn describe(&self) -> AxisSize {
        AxisSize::new(self.size, self.name.as_deref())
    }
}
