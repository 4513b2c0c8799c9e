//! Axes whose size a file leaves open: fixed when the model is loaded, given several sizes, or
//! bounded.

use modelgate::{
    Model, ModelError,
    onnx::{self, AxisSize},
    tensor::{Tensor, Tensors},
};
use tract_onnx::pb::ValueInfoProto;

use crate::write::{ints, model, node, value};

/// The mean of each image after pooling. The declared shape of the pooled value names axes that no
/// input has.
fn images() -> Vec<u8> {
    let mut pool = node("MaxPool", &["x"], "pooled");
    pool.attribute.push(ints("kernel_shape", &[2, 2]));
    pool.attribute.push(ints("strides", &[2, 2]));
    model(
        vec![pool, node("GlobalAveragePool", &["pooled"], "y")],
        vec![value("x", &["batch", "1", "height", "width"])],
        vec![
            value("y", &["batch", "1", "1", "1"]),
            value("pooled", &["batch", "1", "height/2", "width/2"]),
        ],
        Vec::new(),
    )
}

fn image(height: usize, width: usize) -> Tensors {
    let values: Vec<f32> = (0..height * width).map(|value| value as f32).collect();
    Tensors::new().with("x", Tensor::new([1, 1, height, width], values).unwrap())
}

fn mean(graph: &onnx::Graph, height: usize, width: usize) -> Result<f32, ModelError> {
    let outputs = graph.predict(&image(height, width))?;
    Ok(outputs.get("y").unwrap().as_f32().unwrap()[0])
}

#[test]
fn a_fixed_axis_accepts_its_size_only() {
    let graph = onnx::Graph::builder()
        .axis("height", 4)
        .axis("width", 6)
        .graph_from_bytes(&images())
        .unwrap();
    let shape = graph.inputs()[0].shape.clone().unwrap();
    assert_eq!(shape[2..], [AxisSize::Fixed(4), AxisSize::Fixed(6)]);
    assert_eq!(mean(&graph, 4, 6).unwrap(), 15.0);
    let refused = mean(&graph, 6, 6).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "inputs.x: found shape [1, 1, 6, 6], expected shape [batch, 1, 4, 6]"
    );
}

#[test]
fn several_sizes_are_prepared_in_every_combination() {
    let graph = onnx::Graph::builder()
        .axis("height", [4, 8])
        .axis("width", [6, 2])
        .graph_from_bytes(&images())
        .unwrap();
    let open = onnx::Graph::from_bytes(&images()).unwrap();
    for (height, width) in [(4, 6), (4, 2), (8, 6), (8, 2)] {
        assert_eq!(mean(&graph, height, width).unwrap(), mean(&open, height, width).unwrap());
    }
    let refused = mean(&graph, 6, 6).unwrap_err();
    assert_eq!(refused.to_string(), "inputs.x: axis `height`: found 6, expected 4 or 8");
}

#[test]
fn a_size_outside_of_the_range_is_refused() {
    let graph = onnx::Graph::builder()
        .axis("height", 2..=8)
        .axis("x[3]", 4)
        .graph_from_bytes(&images())
        .unwrap();
    let open = onnx::Graph::from_bytes(&images()).unwrap();
    for height in [2, 4, 8] {
        assert_eq!(mean(&graph, height, 4).unwrap(), mean(&open, height, 4).unwrap());
    }
    let refused = mean(&graph, 10, 4).unwrap_err();
    assert_eq!(refused.to_string(), "inputs.x: axis `height`: found 10, expected 2 to 8");
}

#[test]
fn an_unknown_axis_is_refused_and_the_error_lists_the_known_ones() {
    let refused =
        |loader: onnx::Loader| loader.graph_from_bytes(&images()).unwrap_err().to_string();
    let builder = onnx::Graph::builder;
    assert_eq!(
        refused(builder().axis("hight", 4)),
        "axis: found `hight`, expected one of the axes that the file leaves open: `batch`, `height`, \
         `width`"
    );
    assert_eq!(
        refused(builder().axis("x[1]", 3)),
        "axis: found 3 for `x[1]`, expected 1, as the file says"
    );
    assert_eq!(
        refused(builder().axis("height", [0; 0])),
        "axis: found no size for `height`, expected at least one size, each of at least 1"
    );
    let many: Vec<usize> = (1..=10).collect();
    assert_eq!(
        refused(builder().axis("height", many.clone()).axis("width", many)),
        "axis: found more than 64 combinations of sizes, expected fewer sizes, or a range"
    );
}

