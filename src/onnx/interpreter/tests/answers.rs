//! Results that a plausible misreading of the specification would get wrong.

use super::*;

#[test]
fn strings_are_padded_with_empty_strings() {
    let padded = one(node("Pad", vec![]), &[text(&["a"]), list(vec![1_i64, 1])]);
    assert_eq!(padded, text(&["", "a", ""]));
}

#[test]
fn a_slice_that_goes_back_from_before_the_first_element_takes_the_first() {
    let x = list(vec![0.0_f32, 1.0, 2.0, 3.0, 4.0]);
    let at = |start: i64, end: i64, step: i64| {
        let given = [start, end, 0, step].map(|at| list(vec![at]));
        let inputs: Vec<Tensor> = std::iter::once(x.clone()).chain(given).collect();
        one(node("Slice", vec![]), &inputs)
    };
    // The specification clamps the start to the first element; numpy would return an empty slice.
    assert_eq!(at(-10, -100, -1), list(vec![0.0_f32]));
    assert_eq!(at(10, -100, -2), list(vec![4.0_f32, 2.0, 0.0]));
    assert_eq!(at(-10, 2, 1), list(vec![0.0_f32, 1.0]));
    let none = tensor(&[0], Vec::<f32>::new());
    let given = [-1_i64, -9, 0, -1].map(|at| list(vec![at]));
    let inputs: Vec<Tensor> = std::iter::once(none.clone()).chain(given).collect();
    assert_eq!(one(node("Slice", vec![]), &inputs), none);
}

#[test]
fn a_float_is_cast_to_the_nearest_integer_that_the_type_has() {
    let cast = |values: Vec<f32>, to: i64| one(node("Cast", vec![int("to", to)]), &[list(values)]);
    let whole = cast(vec![1e19, -1.0, f32::NAN, f32::INFINITY], 13);
    assert_eq!(whole, list(vec![9_999_999_980_506_447_872_u64, 0, 0, u64::MAX]));
    assert_eq!(cast(vec![300.0, -1.5, 7.9], 2), list(vec![255_u8, 0, 7]));
    assert_eq!(cast(vec![-300.0, 300.0], 3), list(vec![-128_i8, 127]));
}

#[test]
fn integers_beyond_the_precision_of_floats_are_distinguished() {
    const LARGE: i64 = 1 << 53;
    let x = list(vec![LARGE, LARGE + 1]);
    let keep = || vec![int("keepdims", 0)];
    assert_eq!(one(node("ArgMax", keep()), std::slice::from_ref(&x)), tensor(&[], vec![1_i64]));
    assert_eq!(
        one(node("ArgMin", keep()), &[list(vec![LARGE + 1, LARGE])]),
        tensor(&[], vec![1_i64])
    );
    let same =
        one(node("ReduceSum", vec![int("noop_with_empty_axes", 1)]), std::slice::from_ref(&x));
    assert_eq!(same, x);
    let mean = one(node("ReduceMean", keep()), &[list(vec![LARGE + 1, LARGE + 1])]);
    assert_eq!(mean, tensor(&[], vec![LARGE + 1]));
}

#[test]
fn integers_wrap_as_their_type_does() {
    const LARGEST: u64 = u64::MAX;
    let x = list(vec![LARGEST]);
    assert_eq!(one(node("Mul", vec![]), &[x.clone(), x.clone()]), list(vec![1_u64]));
    let three = list(vec![LARGEST; 3]);
    let keep = vec![int("keepdims", 0)];
    assert_eq!(
        one(node("ReduceSumSquare", keep), std::slice::from_ref(&three)),
        tensor(&[], vec![3_u64])
    );
    let axis = tensor(&[], vec![0_i64]);
    assert_eq!(one(node("CumProd", vec![]), &[three, axis]), list(vec![LARGEST, 1, LARGEST]));
    let (row, column) = (tensor(&[1, 2], vec![LARGEST; 2]), tensor(&[2, 1], vec![LARGEST; 2]));
    assert_eq!(one(node("MatMul", vec![]), &[row, column]), tensor(&[1, 1], vec![2_u64]));
}

#[test]
fn activations_preserve_nan() {
    let x = list(vec![f32::NAN]);
    assert!(one(node("Celu", vec![]), &[x]).as_f32().unwrap()[0].is_nan());
    let x = tensor(&[1, 1, 1], vec![f32::NAN]);
    let w = tensor(&[1, 1, 1], vec![1.0_f32]);
    let relu = || vec![int("hidden_size", 1), words("activations", &["Relu"])];
    assert!(one(node("RNN", relu()), &[x, w.clone(), w]).as_f32().unwrap()[0].is_nan());
}

#[test]
fn nan_is_the_largest_whatever_its_sign() {
    let x = list(vec![1.0_f32, -f32::NAN, 2.0]);
    let two = Asked { outputs: 2, ..ASKED };
    let k = list(vec![2_i64]);
    let found = two.run(node("TopK", vec![]), &[Some(x), Some(k)]).unwrap();
    assert_eq!(found[1], list(vec![1_i64, 2]));
}

#[test]
fn before_version_7_an_attribute_says_where_the_second_input_is_broadcast() {
    let old = Asked { opset: 6, ..ASKED };
    let x = tensor(&[2, 2], vec![1.0_f32, 2.0, 3.0, 4.0]);
    let by = list(vec![10.0_f32, 20.0]);
    let at = |axis| vec![int("broadcast", 1), int("axis", axis)];
    let sum = |axis| old.one(node("Add", at(axis)), &[x.clone(), by.clone()]);
    assert_eq!(sum(0), tensor(&[2, 2], vec![11.0_f32, 12.0, 23.0, 24.0]));
    assert_eq!(sum(1), tensor(&[2, 2], vec![11.0_f32, 22.0, 13.0, 24.0]));
    assert_eq!(
        old.one(node("Greater", at(0)), &[x.clone(), list(vec![1.0_f32, 3.0])]),
        tensor(&[2, 2], vec![false, true, false, true])
    );
    let image = tensor(&[1, 2, 2], vec![-1.0_f32, -1.0, -1.0, -1.0]);
    assert_eq!(
        old.one(node("PRelu", vec![]), &[image, by]),
        tensor(&[1, 2, 2], vec![-10.0_f32, -10.0, -20.0, -20.0])
    );
}

