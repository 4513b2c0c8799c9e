//! Running one batch.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::stats::Counters;
use crate::model::{Model, ModelError};

/// Asks a model about one row; a panic in it is the row's error.
pub(super) fn one<F: ?Sized, P>(
    model: &(impl Model<F, P> + ?Sized),
    row: &F,
) -> Result<P, ModelError> {
    catch_unwind(AssertUnwindSafe(|| model.predict(row)))
        .unwrap_or_else(|payload| Err(ModelError::panicked(payload)))
}

/// Asks a model about these rows at once: one answer a row, in order. Rows that cannot run as a
/// batch are asked about one by one, so that one row fails alone.
pub(super) fn all<F: ?Sized, P>(
    model: &(impl Model<F, P> + ?Sized),
    rows: &[&F],
    counters: &Counters,
) -> Vec<Result<P, ModelError>> {
    counters.batch(rows.len());
    if let [row] = rows {
        return vec![one(model, row)];
    }
    let problem = match catch_unwind(AssertUnwindSafe(|| model.predict_batch(rows))) {
        Ok(answers) if answers.len() == rows.len() => return answers,
        Ok(answers) => {
            let given = answers.len();
            // The answers' own `Drop` may panic.
            crate::contain::contained(|| drop(answers));
            ModelError::new(format!("found {given} answers, expected {}", rows.len()))
        }
        Err(payload) => ModelError::panicked(payload),
    };
    split(rows.len(), &problem, counters);
    rows.iter().map(|row| one(model, row)).collect()
}

#[cold]
fn split(rows: usize, problem: &ModelError, counters: &Counters) {
    counters.split();
    tracing::warn!(
        target: "modelgate::model",
        rows,
        error = %problem.redacted(),
        "a batch failed as a whole and is run again row by row"
    );
}
