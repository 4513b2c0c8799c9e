//! Runs a model on its rows, and compares.

use std::{collections::BTreeMap, error::Error, fmt::Write};

use modelgate::{
    Model,
    onnx::{self, NonFiniteInput},
    tensor::{Data, Tensor, Tensors},
};

use crate::answers::Answers;

/// How far a number may be off, and ten times as far as a share of itself.
pub const ROUNDING: f64 = 1e-5;

/// The same of numbers of 16 bits, of which a step is a thousandth.
pub const ROUNDING_OF_HALVES: f64 = 5e-4;

fn near(found: f64, expected: f64, rounding: f64) -> bool {
    found == expected
        || (found.is_nan() && expected.is_nan())
        || (found - expected).abs() <= rounding.max(10.0 * rounding * expected.abs())
}

/// The places at which two lists differ, and what the first of them holds there.
fn differences(
    found: &Tensor,
    expected: &Tensor,
    rounding: f64,
) -> Result<Vec<(usize, String)>, String> {
    fn of<T: std::fmt::Debug>(
        found: &[T],
        expected: &[T],
        same: impl Fn(&T, &T) -> bool,
    ) -> Vec<(usize, String)> {
        let pairs = found.iter().zip(expected).enumerate();
        pairs
            .filter(|(_, (found, expected))| !same(found, expected))
            .map(|(place, (found, expected))| (place, format!("{found:?} for {expected:?}")))
            .collect()
    }
    if found.shape() != expected.shape() {
        return Err(format!("shape {:?} for {:?}", found.shape(), expected.shape()));
    }
    let near32 = |a: &f32, b: &f32| near((*a).into(), (*b).into(), rounding);
    match (found.data(), expected.data()) {
        (Data::F32(a), Data::F32(b)) => Ok(of(a, b, near32)),
        (Data::F64(a), Data::F64(b)) => Ok(of(a, b, |a, b| near(*a, *b, rounding))),
        (Data::I64(a), Data::I64(b)) => Ok(of(a, b, |a, b| a == b)),
        (Data::I32(a), Data::I32(b)) => Ok(of(a, b, |a, b| a == b)),
        (Data::Bool(a), Data::Bool(b)) => Ok(of(a, b, |a, b| a == b)),
        (Data::Text(a), Data::Text(b)) => Ok(of(a, b, |a, b| a == b)),
        (a, b) => Err(format!("{} for {}", a.dtype(), b.dtype())),
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let _ = write!(text, ": {source}");
        next = source.source();
    }
    text.truncate(text.char_indices().nth(500).map_or(text.len(), |(end, _)| end));
    text
}

/// Runs all rows at once, or one by one where the graph takes no more.
fn run(graph: &onnx::Graph, inputs: &Tensors) -> Result<Tensors, String> {
    let whole = match graph.predict(inputs) {
        Ok(outputs) => return Ok(outputs),
        Err(error) => format!("running: {}", chain(&error)),
    };
    let rows = inputs.iter().map(|(_, tensor)| tensor.shape()[0]).max().unwrap_or(0);
    let mut outputs: BTreeMap<String, Vec<Tensor>> = BTreeMap::new();
    for row in 0..rows {
        let one: Tensors =
            inputs.iter().map(|(name, tensor)| (name, one_row(tensor, row, rows))).collect();
        let Ok(given) = graph.predict(&one) else { return Err(whole) };
        for (name, tensor) in given.iter() {
            outputs.entry(name.to_owned()).or_default().push(tensor.clone());
        }
    }
    Ok(outputs.into_iter().map(|(name, rows)| (name, together(&rows))).collect())
}

fn one_row(tensor: &Tensor, row: usize, rows: usize) -> Tensor {
    let width = tensor.data().len() / rows;
    let range = row * width..(row + 1) * width;
    let data: Data = match tensor.data() {
        Data::F32(values) => values[range].to_vec().into(),
        Data::F64(values) => values[range].to_vec().into(),
        other => panic!("rows of {}", other.dtype()),
    };
    let mut shape = tensor.shape().to_vec();
    shape[0] = 1;
    Tensor::new(shape, data).unwrap()
}

fn together(rows: &[Tensor]) -> Tensor {
    let mut shape = rows[0].shape().to_vec();
    shape[0] = rows.len();
    let data: Data = match rows[0].data() {
        Data::F32(_) => {
            rows.iter().flat_map(|row| row.as_f32().unwrap()).copied().collect::<Vec<f32>>().into()
        }
        Data::F64(_) => {
            let all = rows.iter().flat_map(|row| match row.data() {
                Data::F64(values) => &values[..],
                other => panic!("rows of f64 and of {}", other.dtype()),
            });
            all.copied().collect::<Vec<f64>>().into()
        }
        other => panic!("rows of {}", other.dtype()),
    };
    Tensor::new(shape, data).unwrap()
}

