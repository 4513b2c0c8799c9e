//! Compares a model's answers with those of another engine, on random rows, before it may serve.

use std::fmt;

use super::{
    Classifier, ColumnClassifier, Graph, LoadError, Loader, TensorInfo,
    engine::{Numbers, probe_inputs},
};
use crate::{
    features::{Features, Schema},
    model::{Classification, Model, ModelError},
    onnx::NonFiniteInput,
    tensor::{Data, F16, Tensors},
};

/// How many rows are compared, each alone and all as a batch.
const ROWS: usize = 64;

/// How many sets of tensors are compared: fewer, as they may be large.
const TENSORS: u64 = 8;

/// Fixed, so that the rows are the same at each loading.
const SEED: u64 = 0x7665_7269_6679;

/// How far two engines may be apart that add numbers in different orders, in units of the larger of 1 and
/// the number itself. A sidecar may allow more.
const TOLERANCE: f32 = 1e-4;

/// Runs both models on these rows and compares their answers. A row that neither answers shows nothing:
/// it is no agreement, and if all are such the model is refused.
pub(super) fn compare<F: ?Sized, P>(
    (ours, theirs): (&dyn Model<F, P>, &dyn Model<F, P>),
    rows: &[&F],
    agree: impl Fn(&P, &P) -> bool,
    show: impl Fn(&F) -> String,
    show_answer: impl Fn(&P) -> String,
) -> Result<(), LoadError> {
    let shown = |answer: &Result<P, ModelError>| match answer {
        Ok(answer) => show_answer(answer),
        Err(error) => format!("the error \"{}\"", crate::error_chain(error)),
    };
    let batch = ours.predict_batch(rows);
    let mut unanswered = 0_usize;
    let mut reason = None;
    for (row, (input, in_batch)) in rows.iter().zip(batch).enumerate() {
        let expected = theirs.predict(input);
        let answers = [ours.predict(input), in_batch];
        if expected.is_err() && answers.iter().all(Result::is_err) {
            unanswered = unanswered.saturating_add(1);
            let [found, _] = answers;
            reason = reason.or(found.err());
            continue;
        }
        for found in answers {
            let same = match (&found, &expected) {
                (Ok(found), Ok(expected)) => agree(found, expected),
                // The row's other answer differs, and is the one to show.
                (Err(_), Err(_)) => true,
                _ => false,
            };
            if !same {
                return Err(LoadError::Differs {
                    row,
                    input: show(input).into(),
                    found: shown(&found).into(),
                    expected: shown(&expected).into(),
                });
            }
        }
    }
    match reason {
        Some(reason) if unanswered == rows.len() => {
            Err(LoadError::NothingCompared { rows: unanswered, source: reason.into() })
        }
        Some(reason) => {
            let (rows, reason) = (rows.len(), crate::error_chain(&reason));
            tracing::warn!(
                target: "modelgate::model",
                unanswered,
                rows,
                reason,
                "rows that neither engine answers were not compared"
            );
            Ok(())
        }
        None => Ok(()),
    }
}

/// Rows that fit a schema; without one, numbers of several sizes.
pub(super) fn rows(
    schema: Option<&Schema>,
    width: usize,
    non_finite: NonFiniteInput,
) -> Vec<Vec<f32>> {
    let mut numbers = Numbers::new(SEED);
    let missing = non_finite != NonFiniteInput::Refused;
    let row = |place: usize| {
        // Between 0 and 1.
        let mut share = || numbers.float() / 4.0 + 0.5;
        match schema {
            Some(schema) => schema.random_row(&mut share),
            None if place == 0 => vec![0.0; width],
            None => {
                let size = match place % 3 {
                    0 => 1.0,
                    1 => 10.0,
                    _ => 100.0,
                };
                let mut value = || match share() {
                    share if missing && share < 0.05 => f32::NAN,
                    share => ((share - 0.5) * 4.0 * size) as f32,
                };
                (0..width).map(|_| value()).collect()
            }
        }
    };
    (0..ROWS).map(row).collect()
}

/// Random tensors for the inputs of a graph, if valid ones can be generated.
pub(super) fn tensors(inputs: &[TensorInfo]) -> Vec<Tensors> {
    let sized = |place: u64| {
        let given = probe_inputs(inputs, 1 + place as usize % 3, None, SEED.wrapping_add(place))?;
        Some(inputs.iter().map(|input| input.name.clone()).zip(given).collect())
    };
    (0..TENSORS).filter_map(sized).collect()
}

