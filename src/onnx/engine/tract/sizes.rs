//! Changes the sizes of axes in a model: removes names that mean nothing, and fills in sizes that the
//! caller gives.

use tract_onnx::pb::{
    GraphProto, ModelProto, ValueInfoProto,
    tensor_shape_proto::{Dimension, dimension::Value as Size},
    type_proto::Value as Type,
};

use crate::onnx::{AxisSize, TensorInfo, axes};

/// Removes the `?` that some exporters write for a size without a name. tract would take it for a
/// name, and all axes of one name must have the same size.
pub(super) fn forget_question_marks(graph: &mut GraphProto) {
    each(graph, &mut |axis| {
        if matches!(&axis.value, Some(Size::DimParam(name)) if name == "?") {
            axis.value = None;
        }
    });
}

/// Writes the sizes of these inputs into the model, now that the axis `name` has one. Symbolic sizes of
/// other tensors that refer to an axis which no input has any more are removed, for tract to infer.
pub(in crate::onnx::engine) fn fix(model: &mut ModelProto, name: &str, inputs: &[TensorInfo]) {
    let Some(graph) = &mut model.graph else { return };
    let still = |axis: &str| {
        let axes = inputs.iter().flat_map(|input| input.shape.iter().flatten());
        axes.into_iter().any(|known| matches!(known, AxisSize::Named(known) if **known == *axis))
    };
    each(graph, &mut |axis| {
        if matches!(&axis.value, Some(Size::DimParam(found))
            if axes::mentions(found, name) || !still(found))
        {
            axis.value = None;
        }
    });
    for described in inputs {
        let input = graph.input.iter_mut().find(|input| *input.name == *described.name);
        let axes = input.and_then(shape).into_iter().flatten();
        for (axis, size) in axes.zip(described.shape.iter().flatten()) {
            if let Some(size) = size.fixed().and_then(|size| i64::try_from(size).ok()) {
                axis.value = Some(Size::DimValue(size));
            }
        }
    }
}

fn shape(value: &mut ValueInfoProto) -> Option<&mut Vec<Dimension>> {
    match value.r#type.as_mut()?.value.as_mut()? {
        Type::TensorType(tensor) => tensor.shape.as_mut().map(|shape| &mut shape.dim),
    }
}

fn each(graph: &mut GraphProto, visit: &mut dyn FnMut(&mut Dimension)) {
    let values = graph.input.iter_mut().chain(&mut graph.output).chain(&mut graph.value_info);
    values.filter_map(shape).flatten().for_each(&mut *visit);
    for attribute in graph.node.iter_mut().flat_map(|node| &mut node.attribute) {
        for graph in attribute.g.iter_mut().chain(&mut attribute.graphs) {
            each(graph, visit);
        }
    }
}
