//! `TreeEnsembleClassifier`, `TreeEnsembleRegressor` and `TreeEnsemble`.

use modelgate::tensor::Tensor;

use crate::{
    file::{assert_near, f32s, f64s, node, rows, texts, u8s},
    tree_nodes::{Numbers, Tree, classifier, ensemble, leaf, regressor, split},
};

const MODES: [&str; 6] =
    ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"];

fn column() -> Vec<f32> {
    vec![0.0, 0.5, 1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY]
}

#[test]
fn every_mode_compares_as_it_says_and_missing_values_go_where_they_are_sent() {
    for (mode, passes) in MODES.iter().zip([
        [1, 1, 0, 0, 0, 1],
        [1, 0, 0, 0, 0, 1],
        [0, 1, 1, 0, 1, 0],
        [0, 0, 1, 0, 1, 0],
        [0, 1, 0, 0, 0, 0],
        [1, 0, 1, 1, 1, 1],
    ]) {
        let stump = split(0, mode, 0.5, leaf(0, 1.0), leaf(0, 0.0));
        let expected: Vec<f32> = passes.map(|pass: u8| f32::from(pass)).to_vec();
        let mut sent = expected.clone();
        sent[3] = 1.0;
        for (tree, expected) in [(stump.clone(), expected), (stump.missing_is_true(), sent)] {
            let found = regressor(1, std::slice::from_ref(&tree)).one(rows(1, column()));
            assert_near(&found, &expected);
            let found = ensemble(1, std::slice::from_ref(&tree)).one(rows(1, column()));
            assert_near(&found, &expected);
            let doubles: Vec<f64> = column().into_iter().map(f64::from).collect();
            let found = ensemble(1, &[tree]).one(rows(1, doubles));
            let found: Vec<f32> = found.as_f64().unwrap().iter().map(|v| *v as f32).collect();
            assert_eq!(found, expected, "{mode}");
        }
    }
}

fn plain(trees: &[Tree], row: &[f32], targets: usize) -> Vec<f32> {
    let mut scores = vec![0.0; targets];
    for tree in trees {
        for (target, weight) in tree.votes(row) {
            scores[*target as usize] += weight;
        }
    }
    scores
}

#[test]
fn forests_of_any_shape_are_walked_as_the_specification_has_it() {
    let mut numbers = Numbers(7);
    for (modes, targets, votes, depth) in [
        (&["BRANCH_LEQ"][..], 1, 1, 4),
        (&["BRANCH_LT"], 1, 1, 12),
        (&["BRANCH_GT"], 3, 1, 4),
        (&["BRANCH_GTE"], 3, 2, 9),
        (&["BRANCH_LEQ", "BRANCH_EQ"], 2, 3, 5),
        (&MODES, 1, 1, 6),
        (&MODES, 4, 2, 11),
        (&MODES, 70, 1, 3),
    ] {
        let count = 3 + numbers.next(20) as usize;
        let trees: Vec<Tree> =
            (0..count).map(|_| numbers.tree(depth, modes, targets, votes)).collect();
        let targets = targets as usize;
        let values: Vec<f32> = (0..5 * 83).map(|_| numbers.value()).collect();
        let expected: Vec<f32> =
            values.chunks(5).flat_map(|row| plain(&trees, row, targets)).collect();
        let forest = regressor(targets as i64, &trees);
        // However many rows come together, each is answered as alone: to the bit.
        let loaded = forest.load(&[rows(5, values.clone())]).unwrap();
        for together in [1, 7, 8, 19, 64, 83] {
            let mut found = Vec::new();
            for chunk in values.chunks(5 * together) {
                let input = modelgate::tensor::Tensors::new().with("x0", rows(5, chunk.to_vec()));
                let outputs = modelgate::Model::predict(&loaded, &input).unwrap();
                found.extend_from_slice(outputs.get("y0").unwrap().as_f32().unwrap());
            }
            assert_eq!(found, expected, "{modes:?} {targets} by {together}");
        }
    }
}