pub(super) fn near(found: f32, expected: f32, tolerance: f32) -> bool {
    found == expected
        || (found.is_nan() && expected.is_nan())
        || (found - expected).abs() <= tolerance.max(TOLERANCE) * expected.abs().max(1.0)
}

pub(super) fn numbers_agree(tolerance: f32, found: &[f32], expected: &[f32]) -> bool {
    found.len() == expected.len()
        && found.iter().zip(expected).all(|(found, expected)| near(*found, *expected, tolerance))
}

/// Compares the probabilities, and the labels unless the two best are too close to tell apart.
pub(super) fn classes_agree(tolerance: f32) -> impl Fn(&Classification, &Classification) -> bool {
    move |found, expected| {
        let mut sorted = expected.probabilities.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let tie = matches!(sorted[..], [first, second, ..] if near(first, second, tolerance));
        (found.label == expected.label || tie)
            && numbers_agree(tolerance, &found.probabilities, &expected.probabilities)
    }
}

pub(super) fn tensors_agree(found: &Tensors, expected: &Tensors) -> bool {
    let wide = |data: &Data| -> Option<Vec<f32>> {
        Some(match data {
            Data::F32(values) => values.clone(),
            Data::F64(values) => values.iter().map(|value| *value as f32).collect(),
            Data::F16(values) => values.iter().map(|value| F16::to_f32(*value)).collect(),
            _ => return None,
        })
    };
    // Quantised: a number halfway between two steps may be rounded to either.
    let steps = |found: &Data, expected: &Data| match (found, expected) {
        (Data::I8(a), Data::I8(b)) => Some(a.iter().zip(b).all(|(a, b)| a.abs_diff(*b) <= 1)),
        (Data::U8(a), Data::U8(b)) => Some(a.iter().zip(b).all(|(a, b)| a.abs_diff(*b) <= 1)),
        _ => None,
    };
    expected.iter().all(|(name, expected)| {
        found.get(name).is_some_and(|found| {
            // Half precision has about three decimal digits.
            let is_half = matches!(found.data(), Data::F16(_));
            let tolerance = if is_half { 2e-3 } else { TOLERANCE };
            let same = || match (wide(found.data()), wide(expected.data())) {
                (Some(found), Some(expected)) => numbers_agree(tolerance, &found, &expected),
                _ => found.data() == expected.data(),
            };
            found.shape() == expected.shape()
                && steps(found.data(), expected.data()).unwrap_or_else(same)
        })
    })
}

/// Formats the first few of many values.
pub(super) fn some<T: fmt::Debug>(values: &[T]) -> String {
    const SHOWN: usize = 16;
    match values.get(..SHOWN) {
        Some(first) if values.len() > SHOWN => {
            let text = format!("{first:?}");
            format!("{}, ... {} in all]", text.trim_end_matches(']'), values.len())
        }
        _ => format!("{values:?}"),
    }
}

pub(super) fn classifier(ours: &Classifier, theirs: &Classifier) -> Result<(), LoadError> {
    let rows = rows(ours.schema(), ours.input_len(), ours.0.non_finite);
    let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
    let agree = classes_agree(ours.0.metadata.tolerance);
    compare((ours, theirs), &rows, agree, some, show_classes)
}

/// Rows of a table, drawn by `random_rows` from a number of rows and a share from 0 to 1.
pub(super) fn column_rows(
    random_rows: impl FnOnce(usize, &mut dyn FnMut() -> f64) -> Vec<Features>,
) -> Vec<Features> {
    let mut numbers = Numbers::new(SEED);
    random_rows(ROWS, &mut || numbers.float() / 4.0 + 0.5)
}

pub(super) fn columns(ours: &ColumnClassifier, theirs: &ColumnClassifier) -> Result<(), LoadError> {
    let rows = column_rows(|count, share| ours.random_rows(count, share));
    let rows: Vec<&Features> = rows.iter().collect();
    let agree = classes_agree(ours.tolerance());
    compare((ours, theirs), &rows, agree, |row| format!("{:?}", row.values()), show_classes)
}

pub(super) fn graph(ours: &Graph, theirs: &Graph) -> Result<(), LoadError> {
    let given = tensors(ours.inputs());
    let given: Vec<&Tensors> = given.iter().collect();
    compare((ours, theirs), &given, tensors_agree, show_tensors, show_tensors)
}

