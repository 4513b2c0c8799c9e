//! What can only be seen from inside.

use super::*;
use crate::model::{Classification, Model};

#[test]
fn the_prepared_graphs_go_with_the_last_user() {
    fn shared<T: Send + Sync>(value: T) -> T {
        value
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/models/digits_v2.onnx");
    let model = shared(Classifier::load(file).unwrap());
    assert!(model.runs_batches());
    let plans = [model.0.plan.in_use(), model.0.batch_plan.as_ref().unwrap().in_use()];
    let user = model.clone();
    drop(model);
    let used = std::thread::spawn(move || {
        let rows = [[0.0; 64]; 3];
        let rows: Vec<&[f32]> = rows.iter().map(|row| &row[..]).collect();
        (user.predict(rows[0]).is_ok(), user.predict_batch(&rows).len())
    });
    assert_eq!(used.join().unwrap(), (true, 3));
    assert!(plans.iter().all(|in_use| !in_use()));
}

#[test]
fn plain_classifiers_run_without_the_engine_and_answer_the_same() {
    let root = env!("CARGO_MANIFEST_DIR");
    for (file, probabilities) in [
        ("examples/models/breast_cancer_v1.onnx", None),
        ("examples/models/breast_cancer_v2.onnx", None),
        ("examples/models/digits_v1.onnx", None),
        ("tests/data/zipmap.onnx", None),
        ("tests/data/text_label.onnx", Some("probabilities")),
    ] {
        let bytes = std::fs::read(format!("{root}/{file}")).unwrap();
        let (document, _) = Classifier::builder().document(&bytes, None).unwrap();
        let model = Classifier::from_bytes(&bytes).unwrap();
        assert!(matches!(model.0.plan, Plan::Direct(_)), "{file}");
        let mut names: Vec<&str> = model.0.selection.label.iter().map(|name| &**name).collect();
        names.extend(
            model
                .outputs()
                .iter()
                .map(|output| &*output.name)
                .find(|name| probabilities.map_or(!names.contains(name), |wanted| wanted == *name)),
        );
        let plan = Plan::build(&document, Rows::Any, None, &names).unwrap();
        let width = model.input_len();
        let values: Vec<f32> = (0..width * 40).map(|n| ((n * 37) % 101) as f32 / 5.0).collect();
        let outputs = plan.run_rows(&model.0.shape(40), &values).unwrap();
        let rows: Vec<&[f32]> = values.chunks(width).collect();
        let batch = model.predict_batch(&rows);
        for (place, (row, together)) in rows.iter().zip(batch).enumerate() {
            let expected = model.0.scores(&outputs, 40, place).unwrap();
            let near = Classification::within(1e-6);
            assert_eq!(near(&expected, &model.predict(row).unwrap()), Ok(()), "{file} {place}");
            assert_eq!(near(&expected, &together.unwrap()), Ok(()), "{file} {place}");
        }
    }
}