#[test]
fn many_rows_on_several_threads_are_answered_in_order() {
    let mut numbers = Numbers(3);
    let trees: Vec<Tree> = (0..40).map(|_| numbers.tree(4, &MODES, 2, 1)).collect();
    let values: Vec<f32> = (0..5 * 3_000).map(|_| numbers.value()).collect();
    let expected: Vec<f32> = values.chunks(5).flat_map(|row| plain(&trees, row, 2)).collect();
    let found = regressor(2, &trees).one(rows(5, values.clone()));
    assert_eq!(found.as_f32().unwrap(), expected);
    let found = classifier(&[10, 20], &trees).run(&[rows(5, values)]);
    let labels: Vec<i64> =
        expected.chunks(2).map(|scores| if scores[1] > scores[0] { 20 } else { 10 }).collect();
    assert_eq!(found[0].as_i64().unwrap(), labels);
}

#[test]
fn votes_are_counted_in_every_way() {
    let trees = [
        split(0, "BRANCH_LEQ", 0.5, leaf(0, 1.0), leaf(1, 4.0)),
        split(0, "BRANCH_LEQ", 0.5, leaf(0, -3.0), leaf(1, 2.0)),
    ];
    // A target without a vote is zero, however votes are counted.
    for (aggregate, expected) in [
        ("SUM", [-2.0, 0.0, 0.0, 6.0]),
        ("AVERAGE", [-1.0, 0.0, 0.0, 3.0]),
        ("MIN", [-3.0, 0.0, 0.0, 2.0]),
        ("MAX", [1.0, 0.0, 0.0, 4.0]),
    ] {
        let forest = regressor(2, &trees).text("aggregate_function", aggregate);
        assert_near(&forest.one(rows(1, vec![0.0_f32, 1.0])), &expected);
        let based = forest.floats("base_values", &[10.0, 20.0]);
        let [a, b, c, d] = expected;
        let expected = [a + 10.0, b + 20.0, c + 10.0, d + 20.0];
        assert_near(&based.one(rows(1, vec![0.0_f32, 1.0])), &expected);
    }
    for (aggregate, expected) in [(0, -1.0), (1, -2.0), (2, -3.0), (3, 1.0)] {
        let forest = ensemble(2, &trees).int("aggregate_function", aggregate);
        assert_near(&forest.one(rows(1, vec![0.0_f32])), &[expected, 0.0]);
    }
    let alone = [
        split(0, "BRANCH_LEQ", 0.5, leaf(0, 1.0), leaf(0, 4.0)),
        split(0, "BRANCH_LEQ", 0.5, leaf(0, -3.0), leaf(0, 2.0)),
    ];
    for (aggregate, expected) in
        [("SUM", [-2.0, 6.0]), ("AVERAGE", [-1.0, 3.0]), ("MIN", [-3.0, 2.0]), ("MAX", [1.0, 4.0])]
    {
        let forest = regressor(1, &alone).text("aggregate_function", aggregate);
        assert_near(&forest.one(rows(1, vec![0.0_f32, 1.0])), &expected);
    }
}

#[test]
fn scores_are_transformed_last() {
    let tree = [split(0, "BRANCH_LEQ", 0.5, leaf(0, 0.5), leaf(1, 0.7))];
    let regress = |transform: &str| {
        let forest = regressor(2, &tree).text("post_transform", transform);
        forest.one(rows(1, vec![0.0_f32]))
    };
    assert_near(&regress("NONE"), &[0.5, 0.0]);
    assert_near(&regress("LOGISTIC"), &[0.62245935, 0.5]);
    assert_near(&regress("SOFTMAX"), &[0.62245935, 0.37754065]);
    assert_near(&regress("SOFTMAX_ZERO"), &[1.0, 0.0]);
    let probit = regress("PROBIT");
    assert!(probit.as_f32().unwrap()[0].abs() < 1e-3, "{probit:?}");
    let soft = ensemble(2, &tree).int("post_transform", 1).one(rows(1, vec![0.0_f32]));
    assert_near(&soft, &[0.62245935, 0.37754065]);
    let soft = ensemble(2, &tree).int("post_transform", 2).one(rows(1, vec![0.0_f64]));
    assert!((soft.as_f64().unwrap()[0] - 0.62245935).abs() < 1e-6);
}

/// A stump whose leaves vote for one class only.
fn one_sided(class: i64, no: f32, yes: f32) -> Tree {
    split(0, "BRANCH_LEQ", 0.5, leaf(class, no), leaf(class, yes))
}

fn both(node: &crate::file::Node) -> (Vec<i64>, Vec<f32>) {
    let found = node.run(&[rows(1, vec![0.0_f32, 1.0])]);
    (found[0].as_i64().unwrap().to_vec(), found[1].as_f32().unwrap().to_vec())
}