fn show_classes(answer: &Classification) -> String {
    format!("{} of {}", answer.label, some(&answer.probabilities))
}

fn show_tensors(tensors: &Tensors) -> String {
    let each = tensors.iter().map(|(name, tensor)| {
        let data = match tensor.data() {
            Data::F32(values) => some(values),
            Data::F64(values) => some(values),
            Data::I64(values) => some(values),
            other => format!("{} of {}", other.len(), other.dtype()),
        };
        format!("`{name}` {:?} {data}", tensor.shape())
    });
    each.collect::<Vec<_>>().join(", ")
}

impl Loader {
    /// Loads the same model into the engine that it is compared with.
    pub(super) fn reference<M>(
        &self,
        load: impl FnOnce(&Loader) -> Result<M, LoadError>,
    ) -> Option<Result<M, LoadError>> {
        let loader = self.for_reference()?;
        Some(load(&loader).map_err(|source| LoadError::Unverified { source: Box::new(source) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model_fn;

    #[test]
    fn a_model_that_differs_is_refused_with_its_row_and_both_answers() {
        let rows = rows(None, 3, NonFiniteInput::Refused);
        let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        let right = model_fn(|row: &[f32]| Ok(row.iter().sum::<f32>()));
        // One row in sixty-four.
        let third = rows[3].to_vec();
        let wrong = model_fn(move |row: &[f32]| {
            Ok(row.iter().sum::<f32>() + if *row == *third { 0.5 } else { 0.0 })
        });
        let same = |found: &f32, expected: &f32| near(*found, *expected, 0.0);
        compare((&right, &right), &rows, same, some, ToString::to_string).unwrap();
        let error = compare((&wrong, &right), &rows, same, some, ToString::to_string).unwrap_err();
        let LoadError::Differs { row, input, found, expected } = &error else { panic!("{error}") };
        assert_eq!((*row, &**input), (3, &*format!("{:?}", rows[3])));
        let (found, expected): (f32, f32) = (found.parse().unwrap(), expected.parse().unwrap());
        assert!((found - expected - 0.5).abs() < 1e-4, "{error}");
        let failing = model_fn(|_: &[f32]| Err(ModelError::new("no memory")));
        let error =
            compare((&failing, &right), &rows, same, some, ToString::to_string).unwrap_err();
        let text = "random row 0: for [0.0, 0.0, 0.0], found the error \"model failed: no memory\", \
                    expected 0";
        assert!(error.to_string().ends_with(text), "{error}");
    }

    #[test]
    fn a_row_that_neither_engine_answers_is_no_agreement() {
        let rows = rows(None, 3, NonFiniteInput::Refused);
        let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        let same = |found: &f32, expected: &f32| near(*found, *expected, 0.0);
        let failing = model_fn(|_: &[f32]| Err(ModelError::new("no such category")));
        let error =
            compare((&failing, &failing), &rows, same, some, ToString::to_string).unwrap_err();
        assert!(matches!(error, LoadError::NothingCompared { rows: 64, .. }), "{error}");
        let text = crate::error_chain(&error);
        assert!(text.ends_with("no such category"), "{text}");
        // What the others show counts all the same.
        let partly = |last: f32| {
            model_fn(move |row: &[f32]| match row[0] {
                0.0 => Err(ModelError::new("no such category")),
                _ => Ok(row[0] + last),
            })
        };
        let (right, wrong) = (partly(0.0), partly(0.5));
        compare((&right, &right), &rows, same, some, ToString::to_string).unwrap();
        let error = compare((&wrong, &right), &rows, same, some, ToString::to_string).unwrap_err();
        assert!(matches!(error, LoadError::Differs { row: 1, .. }), "{error}");
    }

    #[test]
    fn random_rows_fit_the_schema() {
        let schema = Schema::new(["age", "member", "score"]).unwrap();
        let schema = schema.range("age", 18.5..=90.0).unwrap().integers(["age"]).unwrap();
        let schema = schema.booleans(["member"]).unwrap().optional(["score"]).unwrap();
        let rows = rows(Some(&schema), 3, NonFiniteInput::Missing);
        for row in &rows {
            assert!(row[0] == row[0].round() && (19.0..=90.0).contains(&row[0]), "{row:?}");
            assert!(row[1] == 0.0 || row[1] == 1.0, "{row:?}");
        }
        assert!(rows.iter().any(|row| row[2].is_nan()) && rows.iter().any(|row| row[2] > 0.0));
    }
}
