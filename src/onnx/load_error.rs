//! Why an ONNX file cannot serve.

use std::{error::Error, fmt, io, path::PathBuf};

use crate::model::{AcceptanceError, ModelError};

/// Why [`Classifier::load`](crate::onnx::Classifier::load) or a graph's load failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError {
    /// The file could not be read.
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file is larger than allowed.
    TooLarge {
        /// Its size in bytes, or the number of bytes that were read before giving up.
        found: u64,
        /// The most that is allowed, in bytes.
        limit: u64,
    },
    /// The file is not the one that was pinned.
    PinMismatch {
        /// The SHA-256 of the bytes that were read, in hexadecimal.
        found: Box<str>,
        /// The pinned SHA-256.
        expected: Box<str>,
    },
    /// The bytes are not an ONNX model, or an incomplete one.
    NotOnnx {
        /// What is wrong with them.
        detail: Box<str>,
    },
    /// The graph needs operators that the engine lacks, or computes wrongly.
    Unsupported {
        /// These operators, each once.
        operators: Vec<UnsupportedOperator>,
    },
    /// Weights are in a file beside the model, but the model was given as bytes, without a folder to
    /// look in.
    ExternalData {
        /// The first tensor whose weights are elsewhere.
        tensor: Box<str>,
    },
    /// Weights cannot be read from the file beside the model that should hold them.
    ExternalFile {
        /// The tensor.
        tensor: Box<str>,
        /// The file, as the model names it.
        file: Box<str>,
        /// What is wrong with the file, or with the tensor's reference to it.
        found: Box<str>,
        /// What it should be.
        expected: Box<str>,
    },
    /// There is no input of the given name, or none that can be chosen without a name.
    NoSuchInput {
        /// What was looked for.
        expected: Box<str>,
        /// The inputs that exist.
        found: Vec<Box<str>>,
    },
    /// There is no output of the given name, or none that can be chosen without a name.
    NoSuchOutput {
        /// What was looked for.
        expected: Box<str>,
        /// The outputs that exist.
        found: Vec<Box<str>>,
    },
    /// An input or output has a shape that does not fit its use.
    Shape {
        /// The input or output.
        tensor: Box<str>,
        /// Its shape.
        found: Box<str>,
        /// What it should be, and what to do.
        expected: Box<str>,
    },
    /// An input or output has an element type that does not fit its use.
    Dtype {
        /// The input or output.
        tensor: Box<str>,
        /// Its element type.
        found: Box<str>,
        /// The types that fit.
        expected: Box<str>,
    },
    /// The engine refused the graph, whose inputs have open axes beside the one for rows: give their
    /// sizes by [`Loader::axis`](crate::onnx::Loader::axis).
    OpenAxes {
        /// The axes, by name, or by input and index if they have no name (`x[2]`).
        axes: Vec<Box<str>>,
        /// The engine's own words.
        source: EngineError,
    },
    /// An option of the loader has a value that it cannot have.
    Option {
        /// The option.
        option: &'static str,
        /// Its value.
        found: Box<str>,
        /// The values that it may have.
        expected: Box<str>,
    },
    /// The model's sidecar or metadata contradicts the model, or is malformed.
    Schema {
        /// The sidecar's path, or the metadata's key.
        from: Box<str>,
        /// The field: `classes`, `features[2].type`.
        field: Box<str>,
        /// What it holds.
        found: Box<str>,
        /// What would agree with the model and the format.
        expected: Box<str>,
    },
    /// The model's answer to a golden row of its sidecar is wrong. The error has the row, what was
    /// found and what was expected.
    Golden(AcceptanceError),
    /// The model's answer differs from that of the engine that it is verified against
    /// (`Loader::verify_against`).
    Differs {
        /// The index of the random row, from 0.
        row: usize,
        /// The row.
        input: Box<str>,
        /// What this model answered.
        found: Box<str>,
        /// What the other engine answered.
        expected: Box<str>,
    },
    /// Neither this model nor the engine that it is verified against (`Loader::verify_against`) answers
    /// any of the random rows, so that nothing could be compared.
    NothingCompared {
        /// How many rows were tried.
        rows: usize,
        /// This model's error for the first of them.
        source: EngineError,
    },
    /// The engine that the model is verified against cannot load it.
    Unverified {
        /// Why not.
        source: Box<LoadError>,
    },
    /// The engine refused the graph.
    Engine {
        /// What was being done: `preparing the graph`, `running a first row`.
        step: &'static str,
        /// The engine's own words.
        source: EngineError,
    },
    /// The engine panicked; the panic was caught.
    Panicked {
        /// What was being done.
        step: &'static str,
        /// The panic's message.
        message: Box<str>,
    },
}