#[test]
fn one_score_decides_between_two_classes() {
    // Weights that are all positive are a probability.
    let (labels, scores) = both(&classifier(&[10, 20], &[one_sided(0, 0.25, 0.75)]));
    assert_eq!((labels, scores), (vec![10, 20], vec![0.75, 0.25, 0.25, 0.75]));
    // Others are for and against.
    let mixed = classifier(&[10, 20], &[one_sided(0, -0.25, 0.75)]);
    assert_eq!(both(&mixed), (vec![10, 20], vec![0.25, -0.25, -0.75, 0.75]));
    let found =
        mixed.clone().text("post_transform", "LOGISTIC").run(&[rows(1, vec![0.0_f32, 1.0])]);
    assert_eq!(found[0].as_i64(), Some(&[10, 20][..]));
    assert_near(&found[1], &[0.5621765, 0.4378235, 0.3208213, 0.6791787]);
    // The label goes with the probabilities, also where all weights are positive.
    let found = classifier(&[10, 20], &[one_sided(0, 0.25, 0.75)])
        .text("post_transform", "LOGISTIC")
        .run(&[rows(1, vec![0.0_f32])]);
    assert_eq!(found[0].as_i64(), Some(&[20][..]));
    assert_near(&found[1], &[0.4378235, 0.5621765]);
    // Gradient boosting: one base value.
    let based = mixed.clone().floats("base_values", &[0.5]);
    assert_eq!(both(&based), (vec![20, 20], vec![-0.25, 0.25, -1.25, 1.25]));
    let second = classifier(&[10, 20], &[one_sided(1, 0.25, 0.75)]);
    assert_eq!(both(&second), (vec![10, 20], vec![0.0, 0.25, 0.0, 0.75]));
    let found = mixed
        .ints("classlabels_int64s", &[])
        .texts("classlabels_strings", &["no", "yes"])
        .run(&[rows(1, vec![0.0_f32, 1.0])]);
    assert_eq!(found[0].as_text(), Some(&texts(&["no", "yes"])[..]));
}

#[test]
fn what_has_no_agreed_meaning_between_two_classes_is_refused() {
    let input = || [rows(1, vec![0.0_f32])];
    let probit =
        classifier(&[10, 20], &[one_sided(0, 0.25, 0.75)]).text("post_transform", "PROBIT");
    assert!(probit.refused(&input()).contains("`TreeEnsembleClassifier` of domain `ai.onnx.ml`"));
    // A single base value is that of the only score.
    let each = split(0, "BRANCH_LEQ", 0.5, leaf(0, 0.25), leaf(1, 0.75));
    for tree in [one_sided(1, 0.25, 0.75), each] {
        let based = classifier(&[10, 20], &[tree]).floats("base_values", &[0.5]);
        assert!(based.refused(&input()).contains("found 1 base values for 2 classes"));
    }
}

#[test]
fn the_class_with_the_largest_score_is_the_label() {
    let votes = |votes: &[(i64, f32)]| Tree::Leaf(votes.to_vec());
    let two =
        split(0, "BRANCH_LEQ", 0.5, votes(&[(0, 0.7), (1, 0.3)]), votes(&[(0, 0.2), (1, 0.8)]));
    let found = both(&classifier(&[10, 20], std::slice::from_ref(&two)));
    assert_eq!(found, (vec![10, 20], vec![0.7, 0.3, 0.2, 0.8]));
    let (labels, _) = both(&classifier(&[10, 20], &[two]).floats("base_values", &[0.0, 0.5]));
    assert_eq!(labels, [20, 20]);
    let three =
        split(0, "BRANCH_LEQ", 0.5, votes(&[(0, -0.7), (1, -0.3)]), votes(&[(1, 0.2), (2, 0.8)]));
    let three = classifier(&[10, 20, 30], &[three]);
    // The third class has no vote in the first row: it is no candidate, though zero is more.
    assert_eq!(both(&three), (vec![20, 30], vec![-0.7, -0.3, 0.0, 0.0, 0.2, 0.8]));
    let based = three.clone().floats("base_values", &[0.25, 0.125, 0.5]);
    let (labels, scores) = both(&based);
    assert_eq!(labels, [30, 30]);
    assert_near(&rows(1, scores), &[-0.45, -0.175, 0.5, 0.25, 0.325, 1.3]);
    let soft = three.text("post_transform", "SOFTMAX").run(&[rows(1, vec![0.0_f32])]);
    assert_near(&soft[1], &[0.22194715, 0.33110622, 0.44694668]);
    assert_eq!(soft[0].as_i64(), Some(&[20][..]));
}