#[test]
fn a_row_classifier_reports_which_axis_must_be_fixed() {
    let file = model(
        vec![
            node("GlobalAveragePool", &["x"], "pooled"),
            node("Flatten", &["pooled"], "flat"),
            node("Softmax", &["flat"], "probabilities"),
        ],
        vec![value("x", &["batch", "3", "height", ""])],
        vec![value("probabilities", &["batch", "3"])],
        Vec::new(),
    );
    let error = onnx::Classifier::from_bytes(&file).unwrap_err();
    assert_eq!(
        error.to_string(),
        "shape of `x`: found [batch, 3, height, ?], expected a known size of `height`: say it with \
         `axis(\"height\", size)`"
    );
    let error = onnx::Classifier::builder().axis("height", 2).from_bytes(&file).unwrap_err();
    assert!(
        error.to_string().ends_with("a known size of `x[3]`: say it with `axis(\"x[3]\", size)`")
    );
    let loader = onnx::Classifier::builder().axis("height", 2).axis("x[3]", 5);
    let classifier = loader.from_bytes(&file).unwrap();
    assert_eq!(classifier.input_len(), 30);
    assert_eq!(classifier.predict(&[0.5; 30]).unwrap().probabilities.len(), 3);
    let error = onnx::Classifier::builder().axis("height", [2, 4]).from_bytes(&file).unwrap_err();
    assert_eq!(
        error.to_string(),
        "axis: found 2 or 4 for `height`, expected one size (several are for `load_graph`)"
    );
}

#[test]
fn a_question_mark_is_not_an_axis_name() {
    let mut pool = node("MaxPool", &["x"], "y");
    pool.attribute.push(ints("kernel_shape", &[1, 1]));
    let file = model(
        vec![pool],
        vec![value("x", &["batch", "1", "?", "?"])],
        vec![value("y", &["batch", "1", "?", "?"])],
        Vec::new(),
    );
    let graph = onnx::Graph::from_bytes(&file).unwrap();
    assert_eq!(graph.inputs()[0].shape.as_ref().unwrap()[2..], [AxisSize::Free, AxisSize::Free]);
    let outputs = graph.predict(&image(2, 3)).unwrap();
    assert_eq!(outputs.get("y").unwrap().shape(), [1, 1, 2, 3]);
}

#[test]
fn a_graph_that_no_engine_can_run_at_every_size_reports_which_axes_to_fix() {
    // The interpreter has no `Multinomial`. tract has it, but cannot flatten two open axes into
    // one.
    let file = model(
        vec![node("Flatten", &["x"], "flat"), node("Multinomial", &["flat"], "y")],
        vec![value("x", &["batch", "1", "height", ""])],
        vec![ValueInfoProto { name: "y".into(), ..ValueInfoProto::default() }],
        Vec::new(),
    );
    let error = onnx::Graph::from_bytes(&file).unwrap_err();
    let onnx::LoadError::OpenAxes { axes, .. } = &error else { panic!("{error}") };
    assert_eq!(axes.iter().map(|axis| &**axis).collect::<Vec<_>>(), ["height", "x[3]"]);
    assert_eq!(
        error.to_string(),
        "the engine cannot prepare the graph for every size of `height`, `x[3]`: say the sizes with \
         `axis(\"height\", size)`"
    );
    assert!(std::error::Error::source(&error).is_some());
    let loader = onnx::Graph::builder().axis("height", 4).axis("x[3]", 2);
    let drawn = loader.graph_from_bytes(&file).unwrap().predict(&image(4, 2)).unwrap();
    assert_eq!(drawn.get("y").unwrap().shape(), [1, 1]);
}
