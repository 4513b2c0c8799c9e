//! Inputs for which the specification defines no result are refused with an error that names the
//! operator.

use super::*;

fn refused(node: NodeProto, inputs: &[Option<Tensor>]) {
    let (operator, attributes) = (node.op_type.clone(), node.attribute.clone());
    let answer = Asked { outputs: 1, ..ASKED }.run(node, inputs);
    let error = answer.expect_err(&format!("{operator} {attributes:?} of {inputs:?}"));
    assert!(error.contains(&operator), "{error}");
}

/// Asserts that an operator refuses these inputs.
fn never(operator: &str, attributes: Vec<AttributeProto>, inputs: &[Tensor]) {
    let inputs: Vec<Option<Tensor>> = inputs.iter().cloned().map(Some).collect();
    refused(node(operator, attributes), &inputs);
}

fn ones(shape: &[usize]) -> Tensor {
    tensor(shape, vec![1.0_f32; shape.iter().product()])
}

#[test]
fn numbers_are_never_read_as_strings() {
    const TEXT: i64 = 8;
    never("EyeLike", vec![int("dtype", TEXT)], &[ones(&[2, 2])]);
    never("HannWindow", vec![int("output_datatype", TEXT)], &[tensor(&[], vec![4_i64])]);
    let (x, scale) = (list(vec![1_u8]), tensor(&[], vec![1.0_f32]));
    never("DequantizeLinear", vec![int("output_dtype", TEXT)], &[x, scale.clone()]);
    let none = tensor(&[0], Vec::<f32>::new());
    never("QuantizeLinear", vec![int("output_dtype", TEXT)], &[none, scale]);
}

#[test]
fn an_operator_of_another_domain_is_not_the_standard_one_of_its_name() {
    // The inputs or outputs of these differ from the standard operator's in order or meaning.
    for operator in ["Unique", "Attention", "RotaryEmbedding", "Pad"] {
        let mut other = node(operator, vec![]);
        other.domain = "com.microsoft".into();
        refused(other, &[Some(ones(&[2]))]);
    }
    for operator in ["Gelu", "Trilu", "Range", "GridSample"] {
        let mut same = node(operator, vec![]);
        same.domain = "com.microsoft".into();
        assert!(crate::onnx::interpreter::knows(&same), "{operator}");
    }
}

#[test]
fn element_types_that_an_operator_does_not_support() {
    let (x, y) = (list(vec![1.5_f32]), list(vec![1.0_f32]));
    for operator in ["BitwiseAnd", "BitwiseOr", "BitwiseXor", "Mod"] {
        never(operator, vec![], &[x.clone(), y.clone()]);
    }
    never("BitShift", vec![word("direction", "LEFT")], &[x, y]);
}

#[test]
fn parts_that_do_not_fit() {
    let two = Asked { outputs: 2, ..ASKED };
    let uneven = two.run(node("Split", vec![]), &[Some(ones(&[5]))]);
    assert!(uneven.is_err(), "{uneven:?}");
    never("Tile", vec![], &[ones(&[2]), list(vec![-1_i64])]);
    never("Unsqueeze", vec![], &[ones(&[2]), list(vec![0_i64, 0])]);
    let twice = list(vec![0_i64, 0]);
    refused(
        node("Pad", vec![]),
        &[Some(ones(&[2])), Some(list(vec![1_i64, 1, 1, 1])), None, Some(twice)],
    );
    never("SplitToSequence", vec![], &[ones(&[2]), tensor(&[], vec![0_i64])]);
    never("ReverseSequence", vec![], &[ones(&[2, 1]), list(vec![3_i64])]);
    let number = |number: f32| tensor(&[], vec![number]);
    never("Range", vec![], &[number(1.0), number(1.0), number(0.0)]);
    never("Einsum", vec![word("equation", "ij->ii")], &[ones(&[2, 2])]);
    never("ArgMax", vec![], &[tensor(&[0, 2], Vec::<f32>::new())]);
}

#[test]
fn indices_out_of_range() {
    let x = ones(&[2, 2]);
    never("GatherND", vec![], &[x.clone(), tensor(&[1, 0], Vec::<i64>::new())]);
    let at = tensor(&[1, 2], vec![0_i64, 0]);
    never("ScatterElements", vec![], &[x.clone(), at, ones(&[2, 1])]);
    never("ScatterND", vec![], &[x, tensor(&[1, 1], vec![0_i64]), ones(&[2])]);
    let (cache, update) = (ones(&[1, 3, 1]), ones(&[1, 1, 1]));
    for start in [-1_i64, i64::MAX] {
        never("TensorScatter", vec![], &[cache.clone(), update.clone(), list(vec![start])]);
    }
    let (pooled, indices) = (ones(&[1, 1, 1]), tensor(&[1, 1, 1], vec![9_i64]));
    never("MaxUnpool", vec![ints("kernel_shape", &[2])], &[pooled, indices]);
}

