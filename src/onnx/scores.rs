//! Reads the classification of a row from outputs.

use super::{Outputs, schema::Classes, select::Selection};
use crate::model::{Classification, Label, ModelError, classification::argmax};

/// Reads the classification of one row from the outputs for many.
pub(super) fn read_scores(
    selection: &Selection,
    names: &Classes,
    classes: usize,
    outputs: &Outputs,
    rows: usize,
    row: usize,
) -> Result<Classification, ModelError> {
    let wrong = || wrong_output(selection, classes, outputs, rows);
    let all = outputs.f32s(selection.probabilities_place());
    let all = all.filter(|all| Some(all.len()) == rows.checked_mul(classes));
    let start = row.saturating_mul(classes);
    let probabilities = all.and_then(|all| all.get(start..start.saturating_add(classes)));
    let probabilities = probabilities.ok_or_else(wrong)?;
    let label = match &selection.label {
        Some(_) => Some(outputs.label(0, rows, row).ok_or_else(wrong)?),
        None => argmax(probabilities).and_then(|place| i64::try_from(place).ok()).map(Label::Int),
    };
    // Only NaN in every probability leaves no label; the first class keeps the answer whole, so
    // that it is the router's rule on non-finite answers that judges it.
    let label = names.named(label.unwrap_or(Label::Int(0)));
    Ok(Classification { label, probabilities: probabilities.to_vec() })
}

#[cold]
fn wrong_output(
    selection: &Selection,
    classes: usize,
    outputs: &Outputs,
    rows: usize,
) -> ModelError {
    let found: Vec<String> = (0..selection.places())
        .map(|place| format!("{} {:?}", outputs.type_name(place), outputs.shape(place)))
        .collect();
    ModelError::new(format!(
        "outputs: found {}, expected {classes} probabilities for each of {rows} rows",
        found.join(" and ")
    ))
}
