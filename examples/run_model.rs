//! What does this model file answer? JSON lines in, JSON lines out, in the tensor form of the Open
//! Inference Protocol, version 2.
//!
//! ```sh
//! echo '{"model": "tests/data/two_inputs.onnx", "inputs": [
//!   {"name": "left", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]},
//!   {"name": "right", "datatype": "FP32", "shape": [1, 2], "data": [3, 4]}]}' | tr -d '\n' |
//!   cargo run --all-features --example run_model -- --engine tract
//! ```
//!
//! A line gives `{"outputs": [...]}`, or `{"load_error": text}` where the file cannot serve, or
//! `{"error": text}` where this request fails. NaN and the infinities are the texts `"NaN"`,
//! `"Infinity"` and `"-Infinity"` in both directions; with `"options": {"non_finite": "allowed"}`
//! they go to the model and come back, else they are refused. `"options": {"axes": {"height": 320}}`
//! says the sizes of axes that the file leaves open.
//!
//! A model is kept from one line to the next as long as its file stays as it was.

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fs,
    io::{self, BufRead, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::SystemTime,
};

use modelgate::{
    Model,
    model::FiniteOutput,
    onnx::{self, NonFiniteInput},
    tensor::{Data, F16, Tensor, Tensors},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const USAGE: &str = "usage: run_model [--engine tract|ort] < requests.jsonl > answers.jsonl";

const DATATYPES: &str =
    "BOOL, UINT8, UINT16, UINT32, UINT64, INT8, INT16, INT32, INT64, FP16, FP32, FP64, BYTES";

#[derive(Deserialize)]
struct Request {
    model: PathBuf,
    #[serde(default)]
    inputs: Vec<NamedTensor>,
    #[serde(default)]
    options: Options,
}

#[derive(Deserialize, Serialize)]
struct NamedTensor {
    name: String,
    datatype: String,
    shape: Vec<usize>,
    data: Vec<Value>,
}

#[derive(Clone, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Options {
    #[serde(default)]
    non_finite: NonFinite,
    /// Sizes of axes that the file leaves open.
    #[serde(default)]
    axes: BTreeMap<String, usize>,
}

#[derive(Clone, Copy, Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum NonFinite {
    #[default]
    Refused,
    Missing,
    Allowed,
}

pub(crate) enum Engine {
    Tract,
    Runtime(onnx::Runtime),
}

fn main() -> ExitCode {
    let engine = match engine() {
        Ok(engine) => engine,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    // A panic of an engine is caught and told as an error; its trace would only stand in between.
    std::panic::set_hook(Box::new(|_| {}));
    match serve(io::stdin().lock(), &mut io::stdout().lock(), &engine) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Gives one line for each line that is not blank.
pub(crate) fn serve(
    requests: impl BufRead,
    answers: &mut impl Write,
    engine: &Engine,
) -> io::Result<()> {
    let mut kept = Kept::default();
    for line in requests.split(b'\n') {
        let line = line?;
        let answer = match str::from_utf8(&line) {
            Ok(line) if line.trim().is_empty() => continue,
            Ok(line) => answer(line, engine, &mut kept),
            Err(error) => json!({ "error": format!("the request: {error}") }),
        };
        // Each line is flushed: who asks may wait for it.
        writeln!(answers, "{answer}")?;
        answers.flush()?;
    }
    Ok(())
}

fn engine() -> Result<Engine, Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] | ["--engine", "tract"] => Ok(Engine::Tract),
        ["--engine", "ort"] => Ok(Engine::Runtime(onnx::Runtime::load()?)),
        _ => Err(USAGE.into()),
    }
}

/// The model of the line before.
#[derive(Default)]
struct Kept(Option<(PathBuf, SystemTime, Options, onnx::Graph)>);

impl Kept {
    fn graph(
        &mut self,
        path: &Path,
        options: &Options,
        engine: &Engine,
    ) -> Result<onnx::Graph, onnx::LoadError> {
        let changed = fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        if let (Some((known, time, option, graph)), Some(changed)) = (&self.0, changed)
            && known == path
            && *time == changed
            && option == options
        {
            return Ok(graph.clone());
        }
        let loader = match engine {
            Engine::Tract => onnx::Graph::builder(),
            Engine::Runtime(runtime) => runtime.builder(),
        };
        let allowed = match options.non_finite {
            NonFinite::Refused => NonFiniteInput::Refused,
            NonFinite::Missing => NonFiniteInput::Missing,
            NonFinite::Allowed => NonFiniteInput::Allowed,
        };
        let axes = options.axes.iter();
        let loader = axes.fold(loader, |loader, (name, size)| loader.axis(&**name, *size));
        let graph = loader.non_finite(allowed).load_graph(path)?;
        self.0 = changed.map(|changed| (path.to_owned(), changed, options.clone(), graph.clone()));
        Ok(graph)
    }
}

fn answer(line: &str, engine: &Engine, kept: &mut Kept) -> Value {
    let request: Request = match serde_json::from_str(line) {
        Ok(request) => request,
        Err(error) => return json!({ "error": format!("the request: {error}") }),
    };
    let non_finite = request.options.non_finite;
    let graph = match kept.graph(&request.model, &request.options, engine) {
        Ok(graph) => graph,
        Err(error) => return json!({ "load_error": chain(&error) }),
    };
    match run(&graph, request.inputs, non_finite) {
        Ok(outputs) => json!({ "outputs": outputs }),
        Err(error) => json!({ "error": chain(&*error) }),
    }
}

