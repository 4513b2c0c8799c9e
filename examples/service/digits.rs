//! The digits models, and the rows that neither was trained on.

use std::{
    collections::HashMap,
    error::Error,
    fmt, fs,
    path::{Path, PathBuf},
};

use modelgate::{
    Classification, Features,
    features::{Schema, SchemaModel},
    model::{Acceptance, Label},
    onnx,
};
use serde::Deserialize;

/// A folder of models with a `manifest.json`: the names of the features, and the SHA-256 that
/// each file must have.
#[derive(Debug)]
pub struct Digits {
    folder: PathBuf,
    task: Task,
    rows: Vec<Row>,
}

/// An image and the digit it shows.
#[derive(Debug)]
pub struct Row {
    /// 64 pixels, 0 to 16.
    pub pixels: Vec<f32>,
    /// The truth.
    pub label: Label,
}

#[derive(Debug, Deserialize)]
struct Manifest {
    tasks: HashMap<String, Task>,
}

#[derive(Debug, Deserialize)]
struct Task {
    features: Vec<String>,
    models: HashMap<String, Pin>,
}

#[derive(Debug, Deserialize)]
struct Pin {
    onnx_sha256: String,
}

/// What another engine answered for a row, by version.
#[derive(Deserialize)]
struct Expected {
    row: usize,
    #[serde(flatten)]
    answers: HashMap<String, serde_json::Value>,
}

/// So many known answers must a version give before it may answer itself.
const GOLDEN_ROWS: usize = 16;

/// Two engines add the same numbers in different orders.
const TOLERANCE: f32 = 1e-4;

impl Digits {
    /// Reads the manifest and the rows; not the models yet.
    pub fn open(folder: &Path) -> Result<Digits, ModelFileError> {
        let path = folder.join("manifest.json");
        let text = read(&path)?;
        let mut manifest: Manifest =
            serde_json::from_str(&text).map_err(|error| ModelFileError::new(&path, error))?;
        let task = manifest.tasks.remove("digits");
        let task = task.ok_or_else(|| ModelFileError::new(&path, "no task `digits` in it"))?;
        let path = folder.join("digits_heldout.csv");
        let text = read(&path)?;
        let rows = text.lines().skip(1).map(Row::parse).collect::<Result<_, _>>();
        let rows = rows.map_err(|error| ModelFileError::new(&path, error))?;
        Ok(Digits { folder: folder.to_owned(), task, rows })
    }

    /// Loads a version: the file must be the one that was trained, byte for byte.
    pub fn model(&self, version: &str) -> Result<SchemaModel<onnx::Classifier>, ModelFileError> {
        let path = self.folder.join(format!("digits_{version}.onnx"));
        let wrong = |error: Box<dyn Error + Send + Sync>| ModelFileError::new(&path, error);
        let pin =
            self.task.models.get(version).ok_or_else(|| wrong("not in the manifest".into()))?;
        let model = onnx::Classifier::builder()
            .sha256(pin.onnx_sha256.as_str())
            .load(&path)
            .map_err(|error| wrong(error.into()))?;
        let schema = self.schema().map_err(|error| wrong(error.into()))?;
        schema.onnx_model(model).map_err(|error| wrong(error.into()))
    }

    /// The model's features: their order, and what a pixel can be.
    fn schema(&self) -> Result<Schema, modelgate::features::SchemaError> {
        let names = self.task.features.iter().map(String::as_str);
        let schema = Schema::new(names.clone())?;
        names.into_iter().try_fold(schema, |schema, name| schema.range(name, 0.0..=16.0))
    }

    /// What a version must prove before it may answer: known answers to known rows, and some calls
    /// to warm up.
    pub fn acceptance(
        &self,
        version: &str,
    ) -> Result<Acceptance<Features, Classification>, ModelFileError> {
        let path = self.folder.join("digits_expected.jsonl");
        let mut golden = Vec::with_capacity(GOLDEN_ROWS);
        for line in read(&path)?.lines().take(GOLDEN_ROWS) {
            let known = (|| {
                let mut expected: Expected = serde_json::from_str(line).ok()?;
                let scores = expected.answers.remove(version)?;
                let features = self.rows.get(expected.row)?.features();
                Some((features, serde_json::from_value::<Classification>(scores).ok()?))
            })();
            golden.push(known.ok_or_else(|| {
                ModelFileError::new(&path, format!("a line without scores of {version}"))
            })?);
        }
        let first = self.rows.first();
        let first = first.ok_or_else(|| ModelFileError::new(&path, "no rows beside it"))?;
        Ok(Acceptance::new()
            .golden(golden, Classification::within(TOLERANCE))
            .warm_up(100, first.features()))
    }

    /// The rows.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The names of the features, in the model's order.
    pub fn names(&self) -> &[String] {
        &self.task.features
    }
}

impl Row {
    /// The pixels as callers would send them.
    pub fn features(&self) -> Features {
        Features::row(self.pixels.iter().copied())
    }

    fn parse(line: &str) -> Result<Row, String> {
        let wrong = || format!("found `{line}`, expected pixels and a label");
        let (pixels, label) = line.rsplit_once(',').ok_or_else(wrong)?;
        let label = label.trim().parse().map(Label::Int).map_err(|_| wrong())?;
        let pixels = pixels.split(',').map(str::parse).collect::<Result<_, _>>();
        Ok(Row { pixels: pixels.map_err(|_| wrong())?, label })
    }
}

fn read(path: &Path) -> Result<String, ModelFileError> {
    fs::read_to_string(path).map_err(|error| ModelFileError::new(path, error))
}

/// A file in the folder of models is not what it should be.
#[derive(Debug)]
pub struct ModelFileError {
    path: PathBuf,
    source: Box<dyn Error + Send + Sync>,
}

impl ModelFileError {
    fn new(path: &Path, source: impl Into<Box<dyn Error + Send + Sync>>) -> ModelFileError {
        ModelFileError { path: path.to_owned(), source: source.into() }
    }
}

impl fmt::Display for ModelFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot use `{}`", self.path.display())
    }
}

impl Error for ModelFileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}
