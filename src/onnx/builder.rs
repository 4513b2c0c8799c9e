//! How an ONNX file is loaded.

mod load;
mod read;

use std::path::PathBuf;

pub(super) use self::read::hexadecimal;
#[cfg(all(feature = "onnx", feature = "ort"))]
use super::Runtime;
use super::{AxisSizes, Engine, LoadError, sidecar::SidecarPath};

/// How many rows one run of the prepared graph takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchAxis {
    /// A graph prepared for single rows and, for files up to 32 MiB, another for batches; one
    /// graph for any number of rows above. A graph that cannot run several rows at once runs them
    /// one by one.
    #[default]
    Automatic,
    /// Exactly this many rows at a time; `Pinned(1)` is the fastest for single rows. A batch that
    /// is not full is padded with copies of its last row.
    Pinned(usize),
    /// One graph for any number of rows: half the memory, at a few microseconds more a call.
    Symbolic,
}

/// Whether rows may hold NaN and infinities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum NonFiniteInput {
    /// No: such a row is invalid input. To most models a single one makes the whole answer NaN,
    /// and it is there because of a bug in the caller.
    #[default]
    Refused,
    /// NaN stands for a missing value, which the model was trained to handle; infinities are
    /// refused.
    Missing,
    /// Both are passed to the model unchanged.
    Allowed,
}

impl NonFiniteInput {
    /// Whether all these values may go to the model.
    pub(super) fn allows<T: Copy>(
        self,
        values: &[T],
        is_finite: impl Fn(T) -> bool,
        is_nan: impl Fn(T) -> bool,
    ) -> bool {
        // No early exit, so that the loop vectorises.
        match self {
            NonFiniteInput::Refused => {
                values.iter().fold(true, |all, value| all & is_finite(*value))
            }
            NonFiniteInput::Missing => {
                values.iter().fold(true, |all, value| all & (is_finite(*value) | is_nan(*value)))
            }
            NonFiniteInput::Allowed => true,
        }
    }
}

/// Options for loading an ONNX file; made by [`Classifier::builder`](super::Classifier::builder).
///
/// ```no_run
/// use modelgate::onnx::{BatchAxis, self};
///
/// let model = onnx::Classifier::builder()
///     .label_output("label")
///     .probabilities_output("probabilities")
///     .batch(BatchAxis::Pinned(1))
///     .sha256("4554eac846a6c764c8f9ae6bfa50191290e7fe0fd32104a42c6536d98fcefa76")
///     .load("examples/models/digits_v2.onnx")?;
/// # Ok::<(), modelgate::onnx::LoadError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Loader {
    engine: Engine,
    pub(super) input: Option<Box<str>>,
    pub(super) label_output: Option<Box<str>>,
    pub(super) probabilities_output: Option<Box<str>>,
    pub(super) outputs: Option<Vec<Box<str>>>,
    pub(super) batch: BatchAxis,
    pub(super) features: Option<usize>,
    pub(super) axes: Vec<(Box<str>, AxisSizes)>,
    pub(super) non_finite: NonFiniteInput,
    pub(super) sidecar: SidecarPath,
    sha256: Option<Box<str>>,
    external_sha256: Vec<(Box<str>, Box<str>)>,
    max_file_bytes: u64,
    #[cfg(all(feature = "onnx", feature = "ort"))]
    reference: Option<Runtime>,
}

impl Loader {
    pub(super) fn new(engine: Engine) -> Loader {
        Loader {
            engine,
            input: None,
            label_output: None,
            probabilities_output: None,
            outputs: None,
            batch: BatchAxis::default(),
            features: None,
            axes: Vec::new(),
            non_finite: NonFiniteInput::default(),
            sidecar: SidecarPath::default(),
            sha256: None,
            external_sha256: Vec::new(),
            // No ONNX file can be larger: a protobuf message ends at 2 GiB.
            max_file_bytes: 2 << 30,
            #[cfg(all(feature = "onnx", feature = "ort"))]
            reference: None,
        }
    }

    /// The input that takes the row; refused when the file has no such input.
    pub fn input(mut self, name: impl Into<Box<str>>) -> Loader {
        self.input = Some(name.into());
        self
    }

    /// The output that holds the label. By default `label` or `output_label`, else the first
    /// output of integers or strings; a file with none is labelled with the index of its largest
    /// probability.
    pub fn label_output(mut self, name: impl Into<Box<str>>) -> Loader {
        self.label_output = Some(name.into());
        self
    }

    /// The output that holds the probabilities. By default `probabilities` or
    /// `output_probability`, else the first output of `f32` with two axes.
    pub fn probabilities_output(mut self, name: impl Into<Box<str>>) -> Loader {
        self.probabilities_output = Some(name.into());
        self
    }

