//! The sidecar: a JSON file beside a model with what the model's own file does not hold.
//!
//! The sidecar of `fraud-v2.onnx` is `fraud-v2.schema.json`; the same JSON may be in the model's own
//! metadata, under `modelgate.schema`.

use std::{
    fs::File,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::LoadError;
use crate::{features::Features, model::Label};

/// Where to look for a model's sidecar.
#[derive(Clone, Debug, Default)]
pub(super) enum SidecarPath {
    /// Beside the model, if there is one.
    #[default]
    BesideModel,
    /// At this path.
    At(PathBuf),
    Nowhere,
}

/// The metadata key that may hold the same JSON.
pub(super) const METADATA: &str = "modelgate.schema";

/// The largest sidecar that is read, in bytes.
const LARGEST: u64 = 16 << 20;

/// The content of a sidecar.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Sidecar {
    /// Where it was read from, for messages.
    #[serde(skip)]
    pub(super) from: Box<str>,
    pub(super) features: Option<Vec<Feature>>,
    pub(super) also_accept: Vec<Box<str>>,
    pub(super) shape: Option<Vec<usize>>,
    pub(super) classes: Option<Vec<Label>>,
    /// Classes that the metadata of another program (Ultralytics' exporter) names.
    #[serde(skip)]
    pub(super) guessed_classes: Option<Vec<Label>>,
    pub(super) sha256: Option<Box<str>>,
    pub(super) golden: Vec<GoldenRow>,
    pub(super) tolerance: Option<f32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Feature {
    pub(super) name: Box<str>,
    pub(super) r#type: Option<FeatureType>,
    pub(super) range: Option<(f32, f32)>,
    #[serde(default)]
    pub(super) values: Vec<Box<str>>,
    #[serde(default)]
    pub(super) optional: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum FeatureType {
    Number,
    Integer,
    Boolean,
    Text,
}

impl std::fmt::Display for FeatureType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            FeatureType::Number => "number",
            FeatureType::Integer => "integer",
            FeatureType::Boolean => "boolean",
            FeatureType::Text => "text",
        })
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GoldenRow {
    pub(super) features: Features,
    /// A classifier's.
    pub(super) label: Option<Label>,
    #[serde(default)]
    pub(super) probabilities: Vec<f32>,
    /// The expected answer of a model whose answer is numbers.
    #[serde(default)]
    pub(super) outputs: Vec<f32>,
}

impl Sidecar {
    /// The sidecar of the model in this file, or at the path that the options name; `None` if there is none.
    pub(super) fn find(
        place: &SidecarPath,
        model: Option<&Path>,
    ) -> Result<Option<Sidecar>, LoadError> {
        let (path, needed) = match (place, model) {
            (SidecarPath::At(path), _) => (path.clone(), true),
            (SidecarPath::BesideModel, Some(model)) => (model.with_extension("schema.json"), false),
            _ => return Ok(None),
        };
        let failed = |source| LoadError::Io { path: path.clone(), source };
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound && !needed => return Ok(None),
            opened => opened.map_err(failed)?,
        };
        let mut bytes = Vec::new();
        file.take(LARGEST.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
        let from = path.display().to_string();
        if bytes.len() as u64 > LARGEST {
            let found = format_args!("more than {LARGEST} bytes");
            return Err(wrong(&from, "size", found, "a smaller file"));
        }
        Sidecar::read(&bytes, from).map(Some)
    }

    /// Parses a sidecar.
    pub(super) fn read(json: &[u8], from: String) -> Result<Sidecar, LoadError> {
        // Some editors put a byte order mark at the start of a file.
        let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let read: Result<Sidecar, _> = serde_path_to_error::deserialize(&mut deserializer);
        let mut sidecar = read.map_err(|error| {
            let (field, message) = (error.path().to_string(), error.inner().to_string());
            let (found, expected) = match message.rsplit_once(", expected ") {
                Some((found, expected)) => (found, expected),
                None => (&*message, "what the format of a schema allows"),
            };
            let field = if field == "." { "json" } else { &*field };
            wrong(&from, field, found, expected)
        })?;
        if let Err(error) = deserializer.end() {
            return Err(wrong(&from, "json", error, "nothing after the object"));
        }
        sidecar.from = from.into();
        match sidecar.tolerance {
            Some(tolerance) if !(tolerance.is_finite() && tolerance >= 0.0) => {
                let expected = "a finite number that is not negative";
                Err(sidecar.wrong("tolerance", tolerance, expected))
            }
            _ => Ok(sidecar),
        }
    }

    /// Merges two: where this one states nothing, the other counts.
    pub(super) fn or(self, other: Sidecar) -> Sidecar {
        Sidecar {
            // What belongs to the features is taken from the same one as the features.
            also_accept: match self.features {
                Some(_) => self.also_accept,
                None => other.also_accept,
            },
            shape: if self.features.is_some() { self.shape } else { other.shape },
            features: self.features.or(other.features),
            classes: self.classes.or(other.classes),
            guessed_classes: None,
            sha256: self.sha256.or(other.sha256),
            tolerance: if self.golden.is_empty() { other.tolerance } else { self.tolerance },
            golden: if self.golden.is_empty() { other.golden } else { self.golden },
            from: self.from,
        }
    }

    /// Refuses names of classes, for a model whose answer is numbers: nothing would read them.
    pub(super) fn check_no_classes(&self) -> Result<(), LoadError> {
        let Some(classes) = &self.classes else { return Ok(()) };
        let found = format!("{} names", classes.len());
        Err(self.wrong("classes", found, "none, as the model's answers are numbers"))
    }

    /// An error about one field of the sidecar.
    #[cold]
    pub(super) fn wrong(
        &self,
        field: impl std::fmt::Display,
        found: impl std::fmt::Display,
        expected: impl std::fmt::Display,
    ) -> LoadError {
        wrong(&self.from, field, found, expected)
    }
}

#[cold]
fn wrong(
    from: &str,
    field: impl std::fmt::Display,
    found: impl std::fmt::Display,
    expected: impl std::fmt::Display,
) -> LoadError {
    LoadError::Schema {
        from: from.into(),
        field: field.to_string().into(),
        found: found.to_string().into(),
        expected: expected.to_string().into(),
    }
}
