//! Small inputs that would take much work or memory are refused, or handled within bounds.

use super::*;

fn refused(node: NodeProto, inputs: &[Tensor]) {
    refused_within(u64::MAX, node, inputs);
}

fn refused_within(budget: u64, node: NodeProto, inputs: &[Tensor]) {
    let operator = node.op_type.clone();
    let inputs: Vec<Option<Tensor>> = inputs.iter().cloned().map(Some).collect();
    let answer = Asked { budget, ..ASKED }.run(node, &inputs);
    let error = answer.expect_err(&operator);
    assert!(error.contains(&operator), "{error}");
}

fn ones(shape: &[usize]) -> Tensor {
    tensor(shape, vec![1.0_f32; shape.iter().product()])
}

#[test]
fn a_region_much_larger_than_its_image_is_not_sampled() {
    let region = tensor(&[1, 4], vec![0.0_f32, 0.0, 1e30, 1e30]);
    refused(node("RoiAlign", vec![]), &[ones(&[1, 1, 2, 2]), region, list(vec![0_i64])]);
}

#[test]
fn a_band_beyond_all_frequencies_has_no_weights() {
    let number = |number: f32| tensor(&[], vec![number]);
    let (bands, length, rate) =
        (tensor(&[], vec![1_i64]), tensor(&[], vec![4_i64]), tensor(&[], vec![1_i64]));
    let made =
        one(node("MelWeightMatrix", vec![]), &[bands, length, rate, number(1e18), number(1e20)]);
    assert_eq!(made, tensor(&[3, 1], vec![0.0_f32; 3]));
}

#[test]
fn pooling_counts_its_work_for_every_plane() {
    let planes = ones(&[1, 1 << 12, 1]);
    let wide = vec![ints("kernel_shape", &[1]), ints("pads", &[1 << 15, 1 << 15])];
    for operator in ["MaxPool", "AveragePool"] {
        refused(node(operator, wide.clone()), std::slice::from_ref(&planes));
    }
}

#[test]
fn long_texts_are_not_repeated_without_bound() {
    let long = "ab ".repeat(1 << 16);
    let mut texts = vec!["a"; 1 << 12];
    texts[0] = &long;
    refused(node("StringSplit", vec![]), &[text(&texts)]);
    let mut tokenizer = node("Tokenizer", vec![int("mincharnum", 1), words("separators", &[" "])]);
    tokenizer.domain = "com.microsoft".into();
    refused(tokenizer, &[text(&texts)]);
    let very = "a".repeat(1 << 20);
    refused(node("Expand", vec![]), &[text(&[&very]), list(vec![1_i64 << 12])]);
}

#[test]
fn a_constant_that_a_loop_stacks_is_counted_before_it_is_copied() {
    let graph = GraphProto {
        node: vec![step("Identity", &["c"], "on"), step("Identity", &["2"], "o")],
        input: vec![value("i", 7, &[]), value("c", 9, &[])],
        output: vec![value("on", 9, &[]), value("o", 1, &[1 << 20])],
        ..GraphProto::default()
    };
    let (rounds, go) = (tensor(&[], vec![1_i64 << 12]), tensor(&[], vec![true]));
    // The third input is a loop-carried value, so that the body has a large value to repeat.
    let mut graph = graph;
    graph.input.push(value("2", 1, &[1 << 20]));
    graph.output.insert(1, value("2", 1, &[1 << 20]));
    refused(node("Loop", vec![body("body", graph)]), &[rounds, go, ones(&[1 << 20])]);
}

#[test]
fn an_empty_input_with_an_enormous_other_axis_is_refused() {
    let none = tensor(&[1 << 40, 1 << 20, 0], Vec::<f32>::new());
    let answer = ASKED.run(node("Neg", vec![]), &[Some(none)]);
    assert!(answer.unwrap_err().contains("too large"));
}

#[test]
fn work_is_deducted_from_the_budget() {
    const BUDGET: u64 = 10_000;
    refused_within(BUDGET, node("Det", vec![]), &[ones(&[64, 64])]);
    refused_within(BUDGET, node("LRN", vec![int("size", 256)]), &[ones(&[1, 256, 1])]);
    let scores = tensor(&[1, 1, 256], (0..256).map(|at| at as f32).collect::<Vec<_>>());
    let apart: Vec<f32> =
        (0..256).flat_map(|at| [at as f32 * 2.0, 0.0, at as f32 * 2.0 + 1.0, 1.0]).collect();
    let boxes = tensor(&[1, 256, 4], apart);
    refused_within(
        BUDGET,
        node("NonMaxSuppression", vec![]),
        &[boxes, scores, tensor(&[], vec![256_i64])],
    );
    let grid = tensor(&[1, 64, 64, 2], vec![0.0_f32; 64 * 64 * 2]);
    refused_within(
        BUDGET,
        node("GridSample", vec![word("mode", "cubic")]),
        &[ones(&[1, 1, 2, 2]), grid],
    );
}
