//! `SVMClassifier` and `SVMRegressor`.

use crate::file::{Node, assert_near, node, rows, texts};

fn regressor(kernel: &str) -> Node {
    node("SVMRegressor")
        .text("kernel_type", kernel)
        .floats("kernel_params", &[0.5, 1.0, 2.0])
        .floats("support_vectors", &[1.0, 0.0, 0.0, 2.0])
        .int("n_supports", 2)
        .floats("coefficients", &[1.0, -0.5])
        .floats("rho", &[0.25])
}

#[test]
fn a_regressor_sums_how_near_each_support_vector_is() {
    let input = || rows(2, vec![1.0_f32, 1.0]);
    // Products with the vectors: 1 and 2; squares of distances: 1 and 2.
    assert_near(&regressor("LINEAR").one(input()), &[1.0 - 0.5 * 2.0 + 0.25]);
    assert_near(&regressor("POLY").one(input()), &[1.5 * 1.5 - 0.5 * 4.0 + 0.25]);
    let rbf = (-0.5_f32).exp() - 0.5 * (-1.0_f32).exp() + 0.25;
    assert_near(&regressor("RBF").one(input()), &[rbf]);
    let sigmoid = 1.5_f32.tanh() - 0.5 * 2.0_f32.tanh() + 0.25;
    assert_near(&regressor("SIGMOID").one(input()), &[sigmoid]);
    let inside = regressor("LINEAR").int("one_class", 1);
    assert_near(&inside.one(rows(2, vec![1.0_f32, 1.0, 0.0, 2.0])), &[1.0, -1.0]);
    let linear = node("SVMRegressor").floats("coefficients", &[1.0, 2.0]).floats("rho", &[0.5]);
    assert_near(&linear.one(rows(2, vec![3.0_f32, 4.0])), &[11.5]);
    let cubed = regressor("POLY").floats("kernel_params", &[1.0, 0.0, 3.0]);
    assert_near(&cubed.one(rows(2, vec![-2.0_f32, 0.0])), &[-8.0 + 0.25]);
}

/// Two classes, a vector each, on a line.
fn between() -> Node {
    node("SVMClassifier")
        .ints("classlabels_ints", &[10, 20])
        .ints("vectors_per_class", &[1, 1])
        .floats("support_vectors", &[1.0, -1.0])
        .floats("coefficients", &[0.5, -0.5])
        .floats("rho", &[0.1])
}

#[test]
fn a_positive_score_is_a_vote_for_the_first_of_two_classes() {
    // Scores: 0.5 x 2 - 0.5 x -2 + 0.1, and the other way round.
    let found = between().run(&[rows(1, vec![2.0_f32, -2.0])]);
    assert_eq!(found[0].as_i64(), Some(&[10, 20][..]));
    assert_near(&found[1], &[-2.1, 2.1, 1.9, -1.9]);
}

#[test]
fn pairs_of_classes_vote() {
    // A class at each corner; the machine of a pair asks on which side of the middle a row is.
    let three = node("SVMClassifier")
        .texts("classlabels_strings", &["a", "b", "c"])
        .ints("vectors_per_class", &[1, 1, 1])
        .floats("support_vectors", &[0.0, 0.0, 1.0, 0.0, 0.0, 1.0])
        .floats("coefficients", &[1.0, -1.0, -1.0, 1.0, 1.0, -1.0])
        .floats("rho", &[0.5, 0.5, 0.0]);
    let found = three.run(&[rows(2, vec![0.0_f32, 0.0, 2.0, 0.0, 0.0, 2.0])]);
    assert_eq!(found[0].as_text(), Some(&texts(&["a", "b", "c"])[..]));
    assert_near(&found[1], &[0.5, 0.5, 0.0, -1.5, 0.5, 2.0, 0.5, -1.5, -2.0]);
}

#[test]
fn probabilities_of_pairs_make_those_of_classes() {
    let sure = between().floats("prob_a", &[-1.0]).floats("prob_b", &[0.0]);
    let found = sure.run(&[rows(1, vec![2.0_f32])]);
    let first = found[1].as_f32().unwrap()[0];
    // Two classes need no coupling; the search for the answer stops near it.
    assert!((first - 1.0 / (1.0 + (-2.1_f32).exp())).abs() < 5e-3, "{first}");
    assert!((found[1].as_f32().unwrap().iter().sum::<f32>() - 1.0).abs() < 1e-5);
    assert_eq!(found[0].as_i64(), Some(&[10][..]));
}

#[test]
fn without_vectors_each_class_has_a_sum() {
    let linear = node("SVMClassifier")
        .ints("classlabels_ints", &[1, 2, 3])
        .floats("coefficients", &[1.0, 0.0, 0.0, 1.0, -1.0, -1.0])
        .floats("rho", &[0.5]);
    let found = linear.run(&[rows(2, vec![1.0_f32, 3.0])]);
    assert_eq!(found[0].as_i64(), Some(&[2][..]));
    assert_near(&found[1], &[1.5, 3.5, -3.5]);
}

#[test]
fn numbers_that_do_not_go_together_are_refused() {
    let input = || [rows(1, vec![1.0_f32])];
    let refused = |node: Node, what: &str| {
        let error = node.refused(&input());
        assert!(error.contains(what), "{error}");
    };
    refused(between().floats("rho", &[]), "its 1 pairs of classes");
    refused(between().floats("prob_a", &[1.0]), "its 1 pairs of classes");
    refused(between().ints("vectors_per_class", &[1]), "not as many as its classes");
    refused(between().ints("vectors_per_class", &[1, -1]), "bad number of vectors");
    refused(between().ints("vectors_per_class", &[i64::MAX, i64::MAX]), "support vectors");
    refused(between().floats("coefficients", &[1.0]), "found 1 coefficients");
    refused(between().floats("support_vectors", &[1.0]), "found 1 numbers");
    refused(between().text("kernel_type", "COSINE"), "there is no kernel `COSINE`");
    refused(between().text("post_transform", "PROBIT"), "`SVMClassifier` of domain `ai.onnx.ml`");
    let alone = between().ints("classlabels_ints", &[10]).ints("vectors_per_class", &[1]);
    let alone = alone.floats("support_vectors", &[1.0]).floats("coefficients", &[]);
    refused(alone.floats("rho", &[]), "found 1 classes, expected at least 2");
    refused(regressor("RBF").int("n_supports", 3), "found 4 numbers for 3");
    refused(regressor("RBF").int("n_supports", -3), "a negative number");
    refused(regressor("RBF").floats("rho", &[]), "expected one `rho`");
}