#[test]
fn numbers_of_factors_that_do_not_match_their_axes() {
    let x = ones(&[1, 2, 2, 2]);
    let kernel = ones(&[2, 2, 1, 1]);
    never("Conv", vec![], &[x.clone(), kernel.clone(), list(vec![1.0_f32])]);
    never("ConvTranspose", vec![], &[x.clone(), kernel, list(vec![1.0_f32])]);
    let groups = vec![int("num_groups", 1)];
    never("GroupNormalization", groups, &[x, ones(&[3]), ones(&[3])]);
    let (y, scales) = (ones(&[1, 2]), list(vec![1.0_f32, 1.0]));
    never("QuantizeLinear", vec![], &[y.clone(), scales, list(vec![0_u8])]);
    let blocks = vec![int("axis", 1), int("block_size", 2)];
    never("QuantizeLinear", blocks, &[ones(&[2, 4]), ones(&[4, 2])]);
    let (boxes, scores) = (ones(&[1, 2, 4]), ones(&[1, 1, 3]));
    never("NonMaxSuppression", vec![], &[boxes, scores, tensor(&[], vec![1_i64])]);
}

#[test]
fn time_steps_beyond_the_end_of_a_sequence() {
    let (x, w) = (ones(&[2, 1, 1]), ones(&[1, 1, 1]));
    for length in [-1_i32, 3] {
        let lengths = Some(list(vec![length]));
        let inputs = [Some(x.clone()), Some(w.clone()), Some(w.clone()), None, lengths];
        refused(node("RNN", vec![int("hidden_size", 1)]), &inputs);
    }
    let names = || vec![int("hidden_size", 1), words("activations", &["Tanh", "Tanh", "Tanh"])];
    never("RNN", names(), &[x, w.clone(), w]);
    let graph = GraphProto {
        node: vec![step("Add", &["a", "b"], "o")],
        input: vec![value("a", 1, &[]), value("b", 1, &[])],
        output: vec![value("o", 1, &[])],
        ..GraphProto::default()
    };
    let scan = vec![int("num_scan_inputs", 2), body("body", graph)];
    never("Scan", scan, &[ones(&[2]), ones(&[3])]);
}

#[test]
fn heads_whose_sizes_do_not_match() {
    let q = ones(&[1, 1, 2, 4]);
    never("Attention", vec![], &[q.clone(), ones(&[1, 1, 2, 2]), ones(&[1, 1, 2, 4])]);
    never("Attention", vec![], &[q.clone(), q.clone(), ones(&[1, 1, 1, 4])]);
    never(
        "LinearAttention",
        vec![int("q_num_heads", 1), int("kv_num_heads", 1), word("update_rule", "linear")],
        &[ones(&[1, 2, 4]), ones(&[1, 2, 2]), ones(&[1, 2, 4])],
    );
    never("RotaryEmbedding", vec![], &[q.clone(), ones(&[1, 2, 4]), ones(&[1, 2, 4])]);
    let cache = ones(&[4, 2]);
    never("RotaryEmbedding", vec![], &[q, cache.clone(), cache, tensor(&[1, 1], vec![0_i64])]);
    let state = Some(ones(&[1, 1, 5]));
    let inputs = [Some(ones(&[1, 1, 3])), Some(ones(&[1, 1, 2])), None, state];
    refused(node("CausalConvWithState", vec![]), &inputs);
}

#[test]
fn signals_and_images_of_the_wrong_shape() {
    let x = ones(&[1, 4, 2]);
    never("DFT", vec![], &[x.clone(), tensor(&[], vec![4_i64]), tensor(&[], vec![2_i64])]);
    never("DFT", vec![], &[x, tensor(&[], vec![-4_i64])]);
    let (step, length) = (tensor(&[], vec![2_i64]), tensor(&[], vec![4_i64]));
    never("STFT", vec![], &[ones(&[1, 8, 1]), step, ones(&[2]), length]);
    let image = ones(&[1, 1, 2, 2, 2]);
    let by_columns = vec![ints("kernel_shape", &[1, 1, 1]), int("storage_order", 1)];
    never("MaxPool", by_columns, &[image]);
}