#[test]
fn thresholds_between_32_bit_floats_are_kept() {
    let tree = [split(0, "BRANCH_LEQ", 0.0, leaf(0, 1.0), leaf(0, 2.0))];
    let forest = regressor(1, &tree).tensor("nodes_values_as_tensor", f64s(&[0.1, 0.0, 0.0]));
    // 0.1 as a 32-bit float is more than 0.1 as a 64-bit float.
    assert_near(&forest.one(rows(1, vec![0.1_f32, 0.099_999_994])), &[2.0, 1.0]);
    assert_near(&forest.one(rows(1, vec![0.1_f64, 0.100_000_001])), &[1.0, 2.0]);
    assert_near(&forest.one(rows(1, vec![0_i64, 1])), &[1.0, 2.0]);
    assert_near(&forest.one(rows(1, vec![0_i32, 1])), &[1.0, 2.0]);
}

#[test]
fn a_tree_may_be_one_leaf() {
    assert_near(&regressor(1, &[leaf(0, 3.0), leaf(0, 4.0)]).one(rows(1, vec![0.0_f32])), &[7.0]);
    let shared = node("TreeEnsemble")
        .ints("tree_roots", &[0])
        .ints("nodes_featureids", &[0])
        .tensor("nodes_splits", f32s(&[0.0]))
        .tensor("nodes_modes", u8s(&[0]))
        .ints("nodes_truenodeids", &[0])
        .ints("nodes_trueleafs", &[1])
        .ints("nodes_falsenodeids", &[0])
        .ints("nodes_falseleafs", &[1])
        .ints("leaf_targetids", &[0])
        .tensor("leaf_weights", f32s(&[5.0]));
    assert_near(&shared.one(rows(1, vec![-1.0_f32, 1.0])), &[5.0, 5.0]);
}

/// The example of the specification: which of two sets a value is in, and a comparison.
#[test]
fn a_split_may_ask_for_members_of_a_set() {
    let sets = node("TreeEnsemble")
        .ints("tree_roots", &[0])
        .ints("nodes_featureids", &[0, 0, 0])
        .tensor("nodes_splits", f32s(&[11.0, 232_344.0, f32::NAN]))
        .tensor("nodes_modes", u8s(&[0, 6, 6]))
        .ints("nodes_truenodeids", &[1, 0, 1])
        .ints("nodes_trueleafs", &[0, 1, 1])
        .ints("nodes_falsenodeids", &[2, 2, 3])
        .ints("nodes_falseleafs", &[0, 1, 1])
        .int("n_targets", 4)
        .ints("leaf_targetids", &[0, 1, 2, 3])
        .tensor("leaf_weights", f32s(&[1.0, 10.0, 1000.0, 100.0]));
    let members = [1.2, 3.7, 8.0, 9.0, f32::NAN, 12.0, 7.0, f32::NAN];
    let whole = sets.clone().tensor("membership_values", f32s(&members));
    let input = || rows(1, vec![1.2_f32, 3.4, -0.12, f32::NAN, 12.0, 7.0]);
    let expected = [
        [1.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 1000.0, 0.0],
        [0.0, 0.0, 1000.0, 0.0],
        [0.0, 0.0, 0.0, 100.0],
        [0.0, 10.0, 0.0, 0.0],
        [0.0, 0.0, 1000.0, 0.0],
    ];
    assert_near(&whole.one(input()), &expected.concat());
    let unclosed = sets.clone().tensor("membership_values", f32s(&members[..7]));
    assert_near(&unclosed.one(input()), &expected.concat());
    let missing = sets.tensor("membership_values", f32s(&members[..4]));
    assert!(missing.refused(&[input()]).contains("fewer sets of members"));
}

#[test]
fn an_output_may_be_left_out() {
    let forest = classifier(&[10, 20], &[one_sided(0, 0.25, 0.75)]);
    let input = || [rows(1, vec![0.0_f32])];
    assert_eq!(forest.clone().without_output(1).run(&input())[0].as_i64(), Some(&[10][..]));
    let scores: Vec<Tensor> = forest.without_output(0).run(&input());
    assert_eq!(scores[0].as_f32(), Some(&[0.75, 0.25][..]));
}
