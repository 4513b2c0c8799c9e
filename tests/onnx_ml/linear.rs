//! `LinearClassifier` and `LinearRegressor`.

use crate::file::{Node, assert_near, node, rows, texts};

fn classifier(post_transform: &str) -> Node {
    node("LinearClassifier")
        .floats("coefficients", &[1.0, 2.0, -1.0, 0.5, 0.0, 1.0])
        .floats("intercepts", &[0.1, 0.2, 0.0])
        .ints("classlabels_ints", &[10, 20, 30])
        .text("post_transform", post_transform)
}

#[test]
fn the_class_with_the_largest_score_is_the_label() {
    // Scores: 0.5, 0.05, 0.1; and -0.3, 1.35, 0.3.
    let input = || rows(2, vec![0.2_f32, 0.1, -1.0, 0.3]);
    let found = classifier("NONE").run(&[input()]);
    assert_eq!(found[0].as_i64(), Some(&[10, 20][..]));
    assert_near(&found[1], &[0.5, 0.05, 0.1, -0.3, 1.35, 0.3]);
    let found = classifier("LOGISTIC").run(&[input()]);
    assert_near(
        &found[1],
        &[0.62245935, 0.5124974, 0.524_979_2, 0.425_557_5, 0.794_129_6, 0.574_442_5],
    );
    let found = classifier("SOFTMAX").run(&[input()]);
    let both = [softmax(&[0.5, 0.05, 0.1]), softmax(&[-0.3, 1.35, 0.3])].concat();
    assert_near(&found[1], &both);
    let names = node("LinearClassifier")
        .floats("coefficients", &[1.0, -1.0])
        .floats("intercepts", &[0.0, 0.0])
        .texts("classlabels_strings", &["no", "yes"]);
    let found = names.run(&[rows(1, vec![1.0_f64, -2.0])]);
    assert_eq!(found[0].as_text(), Some(&texts(&["no", "yes"])[..]));
    let found = names.without_output(1).run(&[rows(1, vec![3_i64])]);
    assert_eq!(found[0].as_text(), Some(&texts(&["no"])[..]));
}

fn softmax(scores: &[f64]) -> Vec<f32> {
    let sum: f64 = scores.iter().map(|score| score.exp()).sum();
    scores.iter().map(|score| (score.exp() / sum) as f32).collect()
}

#[test]
fn zeros_stay_zeros_in_a_softmax_zero() {
    let found = classifier("SOFTMAX_ZERO").run(&[rows(2, vec![0.8_f32, 0.0])]);
    // Scores: 0.9, -0.6, 0.
    let two = softmax(&[0.9, -0.6]);
    assert_near(&found[1], &[two[0], two[1], 0.0]);
}

#[test]
fn a_probit_is_taken_of_each_score() {
    let found = classifier("PROBIT").run(&[rows(2, vec![0.2_f32, 0.1])]);
    let scores = found[1].as_f32().unwrap();
    assert!(scores[0].abs() < 1e-3 && (scores[1] + 1.6446697).abs() < 1e-4, "{scores:?}");
}

#[test]
fn one_score_decides_between_two_classes() {
    let between = |post_transform: &str| {
        node("LinearClassifier")
            .floats("coefficients", &[1.0, 2.0])
            .floats("intercepts", &[0.1])
            .ints("classlabels_ints", &[10, 20])
            .text("post_transform", post_transform)
            .run(&[rows(2, vec![0.2_f32, 0.1, -1.0, 0.3])])
    };
    // Scores: 0.5 and -0.3.
    let found = between("NONE");
    assert_eq!(found[0].as_i64(), Some(&[20, 10][..]));
    assert_near(&found[1], &[0.5, 0.5, 1.3, -0.3]);
    assert_near(&between("LOGISTIC")[1], &[0.37754065, 0.62245935, 0.574_442_5, 0.425_557_5]);
}

#[test]
fn a_probit_of_the_only_score_of_two_classes_is_refused() {
    let between = node("LinearClassifier")
        .floats("coefficients", &[1.0])
        .floats("intercepts", &[0.1])
        .ints("classlabels_ints", &[10, 20])
        .text("post_transform", "PROBIT");
    let error = between.refused(&[rows(1, vec![0.5_f32])]);
    assert!(error.contains("`LinearClassifier` of domain `ai.onnx.ml`"), "{error}");
    assert!(error.contains("PROBIT"), "{error}");
}

#[test]
fn a_regressor_gives_one_number_for_each_target() {
    let regressor = node("LinearRegressor")
        .floats("coefficients", &[1.0, 2.0, -1.0, 0.5])
        .floats("intercepts", &[0.1, 0.2])
        .int("targets", 2);
    let found = regressor.one(rows(2, vec![0.2_f32, 0.1, -1.0, 0.3]));
    assert_near(&found, &[0.5, 0.05, -0.3, 1.35]);
    let found = regressor.text("post_transform", "SOFTMAX").one(rows(2, vec![0.2_f32, 0.1]));
    assert_near(&found, &softmax(&[0.5, 0.05]));
    let alone = node("LinearRegressor").floats("coefficients", &[1.0, 2.0]);
    assert_near(&alone.one(rows(2, vec![0.2_f32, 0.1])), &[0.4]);
    let found = alone.text("post_transform", "LOGISTIC").one(rows(2, vec![0.0_f32, 0.0]));
    assert_near(&found, &[0.5]);
}

#[test]
fn wide_rows_are_summed_to_the_last_feature() {
    let weights: Vec<f32> = (0..37).map(|place| place as f32).collect();
    let regressor = node("LinearRegressor").floats("coefficients", &weights);
    assert_near(&regressor.one(rows(37, vec![1.0_f32; 37])), &[666.0]);
}

#[test]
fn numbers_that_do_not_go_together_are_refused() {
    let input = || [rows(2, vec![0.0_f32, 0.0])];
    let short = classifier("NONE").floats("coefficients", &[1.0, 2.0, 3.0, 4.0]);
    assert!(short.refused(&input()).contains("found 4 coefficients for 3 scores"));
    let names = classifier("NONE").texts("classlabels_strings", &["a"]);
    assert!(names.refused(&input()).contains("none or both"));
    let few = classifier("NONE").ints("classlabels_ints", &[1, 2]);
    assert!(few.refused(&input()).contains("found 2 classes for 3 scores"));
    assert!(classifier("SOFT").refused(&input()).contains("there is no post-transform `SOFT`"));
    let wide = [rows(3, vec![0.0_f32; 3])];
    assert!(classifier("NONE").refused(&wide).contains("found 3 features, expected 2"));
    assert!(
        classifier("NONE").refused(&[rows(2, texts(&["a", "b"]))]).contains("expected numbers")
    );
    let typed = classifier("NONE").text("coefficients", "1");
    assert!(typed.refused(&input()).contains("`coefficients` has another type"));
}
