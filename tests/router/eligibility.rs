//! A version answers only after it has proved what was asked of it.

use std::{
    error::Error,
    sync::atomic::{AtomicUsize, Ordering},
};

use modelgate::{
    Classification, Model, ModelError,
    model::{Acceptance, Label},
    model_fn,
};

fn scores(label: i64, first: f32) -> Classification {
    Classification { label: Label::Int(label), probabilities: vec![first, 1.0 - first] }
}

fn acceptance() -> Acceptance<[f32], Classification> {
    Acceptance::new().golden(
        [(vec![0.9], scores(0, 0.9)), (vec![0.2], scores(1, 0.2))],
        Classification::within(1e-5),
    )
}

fn honest(row: &[f32]) -> Result<Classification, ModelError> {
    match row {
        [first] => Ok(scores(i64::from(*first < 0.5), *first)),
        _ => Err(ModelError::invalid_input("features", row.len(), 1)),
    }
}

#[test]
fn golden_rows_admit_the_right_model_and_name_the_row_that_differs() {
    acceptance().accept(&model_fn(honest)).unwrap();
    let wrong = model_fn(|row: &[f32]| {
        honest(row).map(|found| Classification { label: Label::Int(0), ..found })
    });
    let error = acceptance().accept(&wrong).unwrap_err();
    assert_eq!(error.to_string(), "golden row 1: label: found 0, expected 1");
    assert_eq!((error.golden_row(), error.difference().is_some()), (Some(1), true));
}

#[test]
fn a_batch_that_differs_from_its_rows_is_found() {
    // Models of closures have the provided batch, which is right.
    struct BadBatch;
    impl Model<[f32], Classification> for BadBatch {
        fn predict(&self, row: &[f32]) -> Result<Classification, ModelError> {
            honest(row)
        }
        fn predict_batch(&self, rows: &[&[f32]]) -> Vec<Result<Classification, ModelError>> {
            rows.iter().rev().map(|row| honest(row)).collect()
        }
    }
    let error = acceptance().accept(&BadBatch).unwrap_err();
    assert_eq!(error.to_string(), "golden row 0 in a batch: label: found 1, expected 0");
    struct ShortBatch;
    impl Model<[f32], Classification> for ShortBatch {
        fn predict(&self, row: &[f32]) -> Result<Classification, ModelError> {
            honest(row)
        }
        fn predict_batch(&self, _: &[&[f32]]) -> Vec<Result<Classification, ModelError>> {
            Vec::new()
        }
    }
    let error = acceptance().accept(&ShortBatch).unwrap_err();
    assert_eq!(error.to_string(), "golden row 0 in a batch: found 0 answers, expected 2");
}

#[test]
fn errors_and_panics_make_a_model_ineligible_and_nothing_else() {
    let probe = Acceptance::<[f32], Classification>::new().probe(vec![0.5, 0.5]);
    let error = probe.accept(&model_fn(honest)).unwrap_err();
    assert_eq!(error.to_string(), "probe 0: the model did not answer");
    assert_eq!(error.source().unwrap().to_string(), "features: found 2, expected 1");
    let panics =
        model_fn(|_: &[f32]| -> Result<Classification, ModelError> { panic!("no weights") });
    let error = probe.accept(&panics).unwrap_err();
    assert_eq!(error.model_error().unwrap().to_string(), "model panicked: no weights");
    let compare =
        |_: &Classification, _: &Classification| -> Result<(), String> { panic!("bad comparison") };
    let golden =
        Acceptance::<[f32], Classification>::new().golden([(vec![0.9], scores(0, 0.9))], compare);
    assert!(golden.accept(&model_fn(honest)).is_err());
}

#[test]
fn a_check_of_the_answer_must_pass() {
    let classes = |wanted: usize| {
        Acceptance::<[f32], Classification>::new().check(
            vec![0.5],
            move |found: &Classification| match found.probabilities.len() {
                count if count == wanted => Ok(()),
                count => Err(format!("found {count} classes, expected {wanted}")),
            },
        )
    };
    classes(2).accept(&model_fn(honest)).unwrap();
    let error = classes(3).accept(&model_fn(honest)).unwrap_err();
    assert_eq!(error.to_string(), "probe 0: found 2 classes, expected 3");
}

#[test]
fn warming_up_calls_the_model_as_often_as_asked() {
    let calls = AtomicUsize::new(0);
    let model = model_fn(|_: &str| {
        calls.fetch_add(1, Ordering::SeqCst);
        Ok::<usize, ModelError>(0)
    });
    Acceptance::<str, usize>::new().warm_up(17, "hello").accept(&model).unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 17);
}
