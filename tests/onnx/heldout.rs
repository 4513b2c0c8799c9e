//! Every held-out row of the example models is answered as ONNX Runtime answered it.
use std::{path::Path, sync::Arc, thread};

use modelgate::{
    Classification, Model,
    model::Label,
    onnx::{self, BatchAxis},
};

fn example(file: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/models").join(file)
}

fn rows(task: &str) -> Vec<Vec<f32>> {
    let text = std::fs::read_to_string(example(&format!("{task}_heldout.csv"))).unwrap();
    text.lines()
        .skip(1)
        .map(|line| {
            let mut values: Vec<f32> = line.split(',').map(|v| v.parse().unwrap()).collect();
            values.pop();
            values
        })
        .collect()
}

fn expected(task: &str, version: &str) -> Vec<Classification> {
    let text = std::fs::read_to_string(example(&format!("{task}_expected.jsonl"))).unwrap();
    text.lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            serde_json::from_value(line[version].clone()).unwrap()
        })
        .collect()
}

const MODELS: [(&str, &str, usize, usize); 4] = [
    ("digits", "v1", 64, 450),
    ("digits", "v2", 64, 450),
    ("breast_cancer", "v1", 30, 143),
    ("breast_cancer", "v2", 30, 143),
];

fn assert_near(expected: &Classification, found: &Classification, what: &str) {
    if let Err(difference) = Classification::within(1e-5)(expected, found) {
        panic!("{what}: {difference}");
    }
}

#[test]
fn every_row_alone_and_in_batches_agrees_with_onnx_runtime() {
    for (task, version, features, count) in MODELS {
        let (rows, expected) = (rows(task), expected(task, version));
        assert_eq!((rows.len(), expected.len()), (count, count));
        let borrowed: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        for batch in
            [BatchAxis::Automatic, BatchAxis::Pinned(1), BatchAxis::Pinned(7), BatchAxis::Symbolic]
        {
            let model = onnx::Classifier::builder()
                .batch(batch)
                .load(example(&format!("{task}_{version}.onnx")))
                .unwrap();
            assert_eq!(model.input_len(), features);
            assert_eq!(model.classes(), expected[0].probabilities.len());
            // The first form is tested with every row; the others, which differ only in the plan
            // that the engine prepared, with some of them, because debug builds of the engine are
            // slow.
            let (step, sizes) = match batch {
                BatchAxis::Automatic => (1, &[1, 13, count][..]),
                _ => (10, &[13][..]),
            };
            for (index, (row, expected)) in borrowed.iter().zip(&expected).enumerate().step_by(step)
            {
                let found = model.predict(row).unwrap();
                assert_near(expected, &found, &format!("{task} {version} {batch:?} row {index}"));
            }
            for &size in sizes {
                let mut index = 0;
                for chunk in borrowed.chunks(size) {
                    let answers = model.predict_batch(chunk);
                    assert_eq!(answers.len(), chunk.len());
                    for found in answers {
                        let what = format!("{task} {version} {batch:?} by {size}, row {index}");
                        assert_near(&expected[index], &found.unwrap(), &what);
                        index += 1;
                    }
                }
                assert_eq!(index, count);
            }
        }
    }
}

#[test]
fn the_manifest_pins_the_files() {
    let manifest = std::fs::read_to_string(example("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    for (task, version, ..) in MODELS {
        let pin = manifest["tasks"][task]["models"][version]["onnx_sha256"].as_str().unwrap();
        let model = onnx::Classifier::builder()
            .sha256(pin.to_uppercase())
            .load(example(&format!("{task}_{version}.onnx")))
            .unwrap();
        assert_eq!(model.sha256(), pin);
    }
}

#[test]
fn threads_that_share_a_model_agree() {
    let model = onnx::Classifier::load(example("digits_v2.onnx")).unwrap();
    let rows = Arc::new(rows("digits"));
    let alone: Vec<Classification> = rows.iter().map(|row| model.predict(row).unwrap()).collect();
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let (model, rows) = (model.clone(), Arc::clone(&rows));
            thread::spawn(move || -> Vec<(usize, Classification)> {
                (0..rows.len())
                    .map(|step| (step + thread * 97) % rows.len())
                    .map(|index| (index, model.predict(&rows[index]).unwrap()))
                    .collect()
            })
        })
        .collect();
    for thread in threads {
        for (index, scores) in thread.join().unwrap() {
            assert_eq!(scores, alone[index], "row {index}");
        }
    }
}

#[test]
fn a_model_is_freed_with_its_last_user() {
    let model = Arc::new(onnx::Classifier::load(example("digits_v1.onnx")).unwrap());
    let weak = Arc::downgrade(&model);
    let user = {
        let model = Arc::clone(&model);
        thread::spawn(move || model.predict(&[0.0; 64]).map(|scores| scores.label))
    };
    drop(model);
    assert!(matches!(user.join().unwrap(), Ok(Label::Int(_))));
    assert!(weak.upgrade().is_none());
}
