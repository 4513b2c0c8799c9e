//! Models that people export, answered as ONNX Runtime answers them.
//!
//! The models are trained and exported by `tests/models/make_models.py` into a folder that
//! `MODELGATE_MODELS_MATRIX` names. What does not agree, and why, is listed here: anything else
//! that does not is a failure, and so is anything listed that does.
#![cfg(feature = "onnx")]

use std::{collections::BTreeMap, error::Error, fmt::Write, path::Path};

use modelgate::{Model, NonFinite, OnnxGraph, OnnxModel, Tensor, TensorData, Tensors};
use serde::Deserialize;

/// Models whose answers differ for rows of these kinds, and why. All other rows agree.
const KNOWN: &[(&[&str], &[&str], &str)] = &[
    (
        &["sgd_log_2", "mlp_2", "mlp_3", "mlp_names_2", "mlp_names_3"],
        &["nan", "inf", "huge"],
        "the engine's Sigmoid and Relu make numbers of NaN",
    ),
    (
        &["k_neighbors_3", "k_neighbors_names_3", "k_neighbors_regressor", "local_outlier_factor"],
        &["nan"],
        "which neighbour is nearest to NaN depends on the sort",
    ),
    (&["one_class_svm"], &["nan"], "NaN has no sign; what it becomes as an integer is undefined"),
    (
        &["one_vs_one_3", "linear_regression_targets", "svc_sigmoid_3"],
        &["huge"],
        "numbers of 1e30 cancel to what rounding left of them",
    ),
    (
        &["gaussian_process_regressor"],
        &["plain", "denormal", "zero"],
        "weights that nearly cancel: within 1e-3, not 1e-4, in 32-bit floats",
    ),
    (&["min_max_scaler"], &["nan"], "the engine's Clip makes a number of NaN"),
    (&["k_bins", "k_bins_ordinal"], &["nan", "inf"], "which NaN is the largest is undefined"),
    (
        &["k_means", "mini_batch_k_means"],
        &["huge", "inf"],
        "a distance is infinite or NaN as the squares are added up",
    ),
];

/// Models that do not load, and why.
const NOT_LOADED: &[(&str, &str)] = &[(
    "knn_imputer",
    "written with functions of its own (`local_domain`), which the engine does not read",
)];

#[derive(Deserialize)]
struct Manifest {
    onnxruntime: String,
    models: Vec<Listed>,
    skipped: Vec<Skipped>,
}

#[derive(Deserialize)]
struct Listed {
    name: String,
    rows: usize,
    opset: u32,
    operators: Vec<String>,
}

#[derive(Deserialize)]
struct Skipped {
    name: String,
    reason: String,
}

#[derive(Deserialize)]
struct Answers {
    inputs: BTreeMap<String, Stored>,
    outputs: BTreeMap<String, Stored>,
    kinds: Vec<String>,
}

#[derive(Deserialize)]
struct Stored {
    r#type: String,
    shape: Vec<usize>,
    values: Vec<serde_json::Value>,
}

impl Stored {
    /// The elements; floats stand as their bits.
    fn tensor(&self) -> Tensor {
        let ints = || self.values.iter().map(|value| value.as_i64().unwrap());
        let bits = || self.values.iter().map(|value| value.as_u64().unwrap());
        let data: TensorData = match &*self.r#type {
            "f32" => bits().map(|bits| f32::from_bits(bits as u32)).collect::<Vec<_>>().into(),
            "f64" => bits().map(f64::from_bits).collect::<Vec<_>>().into(),
            "i64" => ints().collect::<Vec<i64>>().into(),
            "i32" => ints().map(|int| int as i32).collect::<Vec<_>>().into(),
            "u8" => ints().map(|int| int as u8).collect::<Vec<_>>().into(),
            "bool" => self.values.iter().map(|v| v.as_bool().unwrap()).collect::<Vec<_>>().into(),
            "text" => {
                let texts = self.values.iter().map(|value| value.as_str().unwrap().into());
                texts.collect::<Vec<Box<str>>>().into()
            }
            other => panic!("{other}"),
        };
        Tensor::new(self.shape.clone(), data).unwrap()
    }
}

fn near(found: f64, expected: f64) -> bool {
    found == expected
        || (found.is_nan() && expected.is_nan())
        || (found - expected).abs() <= 1e-5_f64.max(1e-4 * expected.abs())
}

