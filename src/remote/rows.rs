//! Sends rows of `f32` as one tensor, and reads the answer as classifications.

use super::{
    Error,
    checked::{Checked, RowFormat},
    core::Core,
    wire::{InferenceRequest, InferenceResponse},
};
use crate::{
    model::{Classification, Label, ModelError, classification::argmax},
    tensor::{Data, Tensor},
};

/// Classifies one row.
pub(super) async fn one(core: &Core, row: &[f32]) -> Result<Classification, ModelError> {
    let ends = core.ends();
    let (checked, classifier) = known(core)?;
    check(core, checked, classifier, row)?;
    let rows = [row];
    let asked = ask(core, checked, classifier, &rows, ends);
    let mut answers = core.within(asked, ends).await?;
    answers.pop().ok_or_else(|| missing(classifier).into())
}

/// Classifies many rows.
pub(super) async fn many(core: &Core, rows: &[&[f32]]) -> Vec<Result<Classification, ModelError>> {
    let ends = core.ends();
    let (checked, classifier) = match known(core) {
        Ok(known) => known,
        Err(error) => return rows.iter().map(|_| Err(error.clone())).collect(),
    };
    let mut answers: Vec<Result<(), ModelError>> =
        rows.iter().map(|row| check(core, checked, classifier, row)).collect();
    // If neither metadata nor options state the length of a row, the first row's counts.
    if classifier.features.is_none()
        && let Some((first, _)) = rows.iter().zip(&answers).find(|(_, checked)| checked.is_ok())
    {
        for (row, answer) in rows.iter().zip(&mut answers) {
            if row.len() != first.len() && answer.is_ok() {
                *answer = Err(wrong_length(row.len(), first.len()));
            }
        }
    }
    let good: Vec<&[f32]> = rows
        .iter()
        .zip(&answers)
        .filter(|(_, answer)| answer.is_ok())
        .map(|(row, _)| *row)
        .collect();
    let at_once = classifier.rows.unwrap_or(usize::MAX).min(core.shared.options.max_rows).max(1);
    let mut scored: Vec<Result<Classification, ModelError>> = Vec::with_capacity(good.len());
    for rows in good.chunks(at_once) {
        match core.within(ask(core, checked, classifier, rows, ends), ends).await {
            Ok(answers) => scored.extend(answers.into_iter().map(Ok)),
            Err(error) => scored.extend(rows.iter().map(|_| Err(error.clone()))),
        }
    }
    let mut scored = scored.into_iter();
    answers
        .into_iter()
        .map(|checked| {
            checked.and_then(|()| scored.next().unwrap_or_else(|| Err(missing(classifier).into())))
        })
        .collect()
}

fn known(core: &Core) -> Result<(&Checked, &RowFormat), ModelError> {
    let checked = core.checked()?;
    match &checked.classifier {
        Some(classifier) => Ok((checked, classifier)),
        None => Err(ModelError::not_loaded()),
    }
}

fn check(
    core: &Core,
    checked: &Checked,
    classifier: &RowFormat,
    row: &[f32],
) -> Result<(), ModelError> {
    match classifier.features {
        Some(features) if features != row.len() => return Err(wrong_length(row.len(), features)),
        None if row.is_empty() => {
            return Err(ModelError::wrong_form("features", "0 values", "at least 1 value"));
        }
        _ => {}
    }
    let Some(index) = row.iter().position(|value| !value.is_finite()) else { return Ok(()) };
    let shared = &core.shared;
    let expected = match shared.options.allow_non_finite {
        true if shared.takes_non_finite(checked) => return Ok(()),
        true => "a finite number, as this server takes JSON",
        false => "a finite number",
    };
    let found = row.get(index).copied().unwrap_or(f32::NAN);
    Err(ModelError::invalid_input(format_args!("features[{index}]"), found, expected))
}

#[cold]
fn wrong_length(found: usize, expected: usize) -> ModelError {
    let values = |count: usize| match count {
        1 => "1 value".to_owned(),
        count => format!("{count} values"),
    };
    ModelError::wrong_form("features", values(found), values(expected))
}

#[cold]
fn missing(classifier: &RowFormat) -> Error {
    let field = format_args!("outputs.{}", classifier.probabilities);
    Error::mismatch(field, "fewer rows", "one a row")
}