#[test]
fn before_version_6_the_constants_of_selu_had_fewer_digits() {
    let x = list(vec![1.0_f32]);
    let at = |opset| Asked { opset, ..ASKED }.one(node("Selu", vec![]), std::slice::from_ref(&x));
    assert_eq!(at(5), list(vec![1.0507_f32]));
    assert_eq!(at(6), list(vec![1.050_701_f32]));
}

#[test]
fn a_loop_without_iterations_gives_as_many_axes_as_its_body_declares() {
    let graph = GraphProto {
        node: vec![step("Identity", &["c"], "on"), step("Add", &["2", "2"], "o")],
        input: vec![value("i", 7, &[]), value("c", 9, &[])],
        output: vec![value("on", 9, &[]), value("o", 7, &[3])],
        ..GraphProto::default()
    };
    let none = tensor(&[], vec![0_i64]);
    let go = tensor(&[], vec![true]);
    let made = one(node("Loop", vec![body("body", graph)]), &[none, go]);
    assert_eq!(made, tensor(&[0, 3], Vec::<i64>::new()));
}

#[test]
fn in_the_batch_first_layout_the_initial_states_are_batch_first_too() {
    // One step of h = tanh(x + h) in both directions, for two samples.
    let x = tensor(&[2, 1, 1], vec![0.0_f32, 0.0]);
    let w = tensor(&[2, 1, 1], vec![0.0_f32, 0.0]);
    let r = tensor(&[2, 1, 1], vec![1.0_f32, 1.0]);
    let h = tensor(&[2, 2, 1], vec![0.1_f32, 0.2, 0.3, 0.4]);
    let attributes =
        vec![int("hidden_size", 1), int("layout", 1), word("direction", "bidirectional")];
    let inputs = [Some(x), Some(w), Some(r), None, None, Some(h)];
    let both = Asked { outputs: 2, ..ASKED };
    let made = both.run(node("RNN", attributes), &inputs).unwrap();
    let expected: Vec<f32> =
        [0.1_f32, 0.2, 0.3, 0.4].iter().map(|h| f64::from(*h).tanh() as f32).collect();
    assert_eq!(made[1], tensor(&[2, 2, 1], expected));
}

#[test]
fn a_quantised_softmax_of_an_old_version_applies_to_all_following_axes() {
    let mut old = node("QLinearSoftmax", vec![int("axis", 1), int("opset", 12)]);
    old.domain = "com.microsoft".into();
    let scale = |scale: f32| tensor(&[], vec![scale]);
    let zero = tensor(&[], vec![0_u8]);
    let x = tensor(&[1, 2, 2], vec![7_u8; 4]);
    let made = one(old, &[x, scale(1.0), zero.clone(), scale(1.0 / 256.0), zero]);
    assert_eq!(made, tensor(&[1, 2, 2], vec![64_u8; 4]));
}

#[test]
fn the_size_of_a_resize_is_computed_in_32_bit_floats() {
    let x = tensor(&[10], (0..10).map(|at| at as f32).collect::<Vec<_>>());
    let attributes = || {
        vec![
            word("mode", "nearest"),
            word("coordinate_transformation_mode", "asymmetric"),
            word("nearest_mode", "floor"),
        ]
    };
    // 0.7 as a 32-bit float is below 7/10; its product with 10 is rounded to 7.
    let scale = Some(list(vec![0.7_f32]));
    let made = ASKED.run(node("Resize", attributes()), &[Some(x), None, scale]).unwrap();
    assert_eq!(made[0].shape(), [7]);
}

#[test]
fn in_version_10_the_nearest_element_of_a_smaller_image_is_the_next() {
    let x = tensor(&[4], vec![1.0_f32, 2.0, 3.0, 4.0]);
    let tenth = Asked { opset: 10, ..ASKED };
    let smaller = tenth.one(node("Resize", vec![]), &[x.clone(), list(vec![0.6_f32])]);
    assert_eq!(smaller, list(vec![1.0_f32, 3.0]));
    let larger = tenth.one(node("Resize", vec![]), &[x, list(vec![1.5_f32])]);
    assert_eq!(larger, list(vec![1.0_f32, 1.0, 2.0, 3.0, 3.0, 4.0]));
}

#[test]
fn an_einsum_over_an_axis_of_size_0_is_zero() {
    let x = tensor(&[2, 0], Vec::<f32>::new());
    assert_eq!(one(node("Einsum", vec![word("equation", "ij->i")]), &[x]), list(vec![0.0_f32; 2]));
}

#[test]
fn diagonals_far_outside_of_a_matrix_keep_nothing_or_everything() {
    let x = tensor(&[1, 2], vec![1.0_f32, 2.0]);
    let at = |k: i64, upper: i64| {
        let k = tensor(&[], vec![k]);
        one(node("Trilu", vec![int("upper", upper)]), &[x.clone(), k])
    };
    assert_eq!(at(i64::MIN, 1), x);
    assert_eq!(at(i64::MAX, 0), x);
    assert_eq!(
        one(node("EyeLike", vec![int("k", i64::MAX)]), std::slice::from_ref(&x)),
        tensor(&[1, 2], vec![0.0_f32; 2])
    );
}