fn run(
    graph: &onnx::Graph,
    inputs: Vec<NamedTensor>,
    non_finite: NonFinite,
) -> Result<Vec<NamedTensor>, Box<dyn Error>> {
    let mut tensors = Tensors::new();
    for input in inputs {
        let field = format!("inputs.{}", input.name);
        let tensor = read(input.shape, &input.datatype, &input.data);
        if tensors
            .insert(input.name, tensor.map_err(|error| format!("{field}: {error}"))?)
            .is_some()
        {
            return Err(format!("{field}: found twice").into());
        }
    }
    let outputs = graph.predict(&tensors)?;
    if non_finite == NonFinite::Refused && !outputs.is_finite() {
        return Err("outputs: found a NaN or an infinity, expected finite numbers \
                    (\"options\": {\"non_finite\": \"allowed\"} lets them through)"
            .into());
    }
    Ok(outputs.iter().map(|(name, tensor)| write(name, tensor)).collect())
}

/// A number, or a text that stands for one that JSON has none for.
fn float(value: &Value) -> Option<f64> {
    match value.as_str() {
        Some("NaN") => Some(f64::NAN),
        Some("Infinity") => Some(f64::INFINITY),
        Some("-Infinity") => Some(f64::NEG_INFINITY),
        Some(_) => None,
        None => value.as_f64(),
    }
}

fn read(shape: Vec<usize>, datatype: &str, values: &[Value]) -> Result<Tensor, Box<dyn Error>> {
    fn each<T>(
        values: &[Value],
        expected: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Vec<T>, String> {
        let read = |value| read(value).ok_or_else(|| format!("found {value}, expected {expected}"));
        values.iter().map(read).collect()
    }
    fn integers<T: TryFrom<i128>>(values: &[Value], expected: &str) -> Result<Vec<T>, String> {
        each(values, expected, |value| {
            let integer = value.as_i64().map(i128::from).or(value.as_u64().map(i128::from));
            integer.and_then(|integer| T::try_from(integer).ok())
        })
    }
    let data: Data = match datatype {
        "BOOL" => each(values, "true or false", |value| match value.as_u64() {
            Some(bit @ 0..=1) => Some(bit == 1),
            _ => value.as_bool(),
        })?
        .into(),
        "UINT8" => integers::<u8>(values, "an integer of 8 bits")?.into(),
        "UINT16" => integers::<u16>(values, "an integer of 16 bits")?.into(),
        "UINT32" => integers::<u32>(values, "an integer of 32 bits")?.into(),
        "UINT64" => integers::<u64>(values, "an integer of 64 bits")?.into(),
        "INT8" => integers::<i8>(values, "an integer of 8 bits")?.into(),
        "INT16" => integers::<i16>(values, "an integer of 16 bits")?.into(),
        "INT32" => integers::<i32>(values, "an integer of 32 bits")?.into(),
        "INT64" => integers::<i64>(values, "an integer of 64 bits")?.into(),
        "FP16" => {
            each(values, "a number", |value| Some(F16::from_f32(float(value)? as f32)))?.into()
        }
        "FP32" => each(values, "a number", |value| Some(float(value)? as f32))?.into(),
        "FP64" => each(values, "a number", float)?.into(),
        "BYTES" => each(values, "a text", |value| value.as_str().map(Box::<str>::from))?.into(),
        other => {
            return Err(format!("datatype: found {other}, expected one of {DATATYPES}").into());
        }
    };
    Ok(Tensor::new(shape, data)?)
}

fn write(name: &str, tensor: &Tensor) -> NamedTensor {
    fn each<T: Clone + Into<Value>>(values: &[T]) -> Vec<Value> {
        values.iter().cloned().map(Into::into).collect()
    }
    fn floats(values: impl Iterator<Item = f64>) -> Vec<Value> {
        values
            .map(|value| match value {
                value if value.is_nan() => "NaN".into(),
                f64::INFINITY => "Infinity".into(),
                f64::NEG_INFINITY => "-Infinity".into(),
                value => value.into(),
            })
            .collect()
    }
    let (datatype, data) = match tensor.data() {
        Data::Bool(values) => ("BOOL", each(values)),
        Data::U8(values) => ("UINT8", each(values)),
        Data::U16(values) => ("UINT16", each(values)),
        Data::U32(values) => ("UINT32", each(values)),
        Data::U64(values) => ("UINT64", each(values)),
        Data::I8(values) => ("INT8", each(values)),
        Data::I16(values) => ("INT16", each(values)),
        Data::I32(values) => ("INT32", each(values)),
        Data::I64(values) => ("INT64", each(values)),
        Data::F16(values) => ("FP16", floats(values.iter().map(|v| f64::from(v.to_f32())))),
        Data::F32(values) => ("FP32", floats(values.iter().map(|v| f64::from(*v)))),
        Data::F64(values) => ("FP64", floats(values.iter().copied())),
        Data::Text(values) => ("BYTES", values.iter().map(|v| (&**v).into()).collect()),
        other => ("?", vec![format!("{} elements", other.dtype()).into()]),
    };
    NamedTensor {
        name: name.to_owned(),
        datatype: datatype.to_owned(),
        shape: tensor.shape().to_vec(),
        data,
    }
}

/// An error and what caused it, in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