/// Sends one request with these rows, which have been checked and are no more than a request may have.
async fn ask(
    core: &Core,
    checked: &Checked,
    classifier: &RowFormat,
    rows: &[&[f32]],
    ends: std::time::Instant,
) -> Result<Vec<Classification>, ModelError> {
    let features = rows.first().map_or(0, |row| row.len());
    // For a server with a fixed number of rows, copies of the last one fill up the rest.
    let sent = classifier.rows.unwrap_or(rows.len()).max(rows.len());
    let padding = rows.last().into_iter().cycle().take(sent.saturating_sub(rows.len()));
    let values = rows.iter().chain(padding).flat_map(|row| row.iter());
    let data = match classifier.wide {
        false => Data::F32(values.copied().collect()),
        true => Data::F64(values.map(|value| f64::from(*value)).collect()),
    };
    let mut shape = vec![sent];
    match &classifier.row {
        Some(row) => shape.extend_from_slice(row),
        None => shape.push(features),
    }
    let tensor = Tensor::new(shape, data).map_err(ModelError::new)?;
    let mut outputs: Vec<Box<str>> = classifier.label.iter().cloned().collect();
    outputs.push(classifier.probabilities.clone());
    let question = InferenceRequest { inputs: vec![(classifier.input.clone(), tensor)], outputs };
    let reply = core.ask(checked, question, ends).await?;
    let mut scores = read(&core.shared.options.version, classifier, &reply, sent)?;
    scores.truncate(rows.len());
    Ok(scores)
}

/// Reads the classification of each row.
fn read(
    version: &Option<Box<str>>,
    classifier: &RowFormat,
    reply: &InferenceResponse,
    rows: usize,
) -> Result<Vec<Classification>, Error> {
    same_version(version, reply)?;
    let name = &*classifier.probabilities;
    let tensor = output(reply, name)?;
    let wide: Vec<f32>;
    let all: &[f32] = match tensor.data() {
        Data::F32(values) => values,
        Data::F64(values) => {
            wide = values.iter().map(|value| *value as f32).collect();
            &wide
        }
        other => {
            let field = format_args!("outputs.{name}: datatype");
            return Err(Error::mismatch(field, other.dtype(), "f32 or f64"));
        }
    };
    let classes = match (tensor.shape(), classifier.classes) {
        ([found, classes], None) if *found == rows && *classes > 0 => *classes,
        ([found, classes], Some(expected))
            if *found == rows && *classes == expected && expected > 0 =>
        {
            expected
        }
        (found, classes) => {
            let classes = classes.map_or("classes".to_owned(), |classes| classes.to_string());
            return Err(Error::mismatch(
                format_args!("outputs.{name}: shape"),
                format_args!("{found:?}"),
                format_args!("[{rows}, {classes}]"),
            ));
        }
    };
    let labels = match &classifier.label {
        None => None,
        Some(name) => Some(labels(name, output(reply, name)?, rows)?),
    };
    let mut labels = labels.map(Vec::into_iter);
    let scores = all.chunks_exact(classes).map(|probabilities| {
        let label = match &mut labels {
            Some(labels) => labels.next(),
            None => {
                argmax(probabilities).and_then(|place| i64::try_from(place).ok()).map(Label::Int)
            }
        };
        // There is no largest probability only if all are NaN. The first class then stands in, so that
        // the router's rule for non-finite answers applies.
        let label = label.unwrap_or(Label::Int(0));
        Classification { label, probabilities: probabilities.to_vec() }
    });
    Ok(scores.collect())
}

pub(super) fn same_version(
    version: &Option<Box<str>>,
    reply: &InferenceResponse,
) -> Result<(), Error> {
    match version {
        Some(version) if !reply.version.is_empty() && **version != *reply.version => {
            let found = super::redact::bounded(&reply.version);
            Err(Error::mismatch(
                "model_version",
                format_args!("`{found}`"),
                format_args!("`{version}`"),
            ))
        }
        _ => Ok(()),
    }
}

pub(super) fn output<'a>(reply: &'a InferenceResponse, name: &str) -> Result<&'a Tensor, Error> {
    reply
        .outputs
        .get(name)
        .ok_or_else(|| Error::mismatch(format_args!("outputs.{name}"), "nothing", "a tensor"))
}

fn labels(name: &str, tensor: &Tensor, rows: usize) -> Result<Vec<Label>, Error> {
    let labels: Vec<Label> = match tensor.data() {
        Data::I64(values) => values.iter().map(|value| Label::Int(*value)).collect(),
        Data::I32(values) => values.iter().map(|value| Label::Int((*value).into())).collect(),
        Data::Text(values) => values.iter().map(|value| Label::Text(value.clone())).collect(),
        other => {
            let field = format_args!("outputs.{name}: datatype");
            return Err(Error::mismatch(field, other.dtype(), "i64, i32 or text"));
        }
    };
    if labels.len() != rows {
        let field = format_args!("outputs.{name}: shape");
        let found = format_args!("{:?}", tensor.shape());
        return Err(Error::mismatch(field, found, format_args!("[{rows}]")));
    }
    Ok(labels)
}