/// What is wrong with the answers to all rows but those of these kinds.
pub fn differs(
    file: &[u8],
    answers: Option<&Answers>,
    spared: &[&str],
    non_finite: NonFiniteInput,
    rounding: f64,
) -> Result<(), String> {
    let options = onnx::Classifier::builder().non_finite(non_finite);
    let graph = options.graph_from_bytes(file);
    let graph = graph.map_err(|error| format!("loading: {}", chain(&error)))?;
    let Some(answers) = answers else { return Err("loads, and has no rows".to_owned()) };
    let inputs: Tensors =
        answers.inputs.iter().map(|(name, input)| (name.as_str(), input.tensor())).collect();
    let found = run(&graph, &inputs)?;
    let mut wrong = String::new();
    for (name, expected) in &answers.outputs {
        let expected = expected.tensor();
        let Some(found) = found.get(name) else { return Err(format!("no output `{name}`")) };
        let places =
            differences(found, &expected, rounding).map_err(|what| format!("`{name}`: {what}"))?;
        let width = (expected.data().len() / answers.kinds.len().max(1)).max(1);
        let kind = |place: usize| answers.kinds.get(place / width).map_or("?", |kind| &**kind);
        let mut places = places.into_iter().filter(|(place, _)| !spared.contains(&kind(*place)));
        let Some((place, first)) = places.next() else { continue };
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::from([(kind(place), 1)]);
        for (place, _) in places {
            *kinds.entry(kind(place)).or_default() += 1;
        }
        let _ = write!(wrong, "`{name}`: {first}; {kinds:?}; ");
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    classified(&options, file, &graph, answers, spared)?;
    of_texts(&options, file, answers)
}

/// A classifier of one text is loaded as one, too, and its texts are answered alone and in a batch.
fn of_texts(options: &onnx::Loader, file: &[u8], answers: &Answers) -> Result<(), String> {
    let input = answers.inputs.values().next().filter(|_| answers.inputs.len() == 1);
    let Some(input) =
        input.filter(|input| input.r#type == "text" && input.shape.get(1) == Some(&1))
    else {
        return Ok(());
    };
    let floats = answers.outputs.values().find(|output| output.r#type == "f32");
    let labels = answers.outputs.values().find(|output| output.r#type == "text");
    let (Some(scores), Some(labels)) = (floats, labels) else { return Ok(()) };
    let model = options.text_from_bytes(file);
    let model = model.map_err(|error| format!("as a model of texts: {}", chain(&error)))?;
    let (input, labels, scores) = (input.tensor(), labels.tensor(), scores.tensor());
    let texts: Vec<&str> = input.as_text().unwrap().iter().map(|text| &**text).collect();
    let alone = texts.iter().map(|text| model.predict(text)).collect::<Vec<_>>();
    for found in [alone, model.predict_batch(&texts)] {
        for (row, found) in found.into_iter().enumerate() {
            let found = found.map_err(|error| format!("text {row}: {error}"))?;
            let expected = &scores.as_f32().unwrap()[row * model.classes()..][..model.classes()];
            let pairs = found.probabilities.iter().zip(expected);
            let same = pairs.into_iter().all(|(a, b)| near((*a).into(), (*b).into(), ROUNDING));
            let label = modelgate::model::Label::Text(labels.as_text().unwrap()[row].clone());
            if !same || found.label != label {
                return Err(format!("text {row}: {found:?} for {label} {expected:?}"));
            }
        }
    }
    Ok(())
}

/// A classifier of one row is loaded as one, too, and its rows are answered alone.
fn classified(
    options: &onnx::Loader,
    file: &[u8],
    graph: &onnx::Graph,
    answers: &Answers,
    spared: &[&str],
) -> Result<(), String> {
    let outputs: Vec<&str> = graph.outputs().map(|output| &*output.name).collect();
    let [label, probabilities] = outputs[..] else { return Ok(()) };
    let is_classifier = label.contains("label")
        && answers.inputs.len() == 1
        && answers.inputs.values().all(|input| input.r#type == "f32")
        && answers.outputs[probabilities].r#type == "f32"
        && answers.outputs[label].shape.len() == 1;
    if !is_classifier {
        return Ok(());
    }
    let model =
        options.from_bytes(file).map_err(|error| format!("as a model: {}", chain(&error)))?;
    let input = answers.inputs.values().next().unwrap().tensor();
    let labels = answers.outputs[label].tensor();
    let scores = answers.outputs[probabilities].tensor();
    let (values, width) = (input.as_f32().unwrap(), input.shape()[1]);
    let (scores, classes) = (scores.as_f32().unwrap(), scores.shape()[1]);
    for (row, values) in values.chunks(width).enumerate().step_by(7) {
        if spared.contains(&&*answers.kinds[row]) {
            continue;
        }
        let found = model.predict(values).map_err(|error| format!("row {row}: {error}"))?;
        let expected = match labels.data() {
            Data::I64(labels) => modelgate::model::Label::Int(labels[row]),
            Data::Text(labels) => modelgate::model::Label::Text(labels[row].clone()),
            other => return Err(format!("labels of {}", other.dtype())),
        };
        let expected_scores = &scores[row * classes..][..classes];
        let same = found.label == expected
            && found.probabilities.len() == classes
            && found
                .probabilities
                .iter()
                .zip(expected_scores)
                .all(|(a, b)| near((*a).into(), (*b).into(), ROUNDING));
        if !same {
            return Err(format!("row {row} alone: {found:?} for {expected} {expected_scores:?}"));
        }
    }
    Ok(())
}