/// An operator that the engine lacks, or computes wrongly.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnsupportedOperator {
    /// Its name: `ZipMap`.
    pub name: Box<str>,
    /// Its domain: `ai.onnx.ml`; the standard one is `ai.onnx`.
    pub domain: Box<str>,
    /// The first node of the graph that uses it.
    pub node: Box<str>,
    /// What to do about it, usually an option of the exporter.
    pub advice: &'static str,
}

/// The engine's own words.
#[derive(Debug)]
pub struct EngineError(Box<str>);

/// The length that an engine's message is cut to: some quote the whole graph.
const LONGEST: usize = 2_000;

impl EngineError {
    pub(super) fn new(words: &str) -> EngineError {
        match words.char_indices().nth(LONGEST) {
            Some((end, _)) => {
                EngineError(format!("{} ...", words.get(..end).unwrap_or_default()).into())
            }
            None => EngineError(words.into()),
        }
    }
}

impl From<ModelError> for EngineError {
    fn from(error: ModelError) -> EngineError {
        EngineError::new(&crate::error_chain(&error))
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for EngineError {}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Io { path, .. } => write!(f, "{} could not be read", path.display()),
            LoadError::TooLarge { found, limit } => {
                write!(f, "model file: found {found} bytes, expected at most {limit} bytes")
            }
            LoadError::PinMismatch { found, expected } => {
                write!(f, "sha256 of the model file: found {found}, expected {expected}")
            }
            LoadError::NotOnnx { detail } => write!(f, "not an ONNX model: {detail}"),
            LoadError::Unsupported { operators } => {
                for (index, operator) in operators.iter().enumerate() {
                    let UnsupportedOperator { name, domain, node, advice } = operator;
                    let lead = if index == 0 { "" } else { "; " };
                    write!(
                        f,
                        "{lead}operator `{name}` of domain `{domain}` (node `{node}`) is not \
                         supported: {advice}"
                    )?;
                }
                Ok(())
            }
            LoadError::ExternalData { tensor } => write!(
                f,
                "tensor `{tensor}` keeps its weights in another file: load the model from its own, or \
                 save it as one"
            ),
            LoadError::ExternalFile { tensor, file, found, expected } => {
                write!(f, "weights of `{tensor}` in `{file}`: found {found}, expected {expected}")
            }
            LoadError::NoSuchInput { expected, found } => {
                write!(f, "input: found {}, expected {expected}", list(found))
            }
            LoadError::NoSuchOutput { expected, found } => {
                write!(f, "output: found {}, expected {expected}", list(found))
            }
            LoadError::Shape { tensor, found, expected } => {
                write!(f, "shape of `{tensor}`: found {found}, expected {expected}")
            }
            LoadError::Dtype { tensor, found, expected } => {
                write!(f, "element type of `{tensor}`: found {found}, expected {expected}")
            }
            LoadError::Option { option, found, expected } => {
                write!(f, "{option}: found {found}, expected {expected}")
            }
            LoadError::Schema { from, field, found, expected } => {
                write!(f, "schema in {from}: {field}: found {found}, expected {expected}")
            }
            LoadError::Golden(_) => f.write_str("the model failed its golden rows"),
            LoadError::Differs { row, input, found, expected } => write!(
                f,
                "the model differs from ONNX Runtime's answer to random row {row}: for {input}, found \
                 {found}, expected {expected}"
            ),
            LoadError::NothingCompared { rows, .. } => write!(
                f,
                "neither the model nor ONNX Runtime answers any of {rows} random rows, so that nothing \
                 was compared: say in the sidecar which values the features may have"
            ),
            LoadError::Unverified { .. } => {
                f.write_str("ONNX Runtime cannot load the model, to verify its answers")
            }
            LoadError::OpenAxes { axes, .. } => {
                let first = axes.first().map_or("", |axis| axis);
                write!(
                    f,
                    "the engine cannot prepare the graph for every size of {}: say the sizes with \
                     `axis(\"{first}\", size)`",
                    list(axes)
                )
            }
            LoadError::Engine { step, .. } => write!(f, "the engine failed while {step}"),
            LoadError::Panicked { step, message } => {
                write!(f, "the engine panicked while {step}: {message}")
            }
        }
    }
}

fn list(names: &[Box<str>]) -> String {
    match names {
        [] => "none".to_owned(),
        names => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
    }
}

impl Error for LoadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            LoadError::Io { source, .. } => Some(source),
            LoadError::Engine { source, .. }
            | LoadError::OpenAxes { source, .. }
            | LoadError::NothingCompared { source, .. } => Some(source),
            LoadError::Golden(source) => Some(source),
            LoadError::Unverified { source } => Some(source),
            _ => None,
        }
    }
}
