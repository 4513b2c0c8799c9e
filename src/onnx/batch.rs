//! Rows that are run together, and their answers.

use super::{Outputs, Rows};
use crate::model::ModelError;

/// Rows of numbers, some of which may be refused.
pub(super) struct Batch<'a> {
    rows: Vec<Result<&'a [f32], ModelError>>,
    /// The values of those that are not refused, one row after the other.
    values: Vec<f32>,
    accepted: usize,
    width: usize,
}

impl<'a> Batch<'a> {
    /// These rows, of which `check` refuses those of another width than this.
    pub(super) fn new(
        rows: &[&'a [f32]],
        width: usize,
        check: impl Fn(&[f32]) -> Result<(), ModelError>,
    ) -> Batch<'a> {
        let mut values = Vec::with_capacity(rows.len().saturating_mul(width));
        let mut accepted = 0_usize;
        let check = |row: &&'a [f32]| {
            check(row)?;
            values.extend_from_slice(row);
            accepted = accepted.saturating_add(1);
            Ok(*row)
        };
        let rows = rows.iter().map(check).collect();
        Batch { rows, values, accepted, width }
    }

    /// Runs the accepted rows, padded with copies of the last to as many as the plan takes, and adds the
    /// answer to each row to `answers`. `run` is given the number of rows and their values, `read` the
    /// number of rows that were run and the place of one.
    pub(super) fn answer<P>(
        mut self,
        takes: Rows,
        run: impl FnOnce(usize, &[f32]) -> Result<Outputs, ModelError>,
        read: impl Fn(&Outputs, usize, usize) -> Result<P, ModelError>,
        alone: impl Fn(&[f32]) -> Result<P, ModelError>,
        answers: &mut Vec<Result<P, ModelError>>,
    ) {
        let count = match takes {
            Rows::Any => self.accepted,
            Rows::Exactly(count) => count,
        };
        let last = self.values.len().saturating_sub(self.width)..self.values.len();
        for _ in self.accepted..count {
            self.values.extend_from_within(last.clone());
        }
        // An engine may fail at an empty batch.
        let outputs = if self.accepted == 0 { None } else { run(count, &self.values).ok() };
        let read = |outputs: &Outputs, place| read(outputs, count, place);
        extend(answers, self.rows, outputs.as_ref(), read, alone);
    }
}

/// Adds the answer to each of these rows to `answers`: an accepted one's is read from the outputs, where
/// the accepted rows stand in their order. If the batch failed, each is asked alone, for a row that
/// would succeed alone still must.
pub(super) fn extend<R, P>(
    answers: &mut Vec<Result<P, ModelError>>,
    rows: impl IntoIterator<Item = Result<R, ModelError>>,
    outputs: Option<&Outputs>,
    read: impl Fn(&Outputs, usize) -> Result<P, ModelError>,
    alone: impl Fn(R) -> Result<P, ModelError>,
) {
    let mut place = 0_usize;
    answers.extend(rows.into_iter().map(|row| {
        let row = row?;
        let answer = outputs.and_then(|outputs| read(outputs, place).ok());
        place = place.saturating_add(1);
        answer.map_or_else(|| alone(row), Ok)
    }));
}