    /// The outputs that a [graph](Self::load_graph) returns, in this order; by default all of the
    /// file's. For a regressor or a vector model, the one output to read.
    pub fn outputs<N: Into<Box<str>>>(mut self, names: impl IntoIterator<Item = N>) -> Loader {
        self.outputs = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// How many rows one run of the prepared graph takes.
    pub fn batch(mut self, batch: BatchAxis) -> Loader {
        self.batch = batch;
        self
    }

    /// The number of values in a row: needed when the file does not say, checked when it does.
    pub fn features(mut self, count: usize) -> Loader {
        self.features = Some(count);
        self
    }

    /// Runs 64 random rows through ONNX Runtime as well when the model is loaded, and refuses a model
    /// whose answers differ by more than rounding, or than the sidecar's tolerance if that is more:
    /// [`LoadError::Differs`] has the row and both answers.
    ///
    /// The rows fit the model's schema where it has one (ranges, integers, what is optional), and are the
    /// same each time; each is tried alone and in a batch. Of a [graph](Self::load_graph), whose inputs
    /// may be large, eight sets of tensors are tried, where they can be made up. Rows that neither engine
    /// answers are not compared, and a log message says how many they were; if all are such, the model is
    /// refused with [`LoadError::NothingCompared`].
    ///
    /// ```no_run
    /// use modelgate::onnx;
    ///
    /// let runtime = onnx::Runtime::load()?;
    /// let model = onnx::Classifier::builder().verify_against(runtime).load("fraud-v2.onnx")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(all(feature = "onnx", feature = "ort"))]
    pub fn verify_against(mut self, runtime: Runtime) -> Loader {
        self.reference = Some(runtime);
        self
    }

    /// The same options for the engine that answers are compared with.
    #[cfg(all(feature = "onnx", feature = "ort"))]
    pub(super) fn for_reference(&self) -> Option<Loader> {
        let runtime = self.reference.clone()?.sessions(1);
        Some(Loader { engine: Engine::Runtime(runtime), reference: None, ..self.clone() })
    }

    /// The size of an axis that the file leaves open: the height of an image, the length of a text.
    ///
    /// An axis is given by its name in the file (`height`, which means every axis of that name) or
    /// by an input and an index from 0 (`x[2]`). A graph prepared for one size runs faster than one
    /// with open sizes, and some graphs run in no other way. A [graph](Self::load_graph) also takes
    /// several sizes, and is then prepared for every combination of them, or a range, for which it
    /// is prepared once and other sizes are refused.
    ///
    /// ```no_run
    /// use modelgate::onnx;
    ///
    /// let detector = onnx::Graph::builder()
    ///     .axis("batch", 1)
    ///     .axis("height", [320, 640])
    ///     .axis("width", [320, 640])
    ///     .load_graph("detector.onnx")?;
    /// # Ok::<(), onnx::LoadError>(())
    /// ```
    pub fn axis(mut self, name: impl Into<Box<str>>, sizes: impl Into<AxisSizes>) -> Loader {
        self.axes.push((name.into(), sizes.into()));
        self
    }

    /// Whether rows may hold NaN and infinities. By default they are refused; a model that was
    /// trained with missing values needs [`NonFiniteInput::Missing`].
    pub fn non_finite(mut self, non_finite: NonFiniteInput) -> Loader {
        self.non_finite = non_finite;
        self
    }

    /// The file that names the model's features and classes. By default, for a model that is loaded
    /// from a file: `fraud-v2.schema.json` beside `fraud-v2.onnx`, if it exists. Its format is in
    /// the [guide](crate::guide::models).
    pub fn sidecar(mut self, path: impl Into<PathBuf>) -> Loader {
        self.sidecar = SidecarPath::At(path.into());
        self
    }

    /// Reads no file beside the model, even if there is one.
    pub fn without_sidecar(mut self) -> Loader {
        self.sidecar = SidecarPath::Nowhere;
        self
    }

    /// The SHA-256 that the file must have, in hexadecimal. Its external weights, if any, must then
    /// be [pinned](Self::external_sha256) as well.
    pub fn sha256(mut self, hexadecimal: impl Into<Box<str>>) -> Loader {
        self.sha256 = Some(hexadecimal.into());
        self
    }

    /// The SHA-256 that a file of external weights must have, in hexadecimal. `file` is its
    /// `location` in the model: `model.onnx.data`.
    ///
    /// External weights are read only for a model that is loaded from a file, and from nowhere but
    /// that file's folder and the folders below it.
    pub fn external_sha256(
        mut self,
        file: impl Into<Box<str>>,
        hexadecimal: impl Into<Box<str>>,
    ) -> Loader {
        self.external_sha256.push((file.into(), hexadecimal.into()));
        self
    }

    /// The largest file that is read, in bytes: the model's own, or one of external weights. By
    /// default 2 GiB.
    pub fn max_file_bytes(mut self, bytes: u64) -> Loader {
        self.max_file_bytes = bytes;
        self
    }

    /// Only a graph may have several sizes for an axis: rows all have the same shape.
    pub(super) fn check_axes_are_fixed(&self) -> Result<(), LoadError> {
        let open = self.axes.iter().find(|(_, sizes)| !matches!(sizes, AxisSizes::Fixed(_)));
        open.map_or(Ok(()), |(name, sizes)| {
            Err(LoadError::Option {
                option: "axis",
                found: format!("{sizes} for `{name}`").into(),
                expected: "one size (several are for `load_graph`)".into(),
            })
        })
    }
}
