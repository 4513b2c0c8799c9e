//! How an ONNX file is loaded.

use std::{
    fmt::Write,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use sha2::{Digest, Sha256};

use super::{
    AxisSizes, Beside, Classifier, ColumnClassifier, Document, Engine, Graph, LoadError,
    LoadedClassifier, Regressor, TextClassifier, VectorModel,
    axes::Axis,
    sidecar::{Sidecar, SidecarPath},
};
#[cfg(all(feature = "onnx", feature = "ort"))]
use super::{Runtime, verify};

/// How many rows the prepared graph takes at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchAxis {
    /// A graph prepared for single rows and, for files up to 32 MiB, another for batches; one
    /// graph for any number of rows above. A graph that cannot run several rows at once runs them
    /// one by one.
    #[default]
    Automatic,
    /// Exactly this many rows at a time: the fastest form for single rows is `Pinned(1)`. A last
    /// batch that is not full is filled with copies of a row.
    Pinned(usize),
    /// One graph for any number of rows: half the memory, a few microseconds slower a call.
    Symbolic,
}

/// Whether rows may hold NaN and infinities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum NonFiniteInput {
    /// No: such a row is invalid input. In most models one such value spoils the whole answer, and
    /// comes from a mistake of the caller.
    #[default]
    Refused,
    /// NaN is a missing value, which the model knows what to do with; infinities are refused.
    Missing,
    /// Both go to the model as they are.
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
        // Without a branch a value, so that the compiler may test several at once.
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
            // No ONNX file can be larger: protobuf ends at 2 GiB.
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
    /// output of integers or texts, else the place of the largest probability.
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

    /// The outputs that a graph gives ([`load_graph`](Self::load_graph)). By default all.
    pub fn outputs<N: Into<Box<str>>>(mut self, names: impl IntoIterator<Item = N>) -> Loader {
        self.outputs = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// How many rows the prepared graph takes at once.
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
    /// whose answers differ by more than rounding: [`LoadError::Differs`] has the row and both answers.
    ///
    /// The rows fit the model's schema where it has one (ranges, integers, what is optional), and are the
    /// same each time; each is tried alone and in a batch. Of a [graph](Self::load_graph), whose inputs
    /// may be large, eight sets of tensors are tried, where they can be made up.
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

    /// The same options for the engine that answers are held against.
    #[cfg(all(feature = "onnx", feature = "ort"))]
    pub(super) fn for_reference(&self) -> Option<Loader> {
        let runtime = self.reference.clone()?.sessions(1);
        Some(Loader { engine: Engine::Runtime(runtime), reference: None, ..self.clone() })
    }

    /// The size of an axis that the file leaves open: the height of an image, the length of a text.
    ///
    /// The axis has the name that the file gives it (`height`; all axes of that name are meant), or
    /// stands at a place of an input (`x[2]`, counted from 0). With one size the graph is prepared for
    /// it, which the engine runs faster than a graph of open sizes, and sometimes at all. A
    /// [graph](Self::load_graph) takes several sizes as well, and is prepared for each (for each
    /// combination, where several axes have several), or a range, which only refuses other sizes.
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

    /// The SHA-256 that the file must have, in hexadecimal. Files of weights beside it need
    /// [pins](Self::external_sha256) of their own, then.
    pub fn sha256(mut self, hexadecimal: impl Into<Box<str>>) -> Loader {
        self.sha256 = Some(hexadecimal.into());
        self
    }

    /// The SHA-256 that a file of weights must have, in hexadecimal. The file's name is the one by which
    /// the model names it: `model.onnx.data`.
    ///
    /// Weights in other files are read when the model is loaded from its own file; they must be in its
    /// folder, or below.
    pub fn external_sha256(
        mut self,
        file: impl Into<Box<str>>,
        hexadecimal: impl Into<Box<str>>,
    ) -> Loader {
        self.external_sha256.push((file.into(), hexadecimal.into()));
        self
    }

    /// The largest file that is read, in bytes, the model's own or one of weights. By default 2 GiB.
    pub fn max_file_bytes(mut self, bytes: u64) -> Loader {
        self.max_file_bytes = bytes;
        self
    }

    /// Loads the classifier in a file.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the file and what to do.
    pub fn load(&self, path: impl AsRef<Path>) -> Result<Classifier, LoadError> {
        let path = path.as_ref();
        self.classifier(&self.read(path)?, Some(path))
    }

    /// Loads the classifier in these bytes.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the bytes and what to do.
    // A builder of bytes, not a conversion from them.
    #[allow(clippy::wrong_self_convention)]
    pub fn from_bytes(&self, bytes: &[u8]) -> Result<Classifier, LoadError> {
        self.classifier(bytes, None)
    }

    fn classifier(&self, bytes: &[u8], path: Option<&Path>) -> Result<Classifier, LoadError> {
        let sidecar = Sidecar::find(&self.sidecar, path)?;
        let (document, sha256) = self.document(bytes, path)?;
        let classifier = LoadedClassifier::prepare(document, self, bytes.len(), sha256, sidecar)?;
        let model = Classifier(Arc::new(classifier));
        model.acceptance().accept(&model).map_err(LoadError::Golden)?;
        #[cfg(all(feature = "onnx", feature = "ort"))]
        if let Some(reference) = self.reference(|loader| loader.classifier(bytes, path)) {
            verify::classifier(&model, &reference?)?;
        }
        Ok(model)
    }

    /// Loads the classifier of [`Features`](crate::Features) in a file: one whose inputs are the
    /// columns of a table. The options about rows (`input`, `batch`, `features`) do not apply.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the file and what to do.
    pub fn load_columns(&self, path: impl AsRef<Path>) -> Result<ColumnClassifier, LoadError> {
        let path = path.as_ref();
        self.columns(&self.read(path)?, Some(path))
    }

    fn columns(&self, bytes: &[u8], path: Option<&Path>) -> Result<ColumnClassifier, LoadError> {
        let (document, sha256) = self.document(bytes, path)?;
        let sidecar = Sidecar::find(&self.sidecar, path)?;
        let model = ColumnClassifier::prepare(document, self, sha256, sidecar)?;
        #[cfg(all(feature = "onnx", feature = "ort"))]
        if let Some(reference) = self.reference(|loader| loader.columns(bytes, path)) {
            verify::columns(&model, &reference?)?;
        }
        Ok(model)
    }

    /// Loads the classifier of texts in a file.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the file and what to do.
    pub fn load_text(&self, path: impl AsRef<Path>) -> Result<TextClassifier, LoadError> {
        let path = path.as_ref();
        self.text(&self.read(path)?, Some(path))
    }

    /// Loads the classifier of texts in these bytes.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the bytes and what to do.
    pub fn text_from_bytes(&self, bytes: &[u8]) -> Result<TextClassifier, LoadError> {
        self.text(bytes, None)
    }

    fn text(&self, bytes: &[u8], path: Option<&Path>) -> Result<TextClassifier, LoadError> {
        let (document, sha256) = self.document(bytes, path)?;
        let sidecar = Sidecar::find(&self.sidecar, path)?;
        let model = TextClassifier::prepare(document, self, sha256, sidecar)?;
        #[cfg(all(feature = "onnx", feature = "ort"))]
        if let Some(reference) = self.reference(|loader| loader.columns(bytes, path)) {
            verify::columns(model.columns(), &reference?)?;
        }
        Ok(model)
    }

    /// Loads the regressor in a file: one number for each row. The output is the one that
    /// [`outputs`](Self::outputs) names, by default the first of `f32`.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the file and what to do.
    pub fn load_regressor(&self, path: impl AsRef<Path>) -> Result<Regressor, LoadError> {
        let path = path.as_ref();
        self.regressor(&self.read(path)?, Some(path))
    }

    /// Loads the regressor in these bytes.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the bytes and what to do.
    pub fn regressor_from_bytes(&self, bytes: &[u8]) -> Result<Regressor, LoadError> {
        self.regressor(bytes, None)
    }

    fn regressor(&self, bytes: &[u8], path: Option<&Path>) -> Result<Regressor, LoadError> {
        let (document, sha256) = self.document(bytes, path)?;
        let sidecar = Sidecar::find(&self.sidecar, path)?;
        let model = Regressor::prepare(document, self, sha256, sidecar)?;
        #[cfg(all(feature = "onnx", feature = "ort"))]
        if let Some(reference) = self.reference(|loader| loader.regressor(bytes, path)) {
            model.verify(&reference?)?;
        }
        Ok(model)
    }

    /// Loads the model in a file that answers each row with a vector: several targets, an embedding,
    /// a score for each label. The output is chosen as for [`load_regressor`](Self::load_regressor).
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the file and what to do.
    pub fn load_vector(&self, path: impl AsRef<Path>) -> Result<VectorModel, LoadError> {
        let path = path.as_ref();
        self.vector(&self.read(path)?, Some(path))
    }

    /// Loads the model in these bytes that answers each row with a vector.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the bytes and what to do.
    pub fn vector_from_bytes(&self, bytes: &[u8]) -> Result<VectorModel, LoadError> {
        self.vector(bytes, None)
    }

    fn vector(&self, bytes: &[u8], path: Option<&Path>) -> Result<VectorModel, LoadError> {
        let (document, sha256) = self.document(bytes, path)?;
        let sidecar = Sidecar::find(&self.sidecar, path)?;
        let model = VectorModel::prepare(document, self, sha256, sidecar)?;
        #[cfg(all(feature = "onnx", feature = "ort"))]
        if let Some(reference) = self.reference(|loader| loader.vector(bytes, path)) {
            model.verify(&reference?)?;
        }
        Ok(model)
    }

    /// Loads the graph in a file, of any inputs and outputs.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the file and what to do.
    pub fn load_graph(&self, path: impl AsRef<Path>) -> Result<Graph, LoadError> {
        let path = path.as_ref();
        self.graph(&self.read(path)?, Some(path))
    }

    /// Loads the graph in these bytes, of any inputs and outputs.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the bytes and what to do.
    pub fn graph_from_bytes(&self, bytes: &[u8]) -> Result<Graph, LoadError> {
        self.graph(bytes, None)
    }

    fn graph(&self, bytes: &[u8], path: Option<&Path>) -> Result<Graph, LoadError> {
        let (document, sha256) = self.document(bytes, path)?;
        let model = Graph::prepare(document, self, sha256)?;
        #[cfg(all(feature = "onnx", feature = "ort"))]
        if let Some(reference) = self.reference(|loader| loader.graph(bytes, path)) {
            verify::graph(&model, &reference?)?;
        }
        Ok(model)
    }

    /// Models of rows have one size.
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

    fn read(&self, path: &Path) -> Result<Vec<u8>, LoadError> {
        let failed = |source| LoadError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let stated = file.metadata().map_err(failed)?.len();
        self.check_size(stated)?;
        let mut bytes = Vec::new();
        // The file may grow between the two, or be a pipe that states no size.
        file.take(self.max_file_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
        Ok(bytes)
    }

    fn check_size(&self, found: u64) -> Result<(), LoadError> {
        if found > self.max_file_bytes {
            return Err(LoadError::TooLarge { found, limit: self.max_file_bytes });
        }
        Ok(())
    }

    /// Reads the document in these bytes, which came from this file.
    pub(super) fn document(
        &self,
        bytes: &[u8],
        path: Option<&Path>,
    ) -> Result<(Document, Box<str>), LoadError> {
        self.check_size(bytes.len() as u64)?;
        if self.batch == BatchAxis::Pinned(0) {
            return Err(LoadError::Option {
                option: "batch",
                found: "Pinned(0)".into(),
                expected: "at least 1 row".into(),
            });
        }
        for (_, pin) in &self.external_sha256 {
            check_pin("external_sha256", pin)?;
        }
        let sha256 = hexadecimal(&Sha256::digest(bytes));
        if let Some(pin) = &self.sha256 {
            check_pin("sha256", pin)?;
            if !pin.eq_ignore_ascii_case(&sha256) {
                return Err(LoadError::PinMismatch { found: sha256, expected: pin.clone() });
            }
        }
        let beside = Beside {
            folder: path.map(|path| match path.parent() {
                Some(folder) if folder != Path::new("") => folder.to_owned(),
                _ => ".".into(),
            }),
            pins: &self.external_sha256,
            is_pinned: self.sha256.is_some(),
            limit: self.max_file_bytes,
        };
        let mut document = self.engine.read(bytes, &beside)?;
        for (name, sizes) in &self.axes {
            let axis = Axis::find(name, sizes, &document.inputs)?;
            if let AxisSizes::Fixed(size) = sizes {
                document.fix(&axis, *size);
            }
        }
        if self.non_finite != NonFiniteInput::Refused {
            document.keep_nan();
        }
        Ok((document, sha256))
    }
}

fn check_pin(option: &'static str, pin: &str) -> Result<(), LoadError> {
    if pin.len() == 64 && pin.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err(LoadError::Option {
        option,
        found: format!("{} characters", pin.chars().count()).into(),
        expected: "64 hexadecimal digits".into(),
    })
}

pub(super) fn hexadecimal(bytes: &[u8]) -> Box<str> {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text.into()
}
