//! The same models, loaded as what they are: rankers and regressors, vectors, and classifiers of several
//! labels.

use modelgate::{
    Model,
    onnx::{self, NonFiniteInput},
};

use crate::answers::Matrix;

/// The plain rows of a model, and the numbers of ONNX Runtime's answers to them.
fn plain(matrix: &Matrix, name: &str, output: &str) -> (Vec<Vec<f32>>, Vec<usize>, Vec<f32>) {
    let answers = matrix.answers(name);
    let count = answers.kinds.iter().take_while(|kind| *kind == "plain").count();
    let rows = answers.inputs["X"].tensor();
    let width = rows.shape()[1];
    let rows = rows.as_f32().unwrap().chunks(width).take(count).map(<[f32]>::to_vec).collect();
    let given = answers.outputs[output].tensor();
    (rows, given.shape().to_vec(), given.as_f32().unwrap().to_vec())
}

fn near(found: &[f32], expected: &[f32]) -> bool {
    let same = |a: f32, b: f32| (a - b).abs() <= 1e-5 * b.abs().max(1.0);
    found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| same(*a, *b))
}

#[test]
fn classifiers_of_several_labels_give_the_probability_of_each() {
    let matrix = Matrix::read();
    for name in
        ["labels_each", "labels_forest", "labels_mlp", "labels_neighbors", "labels_one_vs_rest"]
    {
        let (rows, shape, given) = plain(&matrix, name, "probabilities");
        let expected = |row: usize| -> [f32; 2] {
            std::array::from_fn(|label| match shape[..] {
                [2, count, 2] => given[(label * count + row) * 2 + 1],
                [_, 4] => given[row * 4 + 2 + label],
                _ => given[row * 2 + label],
            })
        };
        let model = onnx::MultiLabelClassifier::from_bytes(matrix.file(name))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(model.labels(), 2, "{name}");
        let given: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        assert!(given.len() > 20, "{name}");
        for (place, found) in model.predict_batch(&given).into_iter().enumerate() {
            let (found, expected) = (found.unwrap(), expected(place));
            assert!(near(&found, &expected), "{name}, row {place}: {found:?}, {expected:?}");
            let alone = model.predict(given[place]).unwrap();
            assert!(near(&alone, &expected), "{name}, row {place}: {alone:?}, {expected:?}");
        }
    }
}

#[test]
fn rankers_and_regressors_give_their_number_and_several_targets_a_vector() {
    let matrix = Matrix::read();
    let rankers = ["lightgbm_ranker", "xgboost_ranker", "xgboost_ranker_map"];
    for name in rankers.into_iter().chain(["random_forest_regressor", "ridge", "svr_rbf"]) {
        let (rows, _, expected) = plain(&matrix, name, "variable");
        let model = onnx::Graph::builder()
            .non_finite(NonFiniteInput::Missing)
            .regressor_from_bytes(matrix.file(name))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let given: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        for (found, expected) in model.predict_batch(&given).into_iter().zip(&expected) {
            let found = found.unwrap();
            assert!(near(&[found], &[*expected]), "{name}: {found}, {expected}");
        }
        // Scores that are all one number rank nothing.
        assert!(expected.iter().any(|score| (score - expected[0]).abs() > 1e-3), "{name}");
    }
    let (rows, shape, expected) = plain(&matrix, "random_forest_targets", "variable");
    let model = onnx::VectorModel::from_bytes(matrix.file("random_forest_targets")).unwrap();
    assert_eq!(model.output_len(), shape[1]);
    let given: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
    for (found, expected) in model.predict_batch(&given).iter().zip(expected.chunks(shape[1])) {
        assert!(near(found.as_ref().unwrap(), expected));
    }
}