/// The places at which two lists differ, and what the first of them holds there.
fn differences(found: &Tensor, expected: &Tensor) -> Result<Vec<(usize, String)>, String> {
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
    let near32 = |a: &f32, b: &f32| near((*a).into(), (*b).into());
    match (found.data(), expected.data()) {
        (TensorData::F32(a), TensorData::F32(b)) => Ok(of(a, b, near32)),
        (TensorData::F64(a), TensorData::F64(b)) => Ok(of(a, b, |a, b| near(*a, *b))),
        (TensorData::I64(a), TensorData::I64(b)) => Ok(of(a, b, |a, b| a == b)),
        (TensorData::I32(a), TensorData::I32(b)) => Ok(of(a, b, |a, b| a == b)),
        (TensorData::Bool(a), TensorData::Bool(b)) => Ok(of(a, b, |a, b| a == b)),
        (TensorData::Text(a), TensorData::Text(b)) => Ok(of(a, b, |a, b| a == b)),
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
fn run(graph: &OnnxGraph, inputs: &Tensors) -> Result<Tensors, String> {
    let whole = match graph.predict(inputs) {
        Ok(outputs) => return Ok(outputs),
        Err(error) => format!("running: {}", chain(&error)),
    };
    let rows = inputs.iter().map(|(_, tensor)| tensor.shape()[0]).max().unwrap_or(0);
    let mut outputs: BTreeMap<String, (Vec<usize>, Vec<f32>)> = BTreeMap::new();
    for row in 0..rows {
        let mut one = Tensors::new();
        for (name, tensor) in inputs.iter() {
            let width = tensor.data().len() / rows;
            let Some(values) = tensor.as_f32() else { return Err(whole) };
            one.insert(name, Tensor::row(values[row * width..][..width].to_vec()));
        }
        let Ok(given) = graph.predict(&one) else { return Err(whole) };
        for (name, tensor) in given.iter() {
            let Some(values) = tensor.as_f32() else { return Err(whole) };
            let (shape, all) = outputs.entry(name.to_owned()).or_default();
            *shape = tensor.shape().to_vec();
            shape[0] = rows;
            all.extend_from_slice(values);
        }
    }
    let outputs = outputs.into_iter();
    Ok(outputs.map(|(name, (shape, all))| (name, Tensor::new(shape, all).unwrap())).collect())
}

/// What is wrong with the answers to all rows but those of these kinds.
fn try_model(folder: &Path, listed: &Listed, spared: &[&str]) -> Result<(), String> {
    let text = std::fs::read_to_string(folder.join(format!("{}.json", listed.name))).unwrap();
    let answers: Answers = serde_json::from_str(&text).unwrap();
    let file = folder.join(format!("{}.onnx", listed.name));
    let options = OnnxModel::builder().non_finite(NonFinite::Allowed);
    let graph = options.load_graph(&file).map_err(|error| format!("loading: {}", chain(&error)))?;
    let inputs: Tensors =
        answers.inputs.iter().map(|(name, input)| (name.as_str(), input.tensor())).collect();
    let found = run(&graph, &inputs)?;
    let mut wrong = String::new();
    for (name, expected) in &answers.outputs {
        let expected = expected.tensor();
        let Some(found) = found.get(name) else { return Err(format!("no output `{name}`")) };
        let places = differences(found, &expected).map_err(|what| format!("`{name}`: {what}"))?;
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
    classified(&options, &file, &graph, &answers, spared)
}

/// A classifier of one row is loaded as one, too, and its rows are answered alone.
fn classified(
    options: &modelgate::OnnxBuilder,
    file: &Path,
    graph: &OnnxGraph,
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
    let model = options.load(file).map_err(|error| format!("as a model: {}", chain(&error)))?;
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
            TensorData::I64(labels) => modelgate::Label::Int(labels[row]),
            TensorData::Text(labels) => modelgate::Label::Text(labels[row].clone()),
            other => return Err(format!("labels of {}", other.dtype())),
        };
        let expected_scores = &scores[row * classes..][..classes];
        let same = found.label == expected
            && found.probabilities.len() == classes
            && found
                .probabilities
                .iter()
                .zip(expected_scores)
                .all(|(a, b)| near((*a).into(), (*b).into()));
        if !same {
            return Err(format!("row {row} alone: {found:?} for {expected} {expected_scores:?}"));
        }
    }
    Ok(())
}

#[test]
fn exported_models_are_answered_as_onnx_runtime_answers_them() {
    let Some(folder) = std::env::var_os("MODELGATE_MODELS_MATRIX") else {
        println!("skipped: MODELGATE_MODELS_MATRIX names no folder of models");
        return;
    };
    let folder = Path::new(&folder);
    let manifest = std::fs::read_to_string(folder.join("manifest.json")).unwrap();
    let manifest: Manifest = serde_json::from_str(&manifest).unwrap();
    println!("{} models beside ONNX Runtime {}", manifest.models.len(), manifest.onnxruntime);
    let only = std::env::var("MODELGATE_MODELS_ONLY").unwrap_or_default();
    let mut surprises = Vec::new();
    let mut agree = 0;
    for listed in manifest.models.iter().filter(|listed| listed.name.contains(&only)) {
        let name = listed.name.as_str();
        let (opset, rows) = (listed.opset, listed.rows);
        let known = KNOWN.iter().find(|(names, ..)| names.contains(&name));
        let not_loaded = NOT_LOADED.iter().find(|(known, _)| *known == name);
        let whole = try_model(folder, listed, &[]);
        let spared = known.map_or(&[][..], |(_, kinds, _)| kinds);
        let verdict = match (whole, known, not_loaded) {
            (Ok(()), None, None) => Ok("agrees".to_owned()),
            (Err(_), Some((_, kinds, reason)), None) => try_model(folder, listed, spared)
                .map(|()| format!("agrees but for rows of kinds {kinds:?}: {reason}")),
            (Err(what), _, Some((_, reason))) if what.starts_with("loading") => {
                Ok(format!("does not load: {reason}"))
            }
            (Err(what), ..) => Err(what),
            (Ok(()), ..) => Err("agrees, though it is listed as known not to".to_owned()),
        };
        match verdict {
            Ok(verdict) => {
                agree += usize::from(not_loaded.is_none());
                println!("| {name} | {opset} | {rows} | {verdict} |");
            }
            Err(what) => {
                println!("| {name} | {opset} | {rows} | DIFFERS: {what} {:?} |", listed.operators);
                surprises.push(name);
            }
        }
    }
    for Skipped { name, reason } in &manifest.skipped {
        println!("| {name} | | | not exported: {reason} |");
    }
    println!("{agree} of {} agree", manifest.models.len());
    assert!(surprises.is_empty(), "{surprises:?}");
}
